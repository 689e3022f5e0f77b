use std::cmp::Ordering;

use super::Real;
use crate::graph::{TopK, TopKOutput};
use crate::tensor::Tensor;

pub(super) fn top_k<T: Real>(op: TopK, x: &Tensor<T>) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let plane = h * w;
    let mut y = vec![T::zero(); n * op.k * plane];
    for image in 0..n {
        for pixel in 0..plane {
            let value = |channel: usize| x.data()[(image * c + channel) * plane + pixel];
            let mut channels: Vec<usize> = (0..c).collect();
            // A stable sort: equal elements stay in order.
            channels.sort_by(|&a, &b| match op.largest {
                true => compare(value(b), value(a)),
                false => compare(value(a), value(b)),
            });
            for (rank, &channel) in channels[..op.k].iter().enumerate() {
                y[(image * op.k + rank) * plane + pixel] = match op.output {
                    TopKOutput::Values => value(channel),
                    TopKOutput::Indices => T::from_f64(channel as f64),
                };
            }
        }
    }
    y
}

/// NaN is larger than any number.
fn compare<T: Real>(a: T, b: T) -> Ordering {
    (a.partial_cmp(&b)).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
