use rayon::prelude::*;

use super::Real;
use super::activation::{MIN_LEN, relu, sigmoid, softplus};
use crate::graph::Unary;
use crate::tensor::Tensor;

/// The function of one number.
pub(crate) fn unary_of<T: Real>(op: Unary, x: T) -> T {
    match op.is_predicate() {
        true => predicate(op, x),
        false => keep_nan(x, |x| value(op, x)),
    }
}

pub(super) fn unary<T: Real>(op: Unary, x: &Tensor<T>) -> Vec<T> {
    let elements = x.data().par_iter().with_min_len(MIN_LEN);
    elements.map(|&x| unary_of(op, x)).collect()
}

/// `x` is the function's input.
pub(super) fn backward<T: Real>(op: Unary, gradient: &Tensor<T>, x: &Tensor<T>) -> Vec<T> {
    let pairs = gradient.data().par_iter().zip(x.data());
    let pairs = pairs.with_min_len(MIN_LEN);
    pairs
        .map(|(&g, &x)| keep_nan(x, |x| g * derivative(op, x)))
        .collect()
}

/// Comparisons with NaN are false, and some functions, such as powers, have a value for it.
fn keep_nan<T: Real>(x: T, f: impl Fn(T) -> T) -> T {
    if x.is_nan() { x } else { f(x) }
}

fn value<T: Real>(op: Unary, x: T) -> T {
    let (zero, one, two) = (T::zero(), T::one(), T::from_f32(2.0));
    match op {
        Unary::Elu { alpha } if x <= zero => T::from_f32(alpha) * x.exp_m1(),
        Unary::Elu { .. } => x,
        Unary::Selu { alpha, gamma } => {
            let inner = value(Unary::Elu { alpha }, x);
            T::from_f32(gamma) * inner
        }
        Unary::Celu { alpha } if x <= zero => {
            let alpha = T::from_f32(alpha);
            alpha * (x / alpha).exp_m1()
        }
        Unary::Celu { .. } => x,
        Unary::Gelu => x * (one + erf(x / two.sqrt())) / two,
        Unary::GeluTanh => x * (one + gelu_argument(x).tanh()) / two,
        Unary::Erf => erf(x),
        Unary::Softplus => softplus(x),
        Unary::Softsign => x / (one + x.abs()),
        Unary::HardSigmoid { alpha, beta } => {
            let y = relu(T::from_f32(alpha) * x + T::from_f32(beta));
            if y > one { one } else { y }
        }
        Unary::Swish { alpha } => x * sigmoid(T::from_f32(alpha) * x),
        Unary::ThresholdedRelu { alpha } if x > T::from_f32(alpha) => x,
        Unary::ThresholdedRelu { .. } => zero,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Sqrt => x.sqrt(),
        Unary::Pow { exponent } => x.powf(T::from_f32(exponent)),
        Unary::Abs => x.abs(),
        Unary::Neg => -x,
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => round_ties_even(x),
        Unary::Sign => sign(x),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tan => x.tan(),
        Unary::Asin => x.asin(),
        Unary::Acos => x.acos(),
        Unary::Atan => x.atan(),
        Unary::Sinh => x.sinh(),
        Unary::Cosh => x.cosh(),
        Unary::Asinh => x.asinh(),
        Unary::Acosh => x.acosh(),
        Unary::Atanh => x.atanh(),
        Unary::Reciprocal => one / x,
        Unary::Clip { min, max } => clip(x, min, max),
        Unary::Quantize { scale, min, max } => clip(steps(x, scale), min, max),
        Unary::FakeQuantize { scale, min, max } => {
            T::from_f32(scale) * clip(steps(x, scale), min, max)
        }
        Unary::Affine { scale, offset } => T::from_f32(scale) * x + T::from_f32(offset),
        Unary::Shrink { lambda, bias } => {
            let (lambda, bias) = (T::from_f32(lambda), T::from_f32(bias));
            match (x < -lambda, x > lambda) {
                (true, _) => x + bias,
                (_, true) => x - bias,
                _ => zero,
            }
        }
        Unary::Trunc => x.trunc(),
        Unary::IsNan | Unary::IsInf { .. } | Unary::Not | Unary::ToBool => predicate(op, x),
    }
}

/// 1 where it holds, for NaN as well, else 0.
fn predicate<T: Real>(op: Unary, x: T) -> T {
    let holds = match op {
        Unary::IsNan => x.is_nan(),
        Unary::IsInf { positive, negative } => {
            (positive && x == T::infinity()) || (negative && x == T::neg_infinity())
        }
        Unary::Not => x == T::zero(),
        _ => x != T::zero(),
    };
    if holds { T::one() } else { T::zero() }
}

fn clip<T: Real>(x: T, min: f32, max: f32) -> T {
    let (min, max) = (T::from_f32(min), T::from_f32(max));
    let raised = if x < min { min } else { x };
    if raised > max { max } else { raised }
}

/// The nearest number of steps of `scale`.
fn steps<T: Real>(x: T, scale: f32) -> T {
    round_ties_even(x / T::from_f32(scale))
}

