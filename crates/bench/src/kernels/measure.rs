//! Checking and timing the variants of cases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Case;
use super::variant::{BenchOptions, BenchProgress, Measured, Variant, VariantOutcome};
use crate::samples::Samples;
use shadernet::accuracy::{difference, mistake, tolerance};
use shadernet::error::{Error, Result};
use shadernet::gpu::{Gpu, Precision};
use shadernet::internals::GpuSession;
use shadernet::passes::PassOptions;
use shadernet::profile::StepProfile;
use shadernet::reference::Reference;
use shadernet::session::ConvAlgorithm;
use shadernet::session::SessionOptions;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_inputs;

/// A variant is timed for so long at least in each round, over as many passes as that takes.
const ROUND: Duration = Duration::from_millis(20);
/// No more variants take turns than have so many bytes on the device together, and one.
const HELD: u64 = 1 << 30;

/// Checks and times every way to compute each of `cases` on `gpu`, which should have nothing else to do:
/// for each case its variants. In each round all variants of all cases have a turn, as far as memory
/// goes, so that whatever else the device does, and its clock, meet all alike.
///
/// # Errors
/// Where the CPU twin cannot compute a case. What a variant fails at is its [`VariantOutcome`].
pub fn variants(
    gpu: &Gpu,
    cases: &[Case],
    options: &BenchOptions,
    tell: impl FnMut(BenchProgress),
) -> Result<Vec<Vec<Variant>>> {
    let benches: Vec<Bench> = (cases.iter())
        .map(|case| Bench::new(gpu, case, options))
        .collect::<Result<_>>()?;
    let kernels: usize = benches.iter().map(|bench| bench.kernels.len()).sum();
    let mut turns = Turns {
        ready: Vec::new(),
        variants: Vec::with_capacity(cases.len()),
        rounds: options.rounds.max(1),
        done: 0,
        of: kernels * (1 + options.rounds.max(1)),
        tell,
    };
    for bench in &benches {
        turns.variants.push(Vec::with_capacity(bench.kernels.len()));
        let (inputs, expected) = bench.answer()?;
        for &kernel in &bench.kernels {
            let name = bench.name(kernel);
            turns.tell(bench.case, &name);
            let mut session = bench.session(kernel);
            let tolerance = tolerance(kernel, options.precision);
            let outcome = match checked(&mut session, &inputs, &expected, tolerance) {
                Ok(outcome) => outcome,
                Err(error @ Error::Limit { .. }) => VariantOutcome::Impossible(error.to_string()),
                Err(error) => VariantOutcome::Failed(error.to_string()),
            };
            let is_right = matches!(outcome, VariantOutcome::Timed(_));
            turns.add(
                bench.case,
                Variant {
                    name,
                    is_rule: bench.rule.is_none_or(|rule| Some(rule) == kernel),
                    outcome,
                },
                is_right.then_some(session),
            );
        }
    }
    turns.time();
    Ok(turns.variants)
}

/// A case with what all its variants share.
struct Bench<'a> {
    gpu: &'a Gpu,
    case: &'a Case,
    precision: Precision,
    passes: PassOptions,
    weights: Arc<Weights>,
    /// What the rule chooses, where there is a choice.
    rule: Option<ConvAlgorithm>,
    kernels: Vec<Option<ConvAlgorithm>>,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, case: &'a Case, options: &BenchOptions) -> Result<Self> {
        let mut bench = Self {
            gpu,
            case,
            precision: options.precision,
            // Inputs that are joined would be packed where they belong, and nothing left to time.
            passes: PassOptions::default().without("concatenations")?,
            weights: Arc::new(Weights::generated(&case.graph, 1.0)),
            rule: None,
            kernels: vec![None],
        };
        let layers = bench.session(None).conv_layers(&case.inputs)?;
        if let Some(layer) = layers.first() {
            let only = &options.only;
            let is_wanted = |kernel: &&ConvAlgorithm| only.is_empty() || only.contains(kernel);
            let kernels = layer.choice.candidates.iter().filter(is_wanted);
            bench.kernels = kernels.copied().map(Some).collect();
            bench.rule = Some(layer.choice.selected);
        }
        Ok(bench)
    }

    fn session(&self, kernel: Option<ConvAlgorithm>) -> GpuSession {
        let options = SessionOptions {
            precision: self.precision,
            passes: self.passes,
            prefer: kernel,
            ..Default::default()
        };
        GpuSession::new(self.gpu, &self.case.graph, self.weights.clone(), &options)
    }

    /// Inputs, and what the CPU twin makes of them.
    fn answer(&self) -> Result<(Vec<Tensor>, Tensor)> {
        let inputs = generated_inputs(&self.case.inputs);
        let twin = Reference::<f32>::new(&self.case.graph, &self.weights)?;
        let expected = twin.run(&inputs)?.swap_remove(0);
        Ok((inputs, expected))
    }

    /// The kernel's, where there is a choice, or the names of the shaders; where the case cannot be
    /// planned, its operator's.
    fn name(&self, kernel: Option<ConvAlgorithm>) -> String {
        if let Some(kernel) = kernel {
            return kernel.to_string();
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

/// Variants that take turns.
struct Turns<'a, Tell> {
    ready: Vec<Ready<'a>>,
    /// Of each case so far.
    variants: Vec<Vec<Variant>>,
    rounds: usize,
    done: usize,
    of: usize,
    tell: Tell,
}

/// A variant that has answered rightly.
struct Ready<'a> {
    case: &'a Case,
    /// Among the cases, and among the variants of that.
    index: (usize, usize),
    session: GpuSession,
    /// Of each round so far.
    seconds: Result<Vec<f64>>,
}

