//! Checking and timing the variants of a case.

use std::sync::Arc;

use super::Case;
use crate::accuracy::{difference, mistake, tolerance};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Precision};
use crate::kernels::ConvKernel;
use crate::passes::PassOptions;
use crate::profile::{Method, StepProfile};
use crate::reference::Reference;
use crate::samples::Samples;
use crate::session::{GpuSession, SessionOptions};
use crate::tensor::Tensor;
use crate::weights::Weights;
use crate::weights::generate::generated_inputs;

/// How [`variants`] times.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How values and weights are stored.
    pub precision: Precision,
    /// How often each variant is timed.
    pub rounds: usize,
    /// Which convolution kernels are tried; all where it is empty. Software drivers take seconds to
    /// compile some.
    pub only: Vec<ConvKernel>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            rounds: 10,
            only: Vec::new(),
        }
    }
}

/// A way to compute a case.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The convolution kernel's name where there is a choice of them, else the shader's.
    pub name: String,
    /// Whether it is what the rule chooses.
    pub is_rule: bool,
    /// How it did.
    pub outcome: Outcome,
}

/// How a variant did.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It answered as the CPU twin does.
    Timed(Measured),
    /// It answered otherwise, and was not timed: how far off it was.
    Wrong(String),
    /// The device refused it: why.
    Failed(String),
    /// A limit of the device is in the way: which.
    Impossible(String),
}

/// What was measured of a variant.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How it was timed.
    pub method: Method,
    /// Seconds, all dispatches together.
    pub seconds: Samples,
    /// Multiplications and additions that it does.
    pub operations: u64,
    /// Bytes of what it reads and writes, each counted once by each dispatch that touches it.
    pub bytes: u64,
    /// The largest difference from the twin's answer, as a share of its largest magnitude.
    pub error: f64,
    /// The shaders, in the order of the dispatches.
    pub shaders: Vec<&'static str>,
}

/// Checks and times every way to compute `case` on `gpu`, which should have nothing else to do.
/// `tell` is told the name of each before.
///
/// # Errors
/// Where the CPU twin cannot compute it. What a variant fails at is its [`Outcome`].
pub fn variants(
    gpu: &Gpu,
    case: &Case,
    options: &BenchOptions,
    mut tell: impl FnMut(&str),
) -> Result<Vec<Variant>> {
    let weights = Arc::new(Weights::generated(&case.graph, 1.0));
    let inputs = generated_inputs(&case.inputs);
    let twin = Reference::<f32>::new(&case.graph, &weights)?;
    let expected = twin.run(&inputs)?.swap_remove(0);

    // Inputs that are joined would be packed where they belong, and nothing left to time.
    let passes = PassOptions::default().without("concatenations")?;
    let session = |prefer| {
        let options = SessionOptions {
            precision: options.precision,
            passes,
            prefer,
            ..Default::default()
        };
        GpuSession::new(gpu, &case.graph, weights.clone(), &options)
    };
    let layers = session(None).conv_layers(&case.inputs)?;
    let choice = layers.first().map(|layer| &layer.choice);
    let kernels: Vec<Option<ConvKernel>> = match choice {
        Some(choice) => {
            let mut kernels = choice.candidates.clone();
            let only = &options.only;
            kernels.retain(|kernel| only.is_empty() || only.contains(kernel));
            kernels.into_iter().map(Some).collect()
        }
        None => vec![None],
    };
    let mut variants = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        let name = kernel.map(|kernel| kernel.to_string());
        tell(name.as_deref().unwrap_or(&case.operator));
        let mut session = session(kernel);
        let outcome = match measure(&mut session, &inputs, &expected, kernel, options) {
            Ok(outcome) => outcome,
            Err(error @ Error::Limit { .. }) => Outcome::Impossible(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        variants.push(Variant {
            name: name.unwrap_or_else(|| shaders(&session, case)),
            is_rule: choice.is_none_or(|choice| Some(choice.rule) == kernel),
            outcome,
        });
    }
    Ok(variants)
}

/// The names of the shaders that compute `case`; where it cannot be planned, its operator's.
fn shaders(session: &GpuSession, case: &Case) -> String {
    let steps = session.shaders(&case.inputs).unwrap_or_default();
    let names = steps
        .iter()
        .filter_map(|(_, shader)| shader.split(' ').next());
    let names: Vec<&str> = names
        .filter(|name| !matches!(*name, "pack" | "unpack"))
        .collect();
    match names.is_empty() {
        true => case.operator.clone(),
        false => names.join(" + "),
    }
}

fn measure(
    session: &mut GpuSession,
    inputs: &[Tensor],
    expected: &Tensor,
    kernel: Option<ConvKernel>,
    options: &BenchOptions,
) -> Result<Outcome> {
    let answer = session.run(inputs)?.swap_remove(0);
    let error = difference(&answer, expected);
    if let Some(reason) = mistake(error, tolerance(kernel, options.precision)) {
        return Ok(Outcome::Wrong(reason));
    }
    let profile = session.profile(inputs, options.rounds.max(1))?;
    let is_own = |step: &&StepProfile| !matches!(step.kind, "Input" | "Output");
    let steps: Vec<&StepProfile> = profile.steps.iter().filter(is_own).collect();
    if steps.is_empty() {
        return Ok(Outcome::Failed("it has no dispatches".to_owned()));
    }
    let whole = |round: usize| steps.iter().map(|step| step.rounds[round]).sum();
    let seconds = (0..options.rounds.max(1)).map(whole).collect();
    Ok(match Samples::new(seconds) {
        Some(seconds) => Outcome::Timed(Measured {
            method: profile.method,
            seconds,
            operations: steps.iter().map(|step| step.operations).sum(),
            bytes: steps.iter().map(|step| step.bytes).sum(),
            error,
            shaders: steps.iter().map(|step| step.kernel).collect(),
        }),
        None => Outcome::Failed("it has no dispatches".to_owned()),
    })
}
