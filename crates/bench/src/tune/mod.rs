//! Times the algorithms that can compute each convolution of a network, and keeps the fastest.

mod layer;

use std::sync::Arc;
use std::time::Duration;

use layer::{Layer, NAME};
use shadernet::accuracy::{difference, rejection, tolerance};
use shadernet::error::{Error, Result};
use shadernet::gpu::{Gpu, Precision};
use shadernet::graph::Graph;
use shadernet::internals::{Choice, ConvLayer, GpuSession};
use shadernet::passes::PassOptions;
use shadernet::session::{ConvAlgorithm, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::tuning::{Quarantined, Tuning};
use shadernet::weights::Weights;

/// How [`tune`] times.
#[derive(Clone, Debug)]
pub struct TuneOptions {
    /// As sessions are to have it: float16 has kernels of its own choice.
    pub precision: Precision,
    /// As sessions are to have it: what is fused into a convolution is timed with it.
    pub passes: PassOptions,
    /// How often each candidate is timed; its best time counts. At least once.
    pub rounds: usize,
    /// What a round takes at least: a kernel is run as often as that takes.
    pub round: Duration,
    /// A candidate replaces the rule's choice only where it is faster by this part of its time.
    pub margin: f64,
    /// Which kernels are tried beside the rule's choice; all where it is empty. Software drivers take
    /// seconds to compile some.
    pub only: Vec<ConvAlgorithm>,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            passes: PassOptions::default(),
            rounds: 5,
            round: Duration::from_millis(5),
            margin: 0.03,
            only: Vec::new(),
        }
    }
}

/// How far [`tune`] is: told before each candidate.
#[derive(Clone, Copy, Debug)]
pub struct TuneProgress<'a> {
    /// Which layer, from 0.
    pub layer: usize,
    /// How many there are; equal ones count once.
    pub layers: usize,
    /// The layer's signature.
    pub signature: &'a str,
    /// The candidate.
    pub kernel: ConvAlgorithm,
}

/// What [`tune`] has found.
#[derive(Clone, Debug)]
pub struct TuneReport {
    /// The layers, in the network's order; equal ones are one.
    pub layers: Vec<TunedLayer>,
    /// What sessions are given.
    pub tuning: Tuning,
}

/// A convolution whose candidates have been timed.
#[derive(Clone, Debug)]
pub struct TunedLayer {
    /// Precision, shapes and settings in a line: convolutions that share it share the choice.
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// What the rule chooses.
    pub rule: ConvAlgorithm,
    /// What was chosen; the rule's choice unless another is faster by more than the margin.
    pub winner: ConvAlgorithm,
    /// All that were tried.
    pub candidates: Vec<Candidate>,
}

/// A convolution and the kernels that can compute it, none of them tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerCandidates {
    /// As [`TunedLayer::signature`].
    pub signature: String,
    /// The nodes that have it.
    pub nodes: Vec<String>,
    /// What [`tune`] would try, the rule's choice first.
    pub kernels: Vec<ConvAlgorithm>,
}

/// A kernel that was tried.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The kernel.
    pub kernel: ConvAlgorithm,
    /// How it went.
    pub outcome: CandidateOutcome,
}

/// How a kernel did.
#[derive(Clone, Debug)]
pub enum CandidateOutcome {
    /// Its best time for one pass, its answer being right.
    Timed(Duration),
    /// It answered wrongly, or the device refused it: why.
    Quarantined(String),
    /// A limit of the device is in the way here: which.
    Impossible(String),
}

impl TuneReport {
    /// The kernels that answered wrongly, named once each.
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
}

impl TunedLayer {
    /// The fastest that was timed, others left out.
    fn fastest_but(&self, others: &[ConvAlgorithm]) -> Option<ConvAlgorithm> {
        let candidates = self.candidates.iter().map(|candidate| candidate.kernel);
        candidates
            .filter(|kernel| !others.contains(kernel))
            .filter_map(|kernel| Some((self.time(kernel)?, kernel)))
            .min()
            .map(|(_, kernel)| kernel)
    }
}

/// A candidate so many times slower than the best is timed once only.
const HOPELESS: f64 = 3.0;
/// Passes that are submitted at once at the most, so that commands do not fill the memory.
const MOST_PASSES: f64 = 500.0;

