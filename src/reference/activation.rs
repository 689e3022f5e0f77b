use rayon::prelude::*;

use super::Real;
use crate::graph::Activation;
use crate::tensor::Tensor;

/// Below this many elements a second thread costs more than it brings.
const MIN_LEN: usize = 4096;

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
    }
}

fn map<T: Real>(x: &Tensor<T>, f: impl Fn(T) -> T + Sync) -> Vec<T> {
    x.data()
        .par_iter()
        .with_min_len(MIN_LEN)
        .map(|&x| f(x))
        .collect()
}

/// Comparisons with NaN are false: it passes.
fn relu<T: Real>(x: T) -> T {
    if x < T::zero() { T::zero() } else { x }
}

fn relu6<T: Real>(x: T) -> T {
    let six = T::from_f32(6.0);
    if x > six { six } else { relu(x) }
}

/// Where `exp(-x)` overflows to infinity the quotient is 0, as it should be.
fn sigmoid<T: Real>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}
