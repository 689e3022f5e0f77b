use rayon::prelude::*;

use super::Real;
use crate::tensor::{Shape, Tensor};

pub(super) fn matmul<T: Real>(a: &Tensor<T>, b: &Tensor<T>, output: &Shape) -> Vec<T> {
    let (a_dims, b_dims) = (a.shape().dims(), b.shape().dims());
    let (m, k, n) = (a_dims[1], a_dims[2], b_dims[2]);
    let matrix = |dims: &[usize], index: usize| index % dims[0] * dims[1] * dims[2];
    let row = |row: usize| -> Vec<T> {
        let a = &a.data()[matrix(a_dims, row / m) + row % m * k..][..k];
        let b = &b.data()[matrix(b_dims, row / m)..];
        let mut sums = vec![T::zero(); n];
        for (&a, b) in a.iter().zip(b.chunks(n)) {
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
        sums
    };
    let rows = output.dims()[0] * m;
    (0..rows).into_par_iter().flat_map_iter(row).collect()
}
