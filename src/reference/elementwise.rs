use super::Real;
use crate::graph::Binary;
use crate::tensor::Tensor;

pub(super) fn binary<T: Real>(op: Binary, a: &Tensor<T>, b: &Tensor<T>) -> Vec<T> {
    match op {
        Binary::Add => zip(a, b, |a, b| a + b),
        Binary::Sub => zip(a, b, |a, b| a - b),
        Binary::Mul => zip(a, b, |a, b| a * b),
        Binary::Div => zip(a, b, |a, b| a / b),
        Binary::Max => zip(a, b, T::max_or_nan),
        Binary::Min => zip(a, b, |a, b| -(-a).max_or_nan(-b)),
    }
}

/// `f` of each element of `a` and the corresponding element of `b`, which is broadcast along dimensions of
/// extent 1.
fn zip<T: Real>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> T) -> Vec<T> {
    let pairs = a.data().iter().enumerate();
    if a.shape() == b.shape() {
        return pairs.map(|(i, &a)| f(a, b.data()[i])).collect();
    }
    let extents: Vec<(usize, usize)> = (a.shape().dims().iter().copied())
        .zip(b.shape().dims().iter().copied())
        .collect();
    let index_in_b = |i: usize| {
        let (mut rest, mut stride, mut at) = (i, 1, 0);
        for &(in_a, in_b) in extents.iter().rev() {
            if in_b != 1 {
                at += rest % in_a * stride;
            }
            rest /= in_a;
            stride *= in_b;
        }
        at
    };
    pairs.map(|(i, &a)| f(a, b.data()[index_in_b(i)])).collect()
}
