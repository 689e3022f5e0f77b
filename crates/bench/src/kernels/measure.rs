//! Checks and times the variants of cases.

use std::sync::Arc;
use std::time::Instant;

use super::variant::{BenchOptions, BenchProgress, Measurement, Variant, VariantOutcome};
use super::{Case, MIN_ROUND};
use crate::reference_output::reference_output;
use crate::samples::Samples;
use shadernet::accuracy::{difference, rejection, tolerance};
use shadernet::error::{Error, Result};
use shadernet::gpu::{Gpu, Precision};
use shadernet::internals::GpuSession;
use shadernet::passes::PassOptions;
use shadernet::profile::StepProfile;
use shadernet::session::ConvAlgorithm;
use shadernet::session::SessionOptions;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// Variants are timed once their sessions hold more than this many bytes on the device.
const MAX_HELD_BYTES: u64 = 1 << 30;

/// Checks and times every variant of each of `cases` on `gpu`, which should be idle. Returns the variants of
/// each case.
///
/// In each round every variant of every case is timed once, as far as device memory allows, so that clock
/// changes and other load on the device affect all variants alike.
///
/// # Errors
/// If the reference backend cannot compute a case. Errors of a variant are its [`VariantOutcome`].
pub fn variants(
    gpu: &Gpu,
    cases: &[Case],
    options: &BenchOptions,
    report: impl FnMut(BenchProgress),
) -> Result<Vec<Vec<Variant>>> {
    let benches: Vec<CaseBench> = (cases.iter())
        .map(|case| CaseBench::new(gpu, case, options))
        .collect::<Result<_>>()?;
    let variants: usize = benches.iter().map(|bench| bench.algorithms.len()).sum();
    let rounds = options.rounds.max(1);
    let mut schedule = Schedule {
        pending: Vec::new(),
        variants: Vec::with_capacity(cases.len()),
        rounds,
        completed: 0,
        total: variants.saturating_mul(rounds.saturating_add(1)),
        report,
    };
    for bench in &benches {
        let capacity = bench.algorithms.len();
        schedule.variants.push(Vec::with_capacity(capacity));
        let weights = bench.weights.clone();
        let (inputs, expected) = reference_output(&bench.case.graph, weights, &bench.case.inputs)?;
        for &algorithm in &bench.algorithms {
            let name = bench.name(algorithm);
            schedule.report_progress(bench.case, &name);
            let mut session = bench.session(algorithm);
            let tolerance = tolerance(algorithm, options.precision);
            let outcome = match checked(&mut session, &inputs, &expected, tolerance) {
                Ok(outcome) => outcome,
                Err(error @ Error::Limit { .. }) => VariantOutcome::Impossible(error.to_string()),
                Err(error) => VariantOutcome::Failed(error.report().to_string()),
            };
            let is_correct = matches!(outcome, VariantOutcome::Timed(_));
            schedule.add(
                bench.case,
                Variant {
                    name,
                    is_selected: (bench.selected).is_none_or(|choice| Some(choice) == algorithm),
                    outcome,
                },
                is_correct.then_some(session),
            );
        }
    }
    schedule.time_pending();
    Ok(schedule.variants)
}

/// A case, and what all its variants share.
struct CaseBench<'a> {
    gpu: &'a Gpu,
    case: &'a Case,
    precision: Precision,
    passes: PassOptions,
    weights: Arc<Weights>,
    /// The algorithm that the kernel selection picks, if the case has a choice.
    selected: Option<ConvAlgorithm>,
    /// The algorithms to try; one `None` if the case has no choice.
    algorithms: Vec<Option<ConvAlgorithm>>,
}

impl<'a> CaseBench<'a> {
    fn new(gpu: &'a Gpu, case: &'a Case, options: &BenchOptions) -> Result<Self> {
        let mut bench = Self {
            gpu,
            case,
            precision: options.precision,
            // With this pass, inputs of a concatenation would be packed in place, with nothing left to time.
            passes: PassOptions::default().without("concatenations")?,
            weights: Arc::new(Weights::generated(&case.graph, 1.0)),
            selected: None,
            algorithms: vec![None],
        };
        let layers = bench.session(None).conv_layers(&case.inputs)?;
        if let Some(layer) = layers.first() {
            let only = &options.only;
            let is_tried = |candidate: &&ConvAlgorithm| only.is_empty() || only.contains(candidate);
            let candidates = layer.choice.candidates.iter().filter(is_tried);
            bench.algorithms = candidates.copied().map(Some).collect();
            bench.selected = Some(layer.choice.selected);
        }
        Ok(bench)
    }

    fn session(&self, algorithm: Option<ConvAlgorithm>) -> GpuSession {
        let options = SessionOptions::new()
            .precision(self.precision)
            .passes(self.passes)
            .prefer(algorithm);
        GpuSession::new(self.gpu, &self.case.graph, self.weights.clone(), &options)
    }

