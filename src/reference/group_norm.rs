use rayon::prelude::*;

use super::Real;
use crate::graph::GroupNorm;
use crate::tensor::Tensor;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the pixels and channels of each group.
/// `parameters` are the weight and the bias, if there are any.
pub(super) fn group_norm<T: Real>(op: &GroupNorm, x: &Tensor<T>, parameters: &[Vec<T>]) -> Vec<T> {
    let [_, channels, h, w] = x.shape().nchw();
    let plane = h * w;
    let together = op.pixels(x.shape());
    let in_group = op.group_channels();
    let count = T::from_f64(together as f64) * T::from_f64(in_group as f64);
    let eps = T::from_f64(op.eps);
    let pixels = x.data().len() / channels;
    // Mean and deviation of each group, for one set of pixels after another.
    let normals = (0..pixels / together * op.groups).into_par_iter().map(|i| {
        let (first, group) = (i / op.groups * together, i % op.groups);
        let average = |term: &dyn Fn(T) -> T| {
            let mut sum = T::zero();
            for pixel in first..first + together {
                let image = pixel / plane * channels;
                for channel in group * in_group..(group + 1) * in_group {
                    sum += term(x.data()[(image + channel) * plane + pixel % plane]);
                }
            }
            sum / count
        };
        let mean = match op.centered {
            true => average(&|x| x),
            false => T::zero(),
        };
        let variance = average(&|x| (x - mean) * (x - mean));
        (mean, (variance + eps).sqrt())
    });
    let normals: Vec<(T, T)> = normals.collect();
    let mut y = x.data().to_vec();
    y.par_chunks_mut(plane).enumerate().for_each(|(i, y)| {
        let (image, channel) = (i / channels, i % channels);
        let (weight, bias) = match parameters {
            [weight, bias, ..] => (weight[channel], bias[channel]),
            _ => (T::one(), T::zero()),
        };
        for (pixel, y) in y.iter_mut().enumerate() {
            let set = (image * plane + pixel) / together;
            let (mean, deviation) = normals[set * op.groups + channel / in_group];
            *y = (*y - mean) / deviation * weight + bias;
        }
    });
    y
}
