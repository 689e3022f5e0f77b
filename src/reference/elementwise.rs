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
        Binary::Equal => zip(a, b, output, |a, b| number(a == b)),
        Binary::Greater => zip(a, b, output, |a, b| number(a > b)),
        Binary::GreaterOrEqual => zip(a, b, output, |a, b| number(a >= b)),
        Binary::Less => zip(a, b, output, |a, b| number(a < b)),
        Binary::LessOrEqual => zip(a, b, output, |a, b| number(a <= b)),
        Binary::And => zip(a, b, output, |a, b| number(is_true(a) && is_true(b))),
        Binary::Or => zip(a, b, output, |a, b| number(is_true(a) || is_true(b))),
        Binary::Xor => zip(a, b, output, |a, b| number(is_true(a) != is_true(b))),
        Binary::Remainder => zip(a, b, output, remainder),
        Binary::Fmod => zip(a, b, output, |a, b| a % b),
        Binary::TruncDiv => zip(a, b, output, |a, b| (a / b).trunc()),
    }
}

/// `condition` and the two values that it chooses from, each broadcast to the output's extents.
pub(super) fn choose<T: Real>(
    condition: &Tensor<T>,
    a: &Tensor<T>,
    b: &Tensor<T>,
    output: &Shape,
) -> Vec<T> {
    let choose = |i: usize| match is_true(at(condition, output, i)) {
        true => at(a, output, i),
        false => at(b, output, i),
    };
    (0..output.len()).map(choose).collect()
}

/// A boolean as a number.
fn number<T: Real>(holds: bool) -> T {
    if holds { T::one() } else { T::zero() }
}

fn is_true<T: Real>(x: T) -> bool {
    x != T::zero()
}

/// The rest of a division, with the divisor's sign.
fn remainder<T: Real>(a: T, b: T) -> T {
    let rest = a % b;
    let differs = rest != T::zero() && (rest < T::zero()) != (b < T::zero());
    if differs { rest + b } else { rest }
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
    let pairs = (0..output.len()).map(|i| (at(a, output, i), at(b, output, i)));
    pairs.map(|(a, b)| f(a, b)).collect()
}

/// The element of a value, which is broadcast along dimensions of extent 1, for element `i` of the output.
fn at<T: Real>(x: &Tensor<T>, output: &Shape, i: usize) -> T {
    let (mut rest, mut stride, mut index) = (i, 1, 0);
    for (&extent, &own) in output.dims().iter().zip(x.shape().dims()).rev() {
        if own != 1 {
            index += rest % extent * stride;
        }
        rest /= extent;
        stride *= own;
    }
    x.data()[index]
}
