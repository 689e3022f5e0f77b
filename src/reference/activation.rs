use rayon::prelude::*;

use super::Real;
use crate::graph::Activation;
use crate::tensor::Tensor;

/// With fewer elements than this per thread, more threads do not pay off.
pub(super) const MIN_LEN: usize = 4096;

pub(super) fn activation<T: Real>(op: Activation, x: &Tensor<T>) -> Vec<T> {
    match op {
        Activation::Relu => map(x, relu),
        Activation::Relu6 => map(x, relu6),
        Activation::LeakyRelu { slope } => {
            let slope = T::from_f32(slope);
            map(x, |x| if x > T::zero() { x } else { x * slope })
        }
        Activation::Sigmoid => map(x, sigmoid),
        Activation::Tanh => map(x, T::tanh),
        Activation::HardSwish => {
            let (three, six) = (T::from_f32(3.0), T::from_f32(6.0));
            map(x, |x| x * relu6(x + three) / six)
        }
        Activation::Silu => map(x, |x| x * sigmoid(x)),
        Activation::Mish => map(x, |x| x * softplus(x).tanh()),
    }
}

/// `value` is the activation's output or, if the derivative cannot be computed from it, the input.
pub(super) fn backward<T: Real>(op: Activation, gradient: &Tensor<T>, value: &Tensor<T>) -> Vec<T> {
    let (zero, one, six) = (T::zero(), T::one(), T::from_f32(6.0));
    let with = |derivative: &(dyn Fn(T) -> T + Sync)| {
        let pairs = gradient.data().par_iter().zip(value.data());
        let pairs = pairs.with_min_len(MIN_LEN);
        pairs.map(|(&g, &v)| g * derivative(v)).collect()
    };
    match op {
        Activation::Relu => with(&|y| if y > zero { one } else { zero }),
        Activation::Relu6 => with(&|y| if y > zero && y < six { one } else { zero }),
        Activation::LeakyRelu { slope } => {
            let slope = T::from_f32(slope);
            with(&|y| if y > zero { one } else { slope })
        }
        Activation::Sigmoid => with(&|y| y * (one - y)),
        Activation::Tanh => with(&|y| one - y * y),
        Activation::HardSwish => {
            let three = T::from_f32(3.0);
            with(&|x| match x {
                x if x <= -three => zero,
                x if x < three => (x + x + three) / six,
                _ => one,
            })
        }
        Activation::Silu => with(&|x| sigmoid(x) * (one + x * (one - sigmoid(x)))),
        Activation::Mish => with(&|x| {
            let t = softplus(x).tanh();
            t + x * (one - t * t) * sigmoid(x)
        }),
    }
}

fn map<T: Real>(x: &Tensor<T>, f: impl Fn(T) -> T + Sync) -> Vec<T> {
    x.data()
        .par_iter()
        .with_min_len(MIN_LEN)
        .map(|&x| f(x))
        .collect()
}

/// NaN is returned as it is, because comparisons with NaN are false.
pub(super) fn relu<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}

fn relu6<T: Real>(x: T) -> T {
    let six = T::from_f32(6.0);
    if x > six { six } else { relu(x) }
}

/// `ln(1 + exp(x))`, written so that `exp` does not overflow.
pub(super) fn softplus<T: Real>(x: T) -> T {
    relu(x) + (-x.abs()).exp().ln_1p()
}

/// If `exp(-x)` overflows to infinity, the quotient is 0, the correct limit.
pub(super) fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}
