//! A graph's gradients by central finite differences of the reference backend in float64.

use std::sync::Arc;

use shadernet::gpu::Precision;
use shadernet::graph::{GradientRule, Graph, Seed, ValueId};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::{Shaders, assert_ran};
use crate::common::tolerance::gradient;
use crate::devices::devices_and_cpu;
use crate::generate::{tensor, weights_for};

/// Half the distance between the two points of a difference.
const STEP: f64 = 1e-5;

fn wide(tensors: &[Tensor]) -> Vec<Tensor<f64>> {
    (tensors.iter()).map(|t| t.map(|v| f64::from(*v))).collect()
}

fn dot(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}

/// The gradient of `seed` times the graph's output with respect to its input `target`, one element at a
/// time.
fn by_differences(
    reference: &Reference<f64>,
    inputs: &[Tensor<f64>],
    seed: &Tensor<f64>,
    target: usize,
) -> Tensor<f64> {
    let shape = inputs[target].shape().clone();
    Tensor::from_fn(shape, |i| {
        let [ahead, behind] = [STEP, -STEP].map(|step| {
            let mut moved = inputs.to_vec();
            let mut data = moved[target].data().to_vec();
            data[i] += step;
            moved[target] = Tensor::new(moved[target].shape().clone(), data).unwrap();
            dot(&reference.run(&moved).unwrap()[0], seed)
        });
        (ahead - behind) / (2.0 * STEP)
    })
}

/// Compares the gradients with respect to every input, on every device and in the reference backend, with finite
/// differences. `inputs` must be further than the step from the operator's kinks. `shaders` lists backward nodes
/// with the shaders that must compute them.
pub fn check(graph: &Graph, inputs: &[Tensor], seed: u64, shaders: &[(&str, Shaders)]) {
    check_within(
        graph,
        inputs,
        seed,
        shaders,
        gradient::operator(Precision::F16),
    );
}

/// The same with a tolerance for float16.
pub fn check_within(
    graph: &Graph,
    inputs: &[Tensor],
    seed: u64,
    shaders: &[(&str, Shaders)],
    half: f64,
) {
    let weights = Arc::new(weights_for(graph, seed));
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let output = graph.outputs()[0];
    let seed = tensor(&graph.infer(&shapes).unwrap()[output.index()], seed + 50);
    let reference = Reference::<f64>::new(graph, &weights).unwrap();
    let expected: Vec<Tensor<f64>> = (0..inputs.len())
        .map(|i| {
            by_differences(
                &reference,
                &wide(inputs),
                &wide(std::slice::from_ref(&seed))[0],
                i,
            )
        })
        .collect();

    let targets: Vec<ValueId> = graph.inputs().to_vec();
    let with = graph
        .with_gradients(
            &shapes,
            output,
            Seed::Input,
            &targets,
            GradientRule::Gradient,
        )
        .unwrap();
    let given: Vec<Tensor> = inputs.iter().chain([&seed]).cloned().collect();
    let reference = Reference::<f64>::new(&with, &weights).unwrap();
    let outputs = reference.run(&wide(&given)).unwrap();
    for (found, expected) in outputs[1..].iter().zip(&expected) {
        let what = format!("reference backend, {:?}", graph.nodes());
        close(found, expected, gradient::DIFFERENCES, &what);
    }

    let shapes: Vec<Shape> = given.iter().map(|t| t.shape().clone()).collect();
    for (name, device) in devices_and_cpu() {
        let single = gradient::operator(Precision::F32);
        for (precision, tolerance) in [(Precision::F32, single), (Precision::F16, half)] {
            let options = SessionOptions::new().precision(precision);
            let mut session =
                Session::new(device, &with, weights.clone(), &options, &shapes).unwrap();
            let outputs = session.run(&given).unwrap();
            let what = format!("{name} {precision:?} {shapes:?} {:?}", graph.nodes());
            assert_ran(device, precision, &session, &shapes, shaders, &what);
            for (found, expected) in outputs[1..].iter().zip(&expected) {
                close(
                    &wide(std::slice::from_ref(found))[0],
                    expected,
                    tolerance,
                    &what,
                );
            }
        }
    }
}

fn close(found: &Tensor<f64>, expected: &Tensor<f64>, tolerance: f64, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let largest = (expected.data().iter()).fold(1.0_f64, |largest, v| largest.max(v.abs()));
    for (i, (found, expected)) in found.data().iter().zip(expected.data()).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance * largest,
            "element {i}: {found}, expected {expected}; {what}"
        );
    }
}
