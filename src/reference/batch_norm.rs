use rayon::prelude::*;

use super::Real;
use crate::graph::BatchNorm2d;
use crate::tensor::Tensor;

pub(super) fn batch_norm<T: Real>(
    op: &BatchNorm2d,
    parameters: &[Vec<T>],
    x: &Tensor<T>,
) -> Vec<T> {
    let [weight, bias, mean, var] = [0, 1, 2, 3].map(|i| &parameters[i]);
    let eps = T::from_f64(op.eps);
    let [_, channels, h, w] = x.shape().nchw();
    let mut y = x.data().to_vec();
    y.par_chunks_mut(h * w).enumerate().for_each(|(i, plane)| {
        let c = i % channels;
        let scale = weight[c] / (var[c] + eps).sqrt();
        for y in plane {
            *y = (*y - mean[c]) * scale + bias[c];
        }
    });
    y
}

pub(super) fn backward<T: Real>(
    op: &BatchNorm2d,
    parameters: &[Vec<T>],
    gradient: &Tensor<T>,
) -> Vec<T> {
    let (weight, var) = (&parameters[0], &parameters[3]);
    let eps = T::from_f64(op.eps);
    let [_, channels, h, w] = gradient.shape().nchw();
    let mut y = gradient.data().to_vec();
    y.par_chunks_mut(h * w).enumerate().for_each(|(i, plane)| {
        let scale = weight[i % channels] / (var[i % channels] + eps).sqrt();
        plane.iter_mut().for_each(|y| *y *= scale);
    });
    y
}
