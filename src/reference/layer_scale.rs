use rayon::prelude::*;

use super::Real;
use crate::tensor::Tensor;

pub(super) fn layer_scale<T: Real>(gamma: &[T], x: &Tensor<T>) -> Vec<T> {
    let [_, channels, h, w] = x.shape().nchw();
    let mut y = x.data().to_vec();
    y.par_chunks_mut(h * w).enumerate().for_each(|(i, plane)| {
        plane.iter_mut().for_each(|y| *y *= gamma[i % channels]);
    });
    y
}
