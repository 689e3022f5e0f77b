//! Runs a graph on every device, compares it with the reference backend in float64, and asserts which shaders
//! computed it.

use std::sync::Arc;

use shadernet::device::Device;
use shadernet::gpu::{Backend, Precision};
use shadernet::graph::{Graph, Op};
use shadernet::reference::Reference;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};

use crate::devices::devices_and_cpu;
use crate::generate::{graph_of, tensor, weights_for};
use crate::ran::{Shaders, assert_ran};
use crate::tolerance;

/// A graph with inputs, and the shaders that must compute its nodes.
pub struct Case<'a> {
    graph: &'a Graph,
    inputs: &'a [Tensor],
    seed: u64,
    expected: &'a [(&'a str, Shaders)],
    prefer: Option<ConvAlgorithm>,
    factor: f64,
}

impl<'a> Case<'a> {
    /// A case with weights generated from `seed`. `expected` lists nodes with their shaders.
    pub fn new(
        graph: &'a Graph,
        inputs: &'a [Tensor],
        seed: u64,
        expected: &'a [(&'a str, Shaders)],
    ) -> Self {
        Self {
            graph,
            inputs,
            seed,
            expected,
            prefer: None,
            factor: 1.0,
        }
    }

    /// Prefers a convolution algorithm.
    pub fn prefer(mut self, algorithm: ConvAlgorithm) -> Self {
        self.prefer = Some(algorithm);
        self
    }

    /// Multiplies the tolerance.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Runs the case on every device but the reference backend.
    pub fn run(&self) {
        self.run_on(devices_and_cpu());
    }

    /// Runs the case on these devices, in float32 and float16.
    pub fn run_on(&self, devices: &[(String, Device)]) {
        let weights = Arc::new(weights_for(self.graph, self.seed));
        let reference = Reference::<f64>::new(self.graph, &weights).unwrap();
        let wide: Vec<Tensor<f64>> = (self.inputs.iter())
            .map(|t| t.map(|v| f64::from(*v)))
            .collect();
        let expected = reference.run(&wide).unwrap();
        let shapes: Vec<Shape> = self.inputs.iter().map(|t| t.shape().clone()).collect();
        for (name, device) in devices {
            for precision in [Precision::F32, Precision::F16] {
                let options = SessionOptions::new()
                    .precision(precision)
                    .prefer(self.prefer);
                let mut session =
                    Session::new(device, self.graph, weights.clone(), &options, &shapes).unwrap();
                let outputs = session.run(self.inputs).unwrap();
                let what = format!(
                    "{name} {precision:?} {:?} {:?} {shapes:?}",
                    self.prefer,
                    self.graph.nodes()
                );
                assert_ran(device, precision, &session, &shapes, self.expected, &what);
                assert_eq!(outputs.len(), expected.len());
                for (found, expected) in outputs.iter().zip(&expected) {
                    let tolerance = match device.backend() {
                        Backend::Cpu => tolerance::CPU,
                        _ => tolerance::operator(precision) * self.factor,
                    };
                    assert_close(found, expected, tolerance, &what);
                }
            }
        }
    }
}

/// Asserts that all elements differ by at most `tolerance` times the largest magnitude, which counts as at
/// least 1. NaN equals NaN.
pub fn assert_close(found: &Tensor, expected: &Tensor<f64>, tolerance: f64, what: &str) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let finite = expected.data().iter().filter(|v| v.is_finite());
    let largest = finite.fold(1.0_f64, |largest, v| largest.max(v.abs()));
    for (i, (found, expected)) in found.data().iter().zip(expected.data()).enumerate() {
        let found = f64::from(*found);
        let same = (found.is_nan() && expected.is_nan())
            || found == *expected
            || (found - expected).abs() <= tolerance * largest;
        assert!(same, "element {i}: {found}, expected {expected}; {what}");
    }
}

/// One operator with one input.
pub fn check(op: impl Into<Op>, shape: impl Into<Shape>, seed: u64, shaders: Shaders) {
    let shape = shape.into();
    let graph = graph_of(op, std::slice::from_ref(&shape));
    Case::new(&graph, &[tensor(&shape, seed)], seed, &[("op", shaders)]).run();
}
