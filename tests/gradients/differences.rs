//! A graph's gradients by central finite differences of the CPU twin in float64.

use std::sync::Arc;

use shadernet::gpu::Precision;
use shadernet::graph::{GradientRule, Graph, Seed, ValueId};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};

use crate::devices::devices;
use crate::generate::{tensor, weights_for};

/// Half the distance of the two points whose difference is taken.
const STEP: f64 = 1e-5;

fn wide(tensors: &[Tensor]) -> Vec<Tensor<f64>> {
    (tensors.iter()).map(|t| t.map(|v| f64::from(*v))).collect()
}

fn dot(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| a * b).sum()
}

/// The gradient of `seed` times the graph's output with respect to its input `target`, an element at a
/// time.
fn by_differences(
    twin: &Reference<f64>,
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
            dot(&twin.run(&moved).unwrap()[0], seed)
        });
        (ahead - behind) / (2.0 * STEP)
    })
}

/// Holds the gradients with respect to every input, on every device and on the twin, against finite
/// differences. `inputs` must be further than the step from where the operator has corners.
pub fn check(graph: &Graph, inputs: &[Tensor], seed: u64) {
    check_within(graph, inputs, seed, 1e-2);
}

/// The same, with what float16 may be off by, in the largest gradient.
pub fn check_within(graph: &Graph, inputs: &[Tensor], seed: u64, half: f64) {
    let weights = Arc::new(weights_for(graph, seed));
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let output = graph.outputs()[0];
    let seed = tensor(&graph.infer(&shapes).unwrap()[output.index()], seed + 50);
    let twin = Reference::<f64>::new(graph, &weights).unwrap();
    let expected: Vec<Tensor<f64>> = (0..inputs.len())
        .map(|i| {
            by_differences(
                &twin,
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
    let twin = Reference::<f64>::new(&with, &weights).unwrap();
    let answers = twin.run(&wide(&given)).unwrap();
    for (answer, expected) in answers[1..].iter().zip(&expected) {
        // What the differences themselves are off by.
        close(
            answer,
            expected,
            1e-6,
            &format!("twin, {:?}", graph.nodes()),
        );
    }

    let shapes: Vec<Shape> = given.iter().map(|t| t.shape().clone()).collect();
    for (name, device) in devices() {
        for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::F16, half)] {
            let options = SessionOptions::new().precision(precision);
            let mut session =
                Session::new(device, &with, weights.clone(), &options, &shapes).unwrap();
            let answers = session.run(&given).unwrap();
            for (answer, expected) in answers[1..].iter().zip(&expected) {
                let what = format!("{name} {precision:?} {shapes:?} {:?}", graph.nodes());
                close(
                    &wide(std::slice::from_ref(answer))[0],
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
