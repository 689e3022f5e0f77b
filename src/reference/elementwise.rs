use super::Real;
use crate::graph::Binary;
use crate::tensor::{Shape, Tensor};

pub(super) fn binary<T: Real>(op: Binary, a: &Tensor<T>, b: &Tensor<T>, output: &Shape) -> Vec<T> {
    match op {
        Binary::Add => zip(a, b, output, |a, b| a + b),
        Binary::Sub => zip(a, b, output, |a, b| a - b),
        Binary::Mul => zip(a, b, output, |a, b| a * b),
        Binary::Div => zip(a, b, output, |a, b| a / b),
        Binary::Max => zip(a, b, output, T::max_or_nan),
        Binary::Min => zip(a, b, output, |a, b| -(-a).max_or_nan(-b)),
        Binary::Pow => zip(a, b, output, pow_or_nan),
    }
}

/// A power, or NaN if either is NaN. (`Float::powf` returns 1 where the other decides that.)
fn pow_or_nan<T: Real>(a: T, b: T) -> T {
    if a.is_nan() || b.is_nan() {
        T::nan()
    } else {
        a.powf(b)
    }
}

/// `f` of the elements of `a` and `b` at the position of each element of the output. They are broadcast along
/// dimensions of extent 1.
fn zip<T: Real>(a: &Tensor<T>, b: &Tensor<T>, output: &Shape, f: impl Fn(T, T) -> T) -> Vec<T> {
    if a.shape() == b.shape() {
        let pairs = a.data().iter().zip(b.data());
        return pairs.map(|(&a, &b)| f(a, b)).collect();
    }
    let at = |x: &Tensor<T>, i: usize| {
        let (mut rest, mut stride, mut index) = (i, 1, 0);
        for (&extent, &own) in output.dims().iter().zip(x.shape().dims()).rev() {
            if own != 1 {
                index += rest % extent * stride;
            }
            rest /= extent;
            stride *= own;
        }
        x.data()[index]
    };
    (0..output.len()).map(|i| f(at(a, i), at(b, i))).collect()
}