fn derivative<T: Real>(op: Unary, x: T) -> T {
    let (zero, one, two) = (T::zero(), T::one(), T::from_f32(2.0));
    match op {
        Unary::Elu { alpha } if x <= zero => T::from_f32(alpha) * x.exp(),
        Unary::Elu { .. } => one,
        Unary::Selu { alpha, gamma } => {
            let inner = derivative(Unary::Elu { alpha }, x);
            T::from_f32(gamma) * inner
        }
        Unary::Celu { alpha } if x <= zero => (x / T::from_f32(alpha)).exp(),
        Unary::Celu { .. } => one,
        Unary::Gelu => {
            let density = (-x * x / two).exp() / T::from_f64(std::f64::consts::TAU).sqrt();
            (one + erf(x / two.sqrt())) / two + x * density
        }
        Unary::GeluTanh => {
            let t = gelu_argument(x).tanh();
            let slope = T::from_f64(GELU_SCALE) * (one + T::from_f64(3.0 * GELU_CUBE) * x * x);
            (one + t + x * (one - t * t) * slope) / two
        }
        Unary::Erf => T::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-x * x).exp(),
        Unary::Softplus => sigmoid(x),
        Unary::Softsign => one / ((one + x.abs()) * (one + x.abs())),
        Unary::HardSigmoid { alpha, beta } => {
            let y = T::from_f32(alpha) * x + T::from_f32(beta);
            if y > zero && y < one {
                T::from_f32(alpha)
            } else {
                zero
            }
        }
        Unary::Swish { alpha } => {
            let x = T::from_f32(alpha) * x;
            sigmoid(x) * (one + x * (one - sigmoid(x)))
        }
        Unary::ThresholdedRelu { alpha } if x > T::from_f32(alpha) => one,
        Unary::Exp => x.exp(),
        Unary::Log => one / x,
        Unary::Sqrt => one / (two * x.sqrt()),
        Unary::Pow { exponent: 0.0 } => zero,
        Unary::Pow { exponent } => {
            let exponent = T::from_f32(exponent);
            exponent * x.powf(exponent - one)
        }
        Unary::Abs => sign(x),
        Unary::Neg => -one,
        Unary::Reciprocal => -one / (x * x),
        Unary::Clip { min, max } if x >= T::from_f32(min) && x <= T::from_f32(max) => one,
        Unary::FakeQuantize { scale, min, max } => {
            let steps = steps(x, scale);
            derivative(Unary::Clip { min, max }, steps)
        }
        Unary::Affine { scale, .. } => T::from_f32(scale),
        Unary::Sin => x.cos(),
        Unary::Cos => -x.sin(),
        Unary::Tan => one / (x.cos() * x.cos()),
        Unary::Asin => one / (one - x * x).sqrt(),
        Unary::Acos => -one / (one - x * x).sqrt(),
        Unary::Atan => one / (one + x * x),
        Unary::Sinh => x.cosh(),
        Unary::Cosh => x.sinh(),
        Unary::Asinh => one / (x * x + one).sqrt(),
        Unary::Acosh => one / (x * x - one).sqrt(),
        Unary::Atanh => one / (one - x * x),
        Unary::Shrink { lambda, .. } if x.abs() > T::from_f32(lambda) => one,
        // Constant here, or in pieces.
        Unary::ThresholdedRelu { .. }
        | Unary::Clip { .. }
        | Unary::Shrink { .. }
        | Unary::Floor
        | Unary::Ceil
        | Unary::Round
        | Unary::Sign
        | Unary::Trunc
        | Unary::Quantize { .. }
        | Unary::IsNan
        | Unary::IsInf { .. }
        | Unary::Not
        | Unary::ToBool => zero,
    }
}

/// `sqrt(2 / pi)`.
const GELU_SCALE: f64 = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2;

const GELU_CUBE: f64 = 0.044715;

fn gelu_argument<T: Real>(x: T) -> T {
    T::from_f64(GELU_SCALE) * (x + T::from_f64(GELU_CUBE) * x * x * x)
}

fn sign<T: Real>(x: T) -> T {
    if x == T::zero() { x } else { x.signum() }
}

/// The even one of two integers that are equally near. (`Float::round` returns the one further from 0.)
fn round_ties_even<T: Real>(x: T) -> T {
    let (half, two) = (T::from_f32(0.5), T::from_f32(2.0));
    match (x - x.trunc()).abs() == half {
        true => two * (x / two).round(),
        false => x.round(),
    }
}

/// The error function by its series of positive terms, 7.1.6 in Abramowitz and Stegun (1964).
fn erf<T: Real>(x: T) -> T {
    // erf(6) differs from 1 by 2e-17.
    if x.abs() >= T::from_f32(6.0) {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, T::one());
    while term.abs() > sum.abs() * T::epsilon() {
        n += T::from_f32(2.0);
        term *= T::from_f32(2.0) * x * x / n;
        sum += term;
    }
    T::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Python's `math.erf`.
    #[test]
    fn the_error_function_is_exact() {
        for (x, expected) in [
            (0.0, 0.0),
            (1e-3, 0.0011283787909692365),
            (0.5, 0.5204998778130465),
            (1.0, 0.8427007929497149),
            (2.0, 0.9953222650189527),
            (3.5, 0.9999992569016276),
            (5.9, 1.0),
            (40.0, 1.0),
            (f64::INFINITY, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 2e-15, "{x}: {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
            assert!((f64::from(erf(x as f32)) - expected).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn ties_are_rounded_to_even_integers() {
        let rounded =
            [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 2.6, 1e9].map(round_ties_even::<f64>);
        assert_eq!(rounded, [-2.0, -2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 3.0, 1e9]);
    }
}
