//! The CPU backend: which kernel computes what, agreement with the reference backend, threads, runs in flight.

#[path = "../operators/generate.rs"]
#[allow(dead_code)]
mod generate;
mod kernels;
mod networks;
mod threads;
#[path = "../common/tolerance.rs"]
mod tolerance;

use std::sync::Arc;

use shadernet::cpu::CpuOptions;
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::Backend;
use shadernet::graph::Graph;
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// The CPU with this many threads.
fn cpu(threads: usize) -> Device {
    let options = DeviceOptions::new()
        .backend(Backend::Cpu)
        .cpu(CpuOptions::new().threads(threads));
    Device::open(&options).unwrap()
}

fn session(device: &Device, graph: &Graph, weights: &Arc<Weights>, shape: &Shape) -> Session {
    let options = SessionOptions::default();
    Session::new(
        device,
        graph,
        weights.clone(),
        &options,
        std::slice::from_ref(shape),
    )
    .unwrap()
}

/// The largest difference from the reference backend in float64, by the largest magnitude of each output, which counts
/// as at least 1.
fn error(graph: &Graph, weights: &Weights, inputs: &[Tensor], outputs: &[Tensor]) -> f64 {
    let reference = Reference::<f64>::new(graph, weights).unwrap();
    let wide: Vec<Tensor<f64>> = inputs.iter().map(|x| x.map(|v| f64::from(*v))).collect();
    let expected = reference.run(&wide).unwrap();
    let differences = outputs.iter().zip(&expected).map(|(found, expected)| {
        assert_eq!(found.shape(), expected.shape());
        let largest = expected.data().iter().fold(1.0_f64, |l, v| l.max(v.abs()));
        let pairs = found.data().iter().zip(expected.data());
        let errors = pairs.map(|(found, expected)| (f64::from(*found) - expected).abs());
        // NaN is the largest of all.
        errors.fold(0.0, |l, e| if e <= l { l } else { e }) / largest
    });
    differences.fold(0.0, |l, e| if e <= l { l } else { e })
}