    /// The algorithm's name, or without an algorithm the names of the shaders; the operator's if the case
    /// cannot be planned.
    fn name(&self, algorithm: Option<ConvAlgorithm>) -> String {
        if let Some(algorithm) = algorithm {
            return algorithm.to_string();
        }
        let steps = self.session(None).shaders(&self.case.inputs);
        let steps = steps.unwrap_or_default();
        let names = steps
            .iter()
            .filter_map(|(_, shader)| shader.split(' ').next());
        let names: Vec<&str> = names
            .filter(|name| !matches!(*name, "pack" | "unpack"))
            .collect();
        match names.is_empty() {
            true => self.case.operator.clone(),
            false => names.join(" + "),
        }
    }
}

/// Times variants round-robin and collects the results.
struct Schedule<'a, Report> {
    /// Variants still to be timed.
    pending: Vec<Pending<'a>>,
    /// The variants of each case so far.
    variants: Vec<Vec<Variant>>,
    rounds: usize,
    completed: usize,
    total: usize,
    report: Report,
}

/// A variant whose output is correct and that is still to be timed.
struct Pending<'a> {
    case: &'a Case,
    /// The case's index, and the variant's index in the case.
    index: (usize, usize),
    session: GpuSession,
    /// One entry per round so far.
    seconds: Result<Vec<f64>>,
}

impl<'a, Report: FnMut(BenchProgress)> Schedule<'a, Report> {
    fn report_progress(&mut self, case: &Case, kernel: &str) {
        (self.report)(BenchProgress {
            completed: self.completed,
            total: self.total,
            case: &case.name,
            kernel,
        });
    }

    /// Adds a variant to the last case. `session` is what it is timed with, if it is to be timed.
    fn add(&mut self, case: &'a Case, variant: Variant, session: Option<GpuSession>) {
        let last = self.variants.len() - 1;
        self.variants[last].push(variant);
        self.completed += 1;
        match session {
            // Its rounds are skipped.
            None => self.completed += self.rounds,
            Some(session) => self.pending.push(Pending {
                case,
                index: (last, self.variants[last].len() - 1),
                session,
                seconds: Ok(Vec::new()),
            }),
        }
        let bytes = self
            .pending
            .iter()
            .map(|entry| entry.session.device_bytes());
        if bytes.sum::<u64>() > MAX_HELD_BYTES {
            self.time_pending();
        }
    }

    /// Times the pending variants and frees their sessions.
    fn time_pending(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        for _ in 0..self.rounds {
            for entry in &mut pending {
                let (case, variant) = entry.index;
                let name = self.variants[case][variant].name.clone();
                self.report_progress(entry.case, &name);
                self.completed += 1;
                if let Ok(seconds) = &mut entry.seconds {
                    match time_round(&mut entry.session, &entry.case.inputs) {
                        Ok(median) => seconds.push(median),
                        Err(error) => entry.seconds = Err(error),
                    }
                }
            }
        }
        for entry in pending {
            let (case, variant) = entry.index;
            let outcome = &mut self.variants[case][variant].outcome;
            match (entry.seconds, &mut *outcome) {
                (Ok(seconds), VariantOutcome::Timed(measurement)) => {
                    // There is at least one round.
                    if let Some(seconds) = Samples::new(seconds) {
                        measurement.seconds = seconds;
                    }
                }
                (Ok(_), _) => {}
                (Err(error), _) => *outcome = VariantOutcome::Failed(error.report().to_string()),
            }
        }
    }
}

/// Compares the output with `expected`, and makes one timed pass as a warm-up: caches are cold and clocks
/// low, so its time is replaced later.
fn checked(
    session: &mut GpuSession,
    inputs: &[Tensor],
    expected: &Tensor,
    tolerance: f64,
) -> Result<VariantOutcome> {
    let output = session.run(inputs)?.swap_remove(0);
    let error = difference(&output, expected);
    if let Some(reason) = rejection(error, tolerance) {
        return Ok(VariantOutcome::Wrong(reason));
    }
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let steps = timed_steps(session, &shapes)?;
    let seconds = Samples::new(vec![steps.iter().map(|step| step.seconds).sum()]);
    Ok(match seconds.filter(|_| !steps.is_empty()) {
        Some(seconds) => VariantOutcome::Timed(Measurement {
            method: session.method(),
            seconds,
            operations: steps.iter().map(|step| step.operations).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
            error,
            shaders: steps.iter().map(|step| step.kernel).collect(),
        }),
        None => VariantOutcome::Failed("it has no dispatches".to_owned()),
    })
}

/// The steps of a timed pass, without those that convert inputs and outputs.
fn timed_steps(session: &mut GpuSession, shapes: &[Shape]) -> Result<Vec<StepProfile>> {
    let mut steps = session.timed_pass(shapes)?;
    steps.retain(|step| !matches!(step.kind, "Input" | "Output"));
    Ok(steps)
}

/// Seconds of the median pass of a round.
fn time_round(session: &mut GpuSession, shapes: &[Shape]) -> Result<f64> {
    let start = Instant::now();
    let mut pass = || -> Result<f64> {
        let steps = timed_steps(session, shapes)?;
        Ok(steps.iter().map(|step| step.seconds).sum())
    };
    let mut passes = vec![pass()?];
    while start.elapsed() < MIN_ROUND {
        passes.push(pass()?);
    }
    passes.sort_by(f64::total_cmp);
    Ok(passes[passes.len() / 2])
}
