//! Whether a device's cooperative matrices compute what they should: a driver may offer sizes that it computes wrongly.
//! The first float16 session of a device that is opened with them runs one small convolution by the shader that
//! uses them, for one shape after the other until one is right, and compares it with ordinary arithmetic. All values
//! are integers that float16 holds, so results are equal or wrong.

use std::sync::Arc;

use super::SessionOptions;
use super::gpu_session::GpuSession;
use super::network_source::{Network, NetworkSource};
use crate::error::Result;
use crate::gpu::{Cooperative, Gpu, MatrixCheck, Precision};
use crate::graph::{Conv2d, Graph, GraphBuilder};
use crate::kernels::{DeviceContext, smallest_cooperative};
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;

/// More pixels than a workgroup computes, so that the last one is not full.
const SIDE: usize = 9;
/// Three matrices along K: the second cancels the first, whose sums exceed what float16 counts exactly.
const INPUTS: usize = 48;
const OUTPUTS: usize = 64;

impl Gpu {
    /// Whether the cooperative matrices that the adapter offers compute what they should. The first call on a device
    /// that uses them runs a small product there and blocks meanwhile; sessions in float16 make that call, and do not
    /// use matrices that are wrong.
    pub fn check_cooperative_matrices(&self) -> MatrixCheck {
        match verdict(self) {
            None if self.offers_cooperative() => MatrixCheck::NotUsed,
            None => MatrixCheck::NotOffered,
            Some(Ok(_)) => MatrixCheck::Verified,
            Some(Err(reason)) => MatrixCheck::Wrong(reason),
        }
    }
}

/// How a session of this precision multiplies cooperative matrices; `None` where it does not use them. The error says
/// that they are wrong.
pub(super) fn usable(gpu: &Gpu, precision: Precision) -> Result<Option<Cooperative>, String> {
    match precision {
        Precision::F16 => verdict(gpu).transpose(),
        Precision::F32 => Ok(None),
    }
}

/// The best of the device's matrices that are right, or what is wrong with the last; `None` where it uses none.
fn verdict(gpu: &Gpu) -> Option<Result<Cooperative, String>> {
    let (last, others) = gpu.cooperative().split_last()?;
    Some(gpu.matrix_verdict(|| {
        let right = others.iter().find(|it| check(gpu, **it).is_ok());
        match right {
            Some(it) => Ok(*it),
            None => check(gpu, *last).map(|()| *last),
        }
    }))
}

fn check(gpu: &Gpu, cooperative: Cooperative) -> Result<(), String> {
    let shape = cooperative.shape;
    let _span = tracing::debug_span!("check cooperative matrices", %shape).entered();
    let found = multiply(gpu, cooperative)?;
    compare(&expected(), found.data())
}

/// The convolution by the shader that uses matrices.
fn multiply(gpu: &Gpu, cooperative: Cooperative) -> Result<Tensor, String> {
    let options = SessionOptions::new().precision(Precision::F16);
    let context = DeviceContext {
        cooperative: Some(cooperative),
        ..DeviceContext::without_matrices(gpu, &options)
    };
    let algorithm = smallest_cooperative(&context)
        .ok_or("its workgroups have too few invocations or too little memory for them")?;
    let context = DeviceContext {
        prefer: Some(algorithm),
        ..context
    };
    run(gpu, &options, context).map_err(|error| format!("they fail: {}", error.report()))
}

fn run(gpu: &Gpu, options: &SessionOptions, context: DeviceContext) -> Result<Tensor> {
    let source = NetworkSource::Graph(Network {
        graph: graph()?,
        weights: Arc::new(weights()),
    });
    let mut session = GpuSession::with_context(gpu, source, options, context);
    let pixels = Tensor::from_fn(Shape::from([1, INPUTS, SIDE, SIDE]), |i| {
        input(i / (SIDE * SIDE), i % (SIDE * SIDE))
    });
    let mut outputs = session.run(&[pixels])?;
    // The graph has one output.
    Ok(outputs.swap_remove(0))
}

fn graph() -> Result<Graph> {
    let mut b = GraphBuilder::new("cooperative matrices");
    let x = b.input("input", &[Some(1), Some(INPUTS), Some(SIDE), Some(SIDE)]);
    let y = b.conv2d("conv", x, Conv2d::new(INPUTS, OUTPUTS, 1));
    b.output(y);
    b.build()
}