impl<'a, Tell: FnMut(BenchProgress)> Turns<'a, Tell> {
    fn tell(&mut self, case: &Case, kernel: &str) {
        (self.tell)(BenchProgress {
            done: self.done,
            of: self.of,
            case: &case.name,
            kernel,
        });
    }

    /// Adds a variant to the last case, with the session to time it with if it is to be timed.
    fn add(&mut self, case: &'a Case, variant: Variant, session: Option<GpuSession>) {
        let last = self.variants.len() - 1;
        self.variants[last].push(variant);
        self.done += 1;
        match session {
            // It has no rounds.
            None => self.done += self.rounds,
            Some(session) => self.ready.push(Ready {
                case,
                index: (last, self.variants[last].len() - 1),
                session,
                seconds: Ok(Vec::with_capacity(self.rounds)),
            }),
        }
        if self
            .ready
            .iter()
            .map(|one| one.session.device_bytes())
            .sum::<u64>()
            > HELD
        {
            self.time();
        }
    }

    /// Times what is ready, and frees it.
    fn time(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        for _ in 0..self.rounds {
            for one in &mut ready {
                let (case, variant) = one.index;
                let name = self.variants[case][variant].name.clone();
                self.tell(one.case, &name);
                self.done += 1;
                if let Ok(seconds) = &mut one.seconds {
                    match round(&mut one.session, &one.case.inputs) {
                        Ok(median) => seconds.push(median),
                        Err(error) => one.seconds = Err(error),
                    }
                }
            }
        }
        for one in ready {
            let (case, variant) = one.index;
            let outcome = &mut self.variants[case][variant].outcome;
            match (one.seconds, &mut *outcome) {
                (Ok(seconds), VariantOutcome::Timed(measured)) => {
                    // There was a round at least.
                    if let Some(seconds) = Samples::new(seconds) {
                        measured.seconds = seconds;
                    }
                }
                (Ok(_), _) => {}
                (Err(error), _) => *outcome = VariantOutcome::Failed(error.to_string()),
            }
        }
    }
}

/// Compares an answer with the twin's, and makes one pass with a clock, which is not to count: caches are
/// cold, and clocks low.
fn checked(
    session: &mut GpuSession,
    inputs: &[Tensor],
    expected: &Tensor,
    tolerance: f64,
) -> Result<VariantOutcome> {
    let answer = session.run(inputs)?.swap_remove(0);
    let error = difference(&answer, expected);
    if let Some(reason) = mistake(error, tolerance) {
        return Ok(VariantOutcome::Wrong(reason));
    }
    let shapes: Vec<Shape> = inputs.iter().map(|input| input.shape().clone()).collect();
    let steps = own_steps(session, &shapes)?;
    let seconds = Samples::new(vec![steps.iter().map(|step| step.seconds).sum()]);
    Ok(match seconds.filter(|_| !steps.is_empty()) {
        Some(seconds) => VariantOutcome::Timed(Measured {
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

/// A timed pass, without the steps at its borders.
fn own_steps(session: &mut GpuSession, shapes: &[Shape]) -> Result<Vec<StepProfile>> {
    let mut steps = session.timed_pass(shapes)?;
    steps.retain(|step| !matches!(step.kind, "Input" | "Output"));
    Ok(steps)
}

/// The median pass of a round.
fn round(session: &mut GpuSession, shapes: &[Shape]) -> Result<f64> {
    let start = Instant::now();
    let mut pass = || -> Result<f64> {
        let steps = own_steps(session, shapes)?;
        Ok(steps.iter().map(|step| step.seconds).sum())
    };
    let mut passes = vec![pass()?];
    while start.elapsed() < ROUND {
        passes.push(pass()?);
    }
    passes.sort_by(f64::total_cmp);
    Ok(passes[passes.len() / 2])
}
