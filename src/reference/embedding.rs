use super::Real;
use crate::graph::Embedding;
use crate::tensor::Tensor;

pub(super) fn embedding<T: Real>(op: Embedding, parameters: &[Vec<T>], x: &Tensor<T>) -> Vec<T> {
    let [n, length, _, _] = x.shape().nchw();
    let mut y = Vec::with_capacity(n * op.dim * length);
    for ids in x.data().chunks(length) {
        for i in 0..op.dim {
            y.extend(ids.iter().map(|id| {
                // An id that is not the index of a row (too large, a fraction, NaN) gives NaN.
                let row = id.to_usize().filter(|&row| T::from_f64(row as f64) == *id);
                row.and_then(|row| parameters[0].get(row * op.dim + i))
                    .copied()
                    .unwrap_or(T::nan())
            }));
        }
    }
    y
}