fn weights() -> Weights {
    let weight = Tensor::from_fn(Shape::from([OUTPUTS, INPUTS, 1, 1]), |i| {
        weight(i / INPUTS, i % INPUTS)
    });
    let bias = Tensor::from_fn(Shape::from([OUTPUTS]), bias);
    let tensors = [("conv.weight", weight), ("conv.bias", bias)];
    Weights::from_tensors(
        "cooperative matrices",
        tensors.map(|(name, tensor)| (name.to_owned(), tensor)),
    )
}

/// 0 to 32, without a pattern that a transposed matrix would repeat. The second matrix is almost the first.
fn input(channel: usize, pixel: usize) -> f32 {
    let value = |channel: usize| (1 + (channel * 7 + pixel * 5 + channel * pixel) % 31) as f32;
    match channel / 16 {
        1 => value(channel - 16) + ((channel + pixel) % 3) as f32 - 1.0,
        _ => value(channel),
    }
}

fn weight(output: usize, input: usize) -> f32 {
    let value = |input: usize| (1 + (input * 11 + output * 3 + input * output) % 31) as f32;
    match input / 16 {
        0 => value(input),
        1 => -value(input - 16),
        _ => value(input) % 7.0 - 3.0,
    }
}

fn bias(output: usize) -> f32 {
    output as f32 - 31.0
}

/// The results, `[output][pixel]`, by ordinary arithmetic.
fn expected() -> Vec<f32> {
    let pixels = SIDE * SIDE;
    let sum = |output: usize, pixel: usize| {
        let products = (0..INPUTS).map(|k| weight(output, k) * input(k, pixel));
        products.sum::<f32>() + bias(output)
    };
    (0..OUTPUTS * pixels)
        .map(|i| sum(i / pixels, i % pixels))
        .collect()
}

fn compare(expected: &[f32], found: &[f32]) -> Result<(), String> {
    let differs = |(_, (expected, found)): &(usize, (&f32, &f32))| expected != found;
    let mut wrong = expected.iter().zip(found).enumerate().filter(differs);
    match wrong.next() {
        Some((i, (expected, found))) => Err(format!(
            "{} of {} results of a small product are wrong: expected {expected} in row {} and column {}, found {found}",
            1 + wrong.count(),
            expected_len(),
            i % (SIDE * SIDE),
            i / (SIDE * SIDE),
        )),
        None if found.len() != expected_len() => Err(format!(
            "a small product has {} results, {} were expected",
            found.len(),
            expected_len()
        )),
        None => Ok(()),
    }
}

const fn expected_len() -> usize {
    OUTPUTS * SIDE * SIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Then every correct device has the same result, whatever the order of its sums.
    #[test]
    fn values_and_sums_are_exact() {
        let mut largest: f32 = 0.0;
        for output in 0..OUTPUTS {
            for pixel in 0..SIDE * SIDE {
                let products = (0..INPUTS).map(|k| weight(output, k) * input(k, pixel));
                let of_first: f32 = products.clone().take(16).sum();
                largest = largest.max(of_first);
                // Float32 counts to 2^24 exactly.
                assert!(products.map(f32::abs).sum::<f32>() < 16_777_216.0);
            }
        }
        // Float16 counts to 2^11 exactly: results fit, sums on the way do not.
        assert!(largest > 2048.0, "{largest}");
        let results = expected();
        assert!(results.iter().all(|value| value.abs() <= 2048.0));
        // A kernel that stores nothing, or one value, is found out.
        let different: std::collections::HashSet<i32> =
            results.iter().map(|&value| value as i32).collect();
        assert!(different.len() > 100, "{}", different.len());
    }

    #[test]
    fn a_wrong_result_is_named() {
        let right = expected();
        assert_eq!(compare(&right, &right), Ok(()));
        let mut wrong = right.clone();
        wrong[SIDE * SIDE + 2] += 1.0;
        let reason = compare(&right, &wrong).unwrap_err();
        assert!(reason.starts_with("1 of 5184 results"), "{reason}");
        assert!(reason.contains("in row 2 and column 1"), "{reason}");
        wrong.fill(f32::NAN);
        let reason = compare(&right, &wrong).unwrap_err();
        assert!(reason.starts_with("5184 of 5184"), "{reason}");
        assert!(compare(&right, &right[1..]).is_err());
    }
}
