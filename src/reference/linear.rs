use rayon::prelude::*;

use super::Real;
use crate::graph::Linear;
use crate::tensor::Tensor;

pub(super) fn linear<T: Real>(op: &Linear, parameters: &[Vec<T>], x: &Tensor<T>) -> Vec<T> {
    let (weight, bias) = (&parameters[0], parameters.get(1));
    let [images, ..] = x.shape().nchw();
    let feature = |i: usize| {
        let (image, out) = (i / op.out_features, i % op.out_features);
        let row = &weight[out * op.in_features..][..op.in_features];
        let x = &x.data()[image * op.in_features..][..op.in_features];
        dot(row, x) + bias.map_or(T::zero(), |bias| bias[out])
    };
    let features = images * op.out_features;
    (0..features)
        .into_par_iter()
        .with_min_len(16)
        .map(feature)
        .collect()
}

pub(super) fn backward<T: Real>(
    op: &Linear,
    parameters: &[Vec<T>],
    gradient: &Tensor<T>,
) -> Vec<T> {
    let [images, ..] = gradient.shape().nchw();
    let mut y = vec![T::zero(); images * op.in_features];
    (y.par_chunks_mut(op.in_features))
        .zip(gradient.data().par_chunks(op.out_features))
        .for_each(|(y, gradient)| {
            let rows = parameters[0].chunks(op.in_features);
            for (&gradient, row) in gradient.iter().zip(rows) {
                for (y, &weight) in y.iter_mut().zip(row) {
                    *y += gradient * weight;
                }
            }
        });
    y
}

/// Eight partial sums, so that the compiler can vectorize: it may not reorder the additions of a single
/// sum.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [T::zero(); 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(T::zero(), |sum, (&a, &b)| sum + a * b)
        + sums.into_iter().fold(T::zero(), |sum, x| sum + x)
}
