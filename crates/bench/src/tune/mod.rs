//! Times the algorithms that can compute each convolution of a network, and keeps the fastest.

mod layer;
mod options;

use std::sync::Arc;
use std::time::Duration;

use layer::{Layer, NAME};
pub use options::TuneOptions;
use shadernet::accuracy::{difference, rejection, tolerance};
use shadernet::error::{Error, Result};
use shadernet::gpu::Gpu;
use shadernet::graph::Graph;
use shadernet::internals::{Choice, ConvLayer, GpuSession};
use shadernet::passes::PassOptions;
use shadernet::session::{ConvAlgorithm, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::tuning::{Quarantined, Tuning};
use shadernet::weights::Weights;

/// The progress of [`tune`], reported before each candidate.
#[derive(Clone, Copy, Debug)]
pub struct TuneProgress<'a> {
    /// The index of the layer.
    pub layer: usize,
    /// The number of layers; equal ones count once.
    pub layers: usize,
    /// The layer's signature.
    pub signature: &'a str,
    /// The candidate.
    pub kernel: ConvAlgorithm,
}

/// The result of [`tune`].
#[derive(Clone, Debug)]
pub struct TuneReport {
    /// The layers, in the network's order; equal ones appear once.
    pub layers: Vec<TunedLayer>,
    /// The tuning for sessions.
    pub tuning: Tuning,
}

/// A convolution whose candidates have been timed.
#[derive(Clone, Debug)]
pub struct TunedLayer {
    /// Precision, shapes and settings in one line: convolutions with the same signature have the same
    /// algorithm.
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// The heuristic's selection.
    pub heuristic: ConvAlgorithm,
    /// The result: the heuristic's selection unless another is faster by more than the margin.
    pub winner: ConvAlgorithm,
    /// All algorithms that were tried.
    pub candidates: Vec<Candidate>,
}

/// A convolution and the algorithms that can compute it, none of them tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCandidates {
    /// As [`TunedLayer::signature`].
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// What [`tune`] would try, the heuristic's selection first.
    pub kernels: Vec<ConvAlgorithm>,
}

/// An algorithm that was tried.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The algorithm.
    pub kernel: ConvAlgorithm,
    /// What came of it.
    pub outcome: CandidateOutcome,
}

/// What came of trying an algorithm.
#[derive(Clone, Debug)]
pub enum CandidateOutcome {
    /// Its result is right; its best time for one pass.
    Timed(Duration),
    /// Its result is wrong, or the device refused it, with the reason.
    Quarantined(String),
    /// It would exceed a limit of the device, with the limit.
    Impossible(String),
}

impl TuneReport {
    /// The algorithms that computed wrong results, each once.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.tuning.quarantined()
    }
}

impl TunedLayer {
    /// The time of a candidate, where it has one.
    pub fn time(&self, kernel: ConvAlgorithm) -> Option<Duration> {
        let candidate = self.candidates.iter().find(|c| c.kernel == kernel)?;
        match candidate.outcome {
            CandidateOutcome::Timed(time) => Some(time),
            _ => None,
        }
    }

    /// The fastest that was timed, without `others`.
    fn fastest_except(&self, others: &[ConvAlgorithm]) -> Option<ConvAlgorithm> {
        let candidates = self.candidates.iter().map(|candidate| candidate.kernel);
        candidates
            .filter(|kernel| !others.contains(kernel))
            .filter_map(|kernel| Some((self.time(kernel)?, kernel)))
            .min()
            .map(|(_, kernel)| kernel)
    }
}

/// A candidate that is slower than the best by this factor is timed only once.
const HOPELESS: f64 = 3.0;
/// The most passes that are submitted at once, so that commands do not fill the memory.
const MAX_PASSES: f64 = 500.0;

