use rayon::prelude::*;

use super::Real;
use crate::tensor::Tensor;

/// `exp(x - max) / sum(exp(x - max))` over the channels of every pixel. The largest exponent is 0, so that
/// nothing overflows. A NaN or positive infinity makes its whole pixel NaN, as in PyTorch.
pub(super) fn softmax<T: Real>(x: &Tensor<T>) -> Vec<T> {
    let [_, channels, h, w] = x.shape().nchw();
    let plane = h * w;
    let mut y = x.data().to_vec();
    y.par_chunks_mut(channels * plane).for_each(|image| {
        for pixel in 0..plane {
            let at = |c: usize| c * plane + pixel;
            let max = (0..channels)
                .map(|c| image[at(c)])
                .fold(T::neg_infinity(), T::max_or_nan);
            let mut sum = T::zero();
            for c in 0..channels {
                let e = (image[at(c)] - max).exp();
                image[at(c)] = e;
                sum += e;
            }
            for c in 0..channels {
                image[at(c)] /= sum;
            }
        }
    });
    y
}
