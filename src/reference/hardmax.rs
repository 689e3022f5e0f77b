use super::Real;
use crate::tensor::Tensor;

pub(super) fn hardmax<T: Real>(x: &Tensor<T>) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let plane = h * w;
    let mut y = vec![T::zero(); x.data().len()];
    for image in 0..n {
        for pixel in 0..plane {
            let at = |channel: usize| (image * c + channel) * plane + pixel;
            let larger = |a: T, b: T| a > b || (a.is_nan() && !b.is_nan());
            let first = (1..c).fold(0, |best, channel| {
                match larger(x.data()[at(channel)], x.data()[at(best)]) {
                    true => channel,
                    false => best,
                }
            });
            y[at(first)] = T::one();
        }
    }
    y
}
