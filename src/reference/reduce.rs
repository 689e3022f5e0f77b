use super::Real;
use crate::graph::{Reduce, ReduceKind, ReduceOver};
use crate::tensor::Tensor;

pub(super) fn reduce<T: Real>(op: Reduce, x: &Tensor<T>) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let plane = h * w;
    match op.over {
        ReduceOver::Space => (x.data().chunks(plane))
            .map(|plane| fold(op.kind, plane.iter().copied()))
            .collect(),
        ReduceOver::Channels => (0..n * plane)
            .map(|i| {
                let (n, pixel) = (i / plane, i % plane);
                let image = &x.data()[n * c * plane..][..c * plane];
                fold(op.kind, image.iter().skip(pixel).step_by(plane).copied())
            })
            .collect(),
    }
}

fn fold<T: Real>(kind: ReduceKind, values: impl ExactSizeIterator<Item = T>) -> T {
    let count = T::from_f64(values.len() as f64);
    match kind {
        ReduceKind::Sum => values.fold(T::zero(), |a, b| a + b),
        ReduceKind::Mean => values.fold(T::zero(), |a, b| a + b) / count,
        ReduceKind::Max => values.fold(T::neg_infinity(), T::max_or_nan),
        ReduceKind::Min => -values.fold(T::neg_infinity(), |a, b| a.max_or_nan(-b)),
        ReduceKind::Prod => values.fold(T::one(), |a, b| a * b),
    }
}