/// Checks and times all kernels that can compute each convolution of `graph`, after the passes, for
/// inputs of `shapes`. Convolutions are timed one by one, with generated weights, and with what
/// passes have fused into them; the device should have nothing else to do.
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
        let tell = |kernel| {
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
        let tuned = bench.tune(layer, nodes.clone(), tell)?;
        for candidate in &tuned.candidates {
            if let CandidateOutcome::Quarantined(reason) = &candidate.outcome {
                let kernel = candidate.kernel;
                tracing::warn!("{kernel} is quarantined: {signature}: {reason}");
                report.tuning.quarantine(kernel, signature, reason);
            }
        }
        report.layers.push(tuned);
    }
    // What was found out about a kernel on one layer holds for all others.
    let quarantined: Vec<ConvAlgorithm> = report.quarantined().iter().map(|q| q.kernel).collect();
    for layer in &mut report.layers {
        if quarantined.contains(&layer.winner) {
            layer.winner = layer.fastest_but(&quarantined).unwrap_or(layer.rule);
        }
        report.tuning.choose(&layer.signature, layer.winner);
    }
    Ok(report)
}

/// The convolutions that [`tune`] would time, in order, and what it would try for each. Nothing runs.
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
        kernels: tried(&layer.choice, &options.only),
        signature: layer.choice.signature,
        nodes,
    });
    Ok(layers.collect())
}

/// The rule's first: others that are much slower are then seen to be at once.
fn tried(choice: &Choice, only: &[ConvAlgorithm]) -> Vec<ConvAlgorithm> {
    let rule = choice.rule;
    let mut kernels = choice.candidates.clone();
    kernels.retain(|kernel| only.is_empty() || *kernel == rule || only.contains(kernel));
    kernels.sort_by_key(|&kernel| kernel != rule);
    kernels
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
        // What is fused already stays as it is.
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
        mut tell: impl FnMut(ConvAlgorithm),
    ) -> Result<TunedLayer> {
        let rule = layer.choice.rule;
        let kernels = tried(&layer.choice, &self.options.only);
        let mut tuned = TunedLayer {
            signature: layer.choice.signature.clone(),
            nodes,
            rule,
            winner: rule,
            candidates: Vec::with_capacity(kernels.len()),
        };
        let mut best: Option<(Duration, ConvAlgorithm)> = None;
        let mut failure = None;
        for kernel in kernels {
            tell(kernel);
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
            // Not a kernel's fault: the device is lost, or has no memory left.
            (None, Some(error)) => return Err(error),
            (Some((_, kernel)), _) if kernel != rule => {
                tuned.winner = self.winner(kernel, &mut tuned)?;
            }
            _ => {}
        }
        Ok(tuned)
    }

    /// Compares a kernel's answer with the twin's, and times it if it is right.
    fn first_time(
        &self,
        kernel: ConvAlgorithm,
        best: Option<Duration>,
    ) -> Result<CandidateOutcome> {
        let mut session = self.session(kernel);
        let answer = session.run(&self.layer.inputs)?.swap_remove(0);
        let error = difference(&answer, &self.layer.expected);
        let tolerance = tolerance(Some(kernel), self.options.precision);
        if let Some(reason) = rejection(error, tolerance) {
            return Ok(CandidateOutcome::Quarantined(reason));
        }
        let mut time = self.time(&mut session, 1)?;
        let hopeless = best.is_some_and(|best| time > best.mul_f64(HOPELESS));
        if !hopeless {
            let passes = self.passes(time);
            for _ in 0..self.options.rounds.max(1) {
                time = time.min(self.time(&mut session, passes)?);
            }
        }
        Ok(CandidateOutcome::Timed(time))
    }

    /// The rule's choice and its best challenger in turns, so that neither has the better moment.
    fn winner(&self, challenger: ConvAlgorithm, tuned: &mut TunedLayer) -> Result<ConvAlgorithm> {
        let rule = tuned.rule;
        let pair = [rule, challenger].map(|kernel| tuned.time(kernel));
        let [Some(first), Some(second)] = pair else {
            // The rule's choice is wrong here.
            return Ok(challenger);
        };
        let mut times = [first, second];
        let mut sessions = [rule, challenger].map(|kernel| self.session(kernel));
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
            for (kernel, time) in [rule, challenger].into_iter().zip(times) {
                if candidate.kernel == kernel {
                    candidate.outcome = CandidateOutcome::Timed(time);
                }
            }
        }
        let bound = times[0].mul_f64((1.0 - self.options.margin).clamp(0.0, 1.0));
        Ok(if times[1] < bound { challenger } else { rule })
    }

    fn session(&self, kernel: ConvAlgorithm) -> GpuSession {
        session(self.gpu, &self.layer.graph, self.options, Some(kernel))
    }

    /// How often a kernel that takes `time` is run in a round.
    fn passes(&self, time: Duration) -> usize {
        let passes = self.options.round.as_secs_f64() / time.as_secs_f64().max(1e-9);
        passes.ceil().clamp(1.0, MOST_PASSES) as usize
    }

    /// What a pass takes where so many are made at once.
    fn time(&self, session: &mut GpuSession, passes: usize) -> Result<Duration> {
        let whole = session.time(&self.layer.shapes(), NAME, passes)?;
        Ok(whole / passes as u32)
    }
}
