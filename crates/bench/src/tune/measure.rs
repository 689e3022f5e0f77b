//! Times the algorithms of one convolution.

use std::ops::ControlFlow;
use std::time::Duration;

use shadernet::accuracy::{difference, rejection, tolerance};
use shadernet::error::{Error, Result};
use shadernet::gpu::Gpu;
use shadernet::internals::{ConvLayer, GpuSession, PipelineKey};
use shadernet::passes::PassOptions;
use shadernet::session::{ConvAlgorithm, SessionOptions};

use super::layer::{Layer, NAME};
use super::{Candidate, CandidateOutcome, TuneOptions, TunedLayer};

/// A candidate that is slower than the best by this factor is timed only once.
const HOPELESS: f64 = 3.0;
/// The most passes that are submitted at once, so that commands do not fill the memory.
const MAX_PASSES: f64 = 500.0;

/// Tries `algorithms`, the heuristic's selection first, for `tuned`, in which nothing was tried. `go_on` is asked before
/// each; what it breaks with ends it, with what was found so far.
///
/// # Errors
/// Where the device is lost or fails on every algorithm, or the reference backend cannot compute the layer.
pub(super) fn tune_layer(
    (gpu, options): (&Gpu, &TuneOptions),
    layer: &ConvLayer,
    algorithms: &[ConvAlgorithm],
    tuned: &mut TunedLayer,
    mut go_on: impl FnMut(ConvAlgorithm) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    let mut bench: Option<Bench> = None;
    let mut best: Option<(Duration, ConvAlgorithm)> = None;
    let mut failure = None;
    let mut flow = ControlFlow::Continue(());
    for &kernel in algorithms {
        flow = go_on(kernel);
        if flow.is_break() {
            break;
        }
        // The expected output takes a while, so not before the first is to be tried.
        let bench = match &mut bench {
            Some(bench) => bench,
            none => {
                let layer = Layer::new(layer)?;
                let made = none.insert(Bench {
                    gpu,
                    options,
                    layer,
                });
                made.compile(algorithms);
                made
            }
        };
        let outcome = match bench.first_time(kernel, best.map(|(time, _)| time)) {
            Ok(outcome) => outcome,
            // Nothing is known of this or any other algorithm.
            Err(error @ Error::DeviceLost { .. }) => return Err(error),
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
    match (best, failure, bench) {
        // Not the fault of one algorithm: the device is lost, or has no memory left.
        (None, Some(error), _) => return Err(error),
        (Some((_, kernel)), _, Some(bench)) if kernel != tuned.heuristic => {
            tuned.winner = bench.winner(kernel, tuned)?;
        }
        _ => {}
    }
    Ok(flow)
}

/// A layer and the device it is timed on.
struct Bench<'a> {
    gpu: &'a Gpu,
    options: &'a TuneOptions,
    layer: Layer,
}

impl Bench<'_> {
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
        let options = SessionOptions::new()
            .precision(self.options.precision)
            // The layer's node has everything fused already.
            .passes(PassOptions::none())
            .prefer(kernel);
        GpuSession::new(
            self.gpu,
            &self.layer.graph,
            self.layer.weights.clone(),
            &options,
        )
    }

    /// Compiles the kernels of all of `algorithms` at once, on several threads. What cannot be compiled is an error when
    /// it is tried.
    fn compile(&self, algorithms: &[ConvAlgorithm]) {
        let shapes = self.layer.shapes();
        let keys = algorithms
            .iter()
            .filter_map(|&kernel| self.session(kernel).pipeline_keys(&shapes).ok());
        let keys: Vec<PipelineKey> = keys.flatten().collect();
        if let Err(error) = GpuSession::compile(self.gpu, &keys) {
            tracing::debug!("compiling kernels to be tuned: {}", error.report());
        }
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
