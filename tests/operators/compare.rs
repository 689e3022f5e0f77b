//! One operator on every device against the CPU twin in float64.

use std::sync::Arc;

use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::graph::{Graph, Op};
use shadernet::reference::Reference;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};

use crate::devices::devices;
use crate::generate::{graph_of, tensor, weights_for};

/// The largest difference allowed, relative to the largest magnitude of the answer (at least 1).
pub fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        // Weights, inputs and the answer each rounded to 11 bits.
        Precision::F16 => 4e-3,
    }
}

/// Runs `graph` on every device and compares with the twin in float64.
pub fn compare(graph: &Graph, inputs: &[Tensor], seed: u64) {
    compare_with(graph, inputs, seed, None, 1.0);
}

/// The same with a kernel preferred, its tolerance `looser` times as large.
pub fn compare_with(
    graph: &Graph,
    inputs: &[Tensor],
    seed: u64,
    prefer: Option<ConvAlgorithm>,
    looser: f64,
) {
    compare_on(devices(), graph, inputs, seed, prefer, looser);
}

/// The same on some devices.
pub fn compare_on(
    devices: &[(String, Device)],
    graph: &Graph,
    inputs: &[Tensor],
    seed: u64,
    prefer: Option<ConvAlgorithm>,
    looser: f64,
) {
    let weights = Arc::new(weights_for(graph, seed));
    let twin = Reference::<f64>::new(graph, &weights).unwrap();
    let wide: Vec<Tensor<f64>> = inputs.iter().map(|t| t.map(|v| f64::from(*v))).collect();
    let expected = twin.run(&wide).unwrap();
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    for (name, device) in devices {
        for precision in [Precision::F32, Precision::F16] {
            let options = SessionOptions::new().precision(precision).prefer(prefer);
            let mut session =
                Session::new(device, graph, weights.clone(), &options, &shapes).unwrap();
            let answers = session.run(inputs).unwrap();
            assert_eq!(answers.len(), expected.len());
            for (answer, expected) in answers.iter().zip(&expected) {
                let what = format!(
                    "{name} {precision:?} {prefer:?} {:?} {shapes:?}",
                    graph.nodes()
                );
                assert_close(answer, expected, tolerance(precision) * looser, &what);
            }
        }
    }
}

pub fn assert_close(answer: &Tensor, expected: &Tensor<f64>, tolerance: f64, what: &str) {
    assert_eq!(answer.shape(), expected.shape(), "{what}");
    let finite = expected.data().iter().filter(|v| v.is_finite());
    let largest = finite.fold(1.0_f64, |largest, v| largest.max(v.abs()));
    for (i, (found, wanted)) in answer.data().iter().zip(expected.data()).enumerate() {
        let found = f64::from(*found);
        let same = (found.is_nan() && wanted.is_nan())
            || found == *wanted
            || (found - wanted).abs() <= tolerance * largest;
        assert!(same, "element {i}: {found}, expected {wanted}; {what}");
    }
}

/// One operator, one input.
pub fn check(op: impl Into<Op>, shape: [usize; 4], seed: u64) {
    let shape = Shape::from(shape);
    let graph = graph_of(op, std::slice::from_ref(&shape));
    compare(&graph, &[tensor(&shape, seed)], seed);
}