/// Checks and times all algorithms that can compute each convolution of `graph`, after the passes, for
/// inputs of `shapes`. Convolutions are timed separately, with generated weights and with all that
/// passes have fused into them. The device should be idle otherwise.
///
/// # Errors
/// Where shapes do not fit, and [`Error::Device`] where the device fails on every candidate.
pub fn tune(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
    mut progress: impl FnMut(TuneProgress),
) -> Result<TuneReport> {
    let layers = distinct(session(gpu, graph, options, None).conv_layers(shapes)?);
    let mut report = TuneReport {
        layers: Vec::with_capacity(layers.len()),
        tuning: Tuning::new(gpu),
    };
    for (i, (layer, nodes)) in layers.iter().enumerate() {
        let signature = &layer.choice.signature;
        let report_progress = |kernel| {
            progress(TuneProgress {
                layer: i,
                layers: layers.len(),
                signature,
                kernel,
            });
        };
        let bench = Bench {
            gpu,
            options,
            layer: Layer::new(layer)?,
        };
        let tuned = bench.tune(layer, nodes.clone(), report_progress)?;
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
    for layer in &mut report.layers {
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
    let layers = distinct(session(gpu, graph, options, None).conv_layers(shapes)?);
    let layers = layers.into_iter().map(|(layer, nodes)| LayerCandidates {
        kernels: algorithms_to_try(&layer.choice, &options.only),
        signature: layer.choice.signature,
        nodes,
    });
    Ok(layers.collect())
}

/// The heuristic's selection first: it is usually fast, so much slower ones are recognized at once.
fn algorithms_to_try(choice: &Choice, only: &[ConvAlgorithm]) -> Vec<ConvAlgorithm> {
    let heuristic = choice.selected;
    let mut algorithms = choice.candidates.clone();
    algorithms.retain(|it| only.is_empty() || *it == heuristic || only.contains(it));
    algorithms.sort_by_key(|&it| it != heuristic);
    algorithms
}

/// Layers with the names of all nodes that have their signature.
fn distinct(layers: Vec<ConvLayer>) -> Vec<(ConvLayer, Vec<String>)> {
    let mut distinct: Vec<(ConvLayer, Vec<String>)> = Vec::new();
    for layer in layers {
        let name = layer.node.name().to_owned();
        let same =
            |(other, _): &&mut (ConvLayer, _)| other.choice.signature == layer.choice.signature;
        match distinct.iter_mut().find(same) {
            Some((_, nodes)) => nodes.push(name),
            None => distinct.push((layer, vec![name])),
        }
    }
    distinct
}

fn session(
    gpu: &Gpu,
    graph: &Graph,
    options: &TuneOptions,
    prefer: Option<ConvAlgorithm>,
) -> GpuSession {
    let passes = match prefer {
        // The layer's node has everything fused already.
        Some(_) => PassOptions::none(),
        None => options.passes,
    };
    let options = SessionOptions::new()
        .precision(options.precision)
        .passes(passes)
        .prefer(prefer);
    let weights = Arc::new(Weights::generated(graph, 1.0));
    GpuSession::new(gpu, graph, weights, &options)
}

/// A layer and the device it is timed on.
struct Bench<'a> {
    gpu: &'a Gpu,
    options: &'a TuneOptions,
    layer: Layer,
}

impl Bench<'_> {
    fn tune(
        &self,
        layer: &ConvLayer,
        nodes: Vec<String>,
        mut report_progress: impl FnMut(ConvAlgorithm),
    ) -> Result<TunedLayer> {
        let heuristic = layer.choice.selected;
        let algorithms = algorithms_to_try(&layer.choice, &self.options.only);
        let mut tuned = TunedLayer {
            signature: layer.choice.signature.clone(),
            nodes,
            heuristic,
            winner: heuristic,
            candidates: Vec::with_capacity(algorithms.len()),
        };
        let mut best: Option<(Duration, ConvAlgorithm)> = None;
        let mut failure = None;
        for kernel in algorithms {
            report_progress(kernel);
            let outcome = match self.first_time(kernel, best.map(|(time, _)| time)) {
                Ok(outcome) => outcome,
                Err(error @ Error::Limit { .. }) => CandidateOutcome::Impossible(error.to_string()),
                Err(error) => {
                    let reason = format!("the device refused it: {}", error.report());
                    failure = Some(error);
                    CandidateOutcome::Quarantined(reason)
                }
            };
            if let CandidateOutcome::Timed(time) = outcome
                && best.is_none_or(|(least, _)| time < least)
            {
                best = Some((time, kernel));
            }
            tuned.candidates.push(Candidate { kernel, outcome });
        }
        match (best, failure) {
            // Not the fault of one algorithm: the device is lost, or has no memory left.
            (None, Some(error)) => return Err(error),
            (Some((_, kernel)), _) if kernel != heuristic => {
                tuned.winner = self.winner(kernel, &mut tuned)?;
            }
            _ => {}
        }
        Ok(tuned)
    }

    /// Compares an algorithm's output with the reference implementation's, and times it if it is right.
    fn first_time(
        &self,
        kernel: ConvAlgorithm,
        best: Option<Duration>,
    ) -> Result<CandidateOutcome> {
        let mut session = self.session(kernel);
        let output = session.run(&self.layer.inputs)?.swap_remove(0);
        let error = difference(&output, &self.layer.expected);
        let tolerance = tolerance(Some(kernel), self.options.precision);
        if let Some(reason) = rejection(error, tolerance) {
            return Ok(CandidateOutcome::Quarantined(reason));
        }
        let mut time = self.time(&mut session, 1)?;
        let is_hopeless = best.is_some_and(|best| time > best.mul_f64(HOPELESS));
        if !is_hopeless {
            let passes = self.passes(time);
            for _ in 0..self.options.rounds.max(1) {
                time = time.min(self.time(&mut session, passes)?);
            }
        }
        Ok(CandidateOutcome::Timed(time))
    }

    /// Times the heuristic's selection and its best challenger in turns, so that changes of the device's
    /// speed affect both.
    fn winner(&self, challenger: ConvAlgorithm, tuned: &mut TunedLayer) -> Result<ConvAlgorithm> {
        let heuristic = tuned.heuristic;
        let pair = [heuristic, challenger].map(|kernel| tuned.time(kernel));
        let [Some(first), Some(second)] = pair else {
            // The heuristic's selection computed a wrong result.
            return Ok(challenger);
        };
        let mut times = [first, second];
        let mut sessions = [heuristic, challenger].map(|kernel| self.session(kernel));
        for session in &mut sessions {
            self.time(session, 1)?;
        }
        for _ in 0..self.options.rounds.max(1) {
            for (session, time) in sessions.iter_mut().zip(&mut times) {
                let passes = self.passes(*time);
                *time = (*time).min(self.time(session, passes)?);
            }
        }
        for candidate in &mut tuned.candidates {
            for (kernel, time) in [heuristic, challenger].into_iter().zip(times) {
                if candidate.kernel == kernel {
                    candidate.outcome = CandidateOutcome::Timed(time);
                }
            }
        }
        let bound = times[0].mul_f64((1.0 - self.options.margin).clamp(0.0, 1.0));
        Ok(if times[1] < bound {
            challenger
        } else {
            heuristic
        })
    }

    fn session(&self, kernel: ConvAlgorithm) -> GpuSession {
        session(self.gpu, &self.layer.graph, self.options, Some(kernel))
    }

    /// How often an algorithm that takes `time` runs in a round.
    fn passes(&self, time: Duration) -> usize {
        let passes = self.options.round.as_secs_f64() / time.as_secs_f64().max(1e-9);
        passes.ceil().clamp(1.0, MAX_PASSES) as usize
    }

    /// The time of one pass, averaged over `passes` that are submitted at once.
    fn time(&self, session: &mut GpuSession, passes: usize) -> Result<Duration> {
        let whole = session.time(&self.layer.shapes(), NAME, passes)?;
        Ok(whole / passes as u32)
    }
}
