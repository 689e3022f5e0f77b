//! Checks and times the kernels of the CPU backend, which has one for each case.

use std::sync::Arc;

use shadernet::accuracy::{difference, rejection, tolerance};
use shadernet::cpu::CpuDevice;
use shadernet::device::Device;
use shadernet::error::Result;
use shadernet::gpu::Precision;
use shadernet::passes::PassOptions;
use shadernet::profile::{Profile, StepProfile};
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::Tensor;
use shadernet::weights::Weights;

use super::variant::{BenchProgress, Measurement, Variant, VariantOutcome};
use super::{Case, MIN_ROUND};
use crate::reference_output::reference_output;
use crate::samples::Samples;

/// Passes of a round at most.
const MAX_PASSES: f64 = 1000.0;

/// Checks and times the kernel of each of `cases` on the CPU backend, which should be idle, in float32. In each of
/// `rounds`, a case is timed for 20 ms or one pass.
///
/// # Errors
/// If the reference backend cannot compute a case. Errors of the CPU backend are the case's [`VariantOutcome`].
pub fn cpu_variants(
    cpu: &CpuDevice,
    cases: &[Case],
    rounds: usize,
    mut report: impl FnMut(BenchProgress),
) -> Result<Vec<Variant>> {
    let device = Device::from(cpu.clone());
    let measured = cases.iter().enumerate().map(|(completed, case)| {
        report(BenchProgress {
            completed,
            total: cases.len(),
            case: &case.name,
            kernel: &case.operator,
        });
        let weights = Arc::new(Weights::generated(&case.graph, 1.0));
        let (inputs, expected) = reference_output(&case.graph, weights.clone(), &case.inputs)?;
        let checked = checked(&device, case, weights, &inputs, &expected, rounds.max(1));
        let (name, outcome) = checked.unwrap_or_else(|error| {
            let reason = error.report().to_string();
            (case.operator.clone(), VariantOutcome::Failed(reason))
        });
        Ok(Variant {
            name,
            is_selected: true,
            outcome,
        })
    });
    measured.collect()
}

/// The names of a case's kernels, and whether they compute the `expected` output, with their time.
fn checked(
    device: &Device,
    case: &Case,
    weights: Arc<Weights>,
    inputs: &[Tensor],
    expected: &Tensor,
    rounds: usize,
) -> Result<(String, VariantOutcome)> {
    // With this pass, inputs of a concatenation would be in place, with nothing left to time.
    let passes = PassOptions::default().without("concatenations")?;
    let options = SessionOptions::new().passes(passes);
    let mut session = Session::new(device, &case.graph, weights, &options, &case.inputs)?;
    let output = session.run(inputs)?.swap_remove(0);
    let error = difference(&output, expected);
    let first = session.profile(inputs, 1)?;
    let kernels: Vec<&'static str> = computing(&first).map(|step| step.kernel).collect();
    let name = kernels.join(" + ");
    let winograd = kernels.iter().any(|kernel| kernel.starts_with("winograd"));
    let algorithm = winograd.then_some(ConvAlgorithm::Winograd { tile: 4 });
    let tolerance = tolerance(algorithm, Precision::F32);
    if let Some(reason) = rejection(error, tolerance) {
        return Ok((name, VariantOutcome::Wrong(reason)));
    }
    let pass = seconds(&first).max(f64::MIN_POSITIVE);
    let passes = (MIN_ROUND.as_secs_f64() / pass).clamp(1.0, MAX_PASSES) as usize;
    let timed = (0..rounds).map(|_| Ok(seconds(&session.profile(inputs, passes)?)));
    let timed = Samples::new(timed.collect::<Result<_>>()?);
    let outcome = match timed.filter(|_| !kernels.is_empty()) {
        Some(seconds) => VariantOutcome::Timed(Measurement {
            method: first.method,
            seconds,
            operations: computing(&first).map(|step| step.operations).sum(),
            bytes: computing(&first).map(|step| step.bytes).sum(),
            error,
            shaders: kernels,
        }),
        None => VariantOutcome::Failed("it has no steps".to_owned()),
    };
    Ok((name, outcome))
}

/// The steps without those that copy inputs and outputs.
fn computing(profile: &Profile) -> impl Iterator<Item = &StepProfile> {
    let steps = profile.steps.iter();
    steps.filter(|step| !matches!(step.kind, "Input" | "Output"))
}

fn seconds(profile: &Profile) -> f64 {
    computing(profile).map(|step| step.seconds).sum()
}
