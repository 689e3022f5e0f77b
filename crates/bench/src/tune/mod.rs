//! Times the algorithms that can compute each convolution of a network, and keeps the fastest.
//!
//! [`tune`] blocks until it is done; [`tune_in_background`] runs on a thread of its own while the app goes on.

mod background;
mod candidates;
mod layer;
mod measure;
mod options;
mod report;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

pub use background::{BackgroundTuning, tune_in_background};
use candidates::{algorithms_to_try, distinct};
pub use options::TuneOptions;
pub use report::{
    Candidate, CandidateOutcome, LayerCandidates, TuneProgress, TuneReport, TunedLayer,
};
use shadernet::error::Result;
use shadernet::gpu::Gpu;
use shadernet::graph::Graph;
use shadernet::internals::{ConvLayer, GpuSession};
use shadernet::session::{ConvAlgorithm, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::tuning::Tuning;
use shadernet::weights::Weights;

/// Checks and times the algorithms that can compute each convolution of `graph`, after the passes, for
/// inputs of `shapes`. Convolutions are timed separately, with generated weights and with all that
/// passes have fused into them. The device should be idle otherwise.
///
/// On a GPU, tiles that are estimated to be much slower than the best one are not tried, unless
/// [`TuneOptions::exhaustive`] says so. `progress` is called before each candidate.
///
/// # Errors
/// Where shapes do not fit, and [`Error::Device`](shadernet::Error::Device) where the device fails on every candidate.
pub fn tune(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
    mut progress: impl FnMut(TuneProgress),
) -> Result<TuneReport> {
    tune_while(gpu, graph, shapes, options, |next| {
        progress(next);
        ControlFlow::Continue(())
    })
}

/// As [`tune`], until `go_on`, which is asked before each candidate, breaks.
fn tune_while(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
    mut go_on: impl FnMut(TuneProgress) -> ControlFlow<()>,
) -> Result<TuneReport> {
    let start = Instant::now();
    let layers = layers(gpu, graph, shapes, options)?;
    let mut report = TuneReport {
        layers: Vec::with_capacity(layers.len()),
        tuning: Tuning::new(gpu),
    };
    let mut flow = ControlFlow::Continue(());
    for (i, (layer, nodes)) in layers.iter().enumerate() {
        let signature = &layer.choice.signature;
        let heuristic = layer.choice.selected;
        let mut tuned = TunedLayer {
            signature: signature.clone(),
            nodes: nodes.clone(),
            heuristic,
            winner: heuristic,
            candidates: Vec::new(),
        };
        if flow.is_continue() {
            let algorithms = algorithms_to_try(&layer.choice, options);
            let go_on = |kernel| {
                if options
                    .budget
                    .is_some_and(|budget| start.elapsed() >= budget)
                {
                    return ControlFlow::Break(());
                }
                std::thread::sleep(options.pause);
                go_on(TuneProgress {
                    layer: i,
                    layers: layers.len(),
                    signature,
                    kernel,
                })
            };
            flow = measure::tune_layer((gpu, options), layer, &algorithms, &mut tuned, go_on)?;
        }
        for candidate in &tuned.candidates {
            if let CandidateOutcome::Quarantined(reason) = &candidate.outcome {
                let kernel = candidate.kernel;
                tracing::warn!("{kernel} is quarantined: {signature}: {reason}");
                report.tuning.quarantine(kernel, signature, reason);
            }
        }
        report.layers.push(tuned);
    }
    // An algorithm that is wrong for one layer is not used for any other.
    let quarantined: Vec<ConvAlgorithm> = report.quarantined().iter().map(|q| q.kernel).collect();
    let timed = (report.layers.iter_mut()).filter(|layer| !layer.candidates.is_empty());
    for layer in timed {
        if quarantined.contains(&layer.winner) {
            layer.winner = layer
                .fastest_except(&quarantined)
                .unwrap_or(layer.heuristic);
        }
        report.tuning.choose(&layer.signature, layer.winner);
    }
    Ok(report)
}

/// The convolutions that [`tune`] would time, in order, and the algorithms that it would try for each.
/// Nothing runs.
///
/// # Errors
/// Where shapes do not fit.
pub fn candidates(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
) -> Result<Vec<LayerCandidates>> {
    let layers = layers(gpu, graph, shapes, options)?;
    let layers = layers.into_iter().map(|(layer, nodes)| LayerCandidates {
        kernels: algorithms_to_try(&layer.choice, options),
        signature: layer.choice.signature,
        nodes,
    });
    Ok(layers.collect())
}

/// The convolutions to tune, each with the nodes that have its signature.
fn layers(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
) -> Result<Vec<(ConvLayer, Vec<String>)>> {
    let options = SessionOptions::new()
        .precision(options.precision)
        .passes(options.passes);
    let weights = Arc::new(Weights::generated(graph, 1.0));
    let session = GpuSession::new(gpu, graph, weights, &options);
    Ok(distinct(session.conv_layers(shapes)?))
}
