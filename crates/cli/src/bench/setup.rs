//! Sets up a network for timing: device, precision, kernels, and the first pass.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shadernet::device::Device;
use shadernet::error::UnknownName;
use shadernet::gpu::{Backend, Precision};
use shadernet::passes::PassOptions;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tuning::Tuning;
use shadernet::{Error, Result};

use crate::resolve_model::Network;
use crate::value_parsers::threads;
use crate::{DeviceArgs, output};

/// The settings that `--vs` overrides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// The option's value.
    pub text: String,
    pub backend: Option<Backend>,
    pub adapter: Option<String>,
    pub threads: Option<NonZeroUsize>,
    pub precision: Option<Precision>,
    pub kernel: Option<ConvAlgorithm>,
    pub passes: Option<PassOptions>,
}

impl FromStr for Overrides {
    type Err = String;

    /// Parses `KEY=VALUE`, or several of these separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut overrides = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let unknown = |error: UnknownName| error.to_string();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!("expected KEY=VALUE such as precision=f16, found '{part}'")
            })?;
            match key {
                "backend" => overrides.backend = Some(value.parse().map_err(unknown)?),
                "adapter" => overrides.adapter = Some(value.to_owned()),
                "threads" => overrides.threads = Some(threads(value)?),
                "precision" => overrides.precision = Some(value.parse().map_err(unknown)?),
                "kernel" => overrides.kernel = Some(value.parse().map_err(unknown)?),
                "without-pass" => {
                    let passes = overrides.passes.unwrap_or_default();
                    let passes = passes.without(value).map_err(|error| error.to_string())?;
                    overrides.passes = Some(passes);
                }
                _ => return Err(UnknownName::new("setting", key, SETTINGS).to_string()),
            }
        }
        Ok(overrides)
    }
}

const SETTINGS: [&str; 6] = [
    "backend",
    "adapter",
    "threads",
    "precision",
    "kernel",
    "without-pass",
];

/// A session that has made its first pass.
pub struct TimedSession {
    pub session: Session,
    pub precision: Precision,
    pub is_tuned: bool,
    pub first: FirstResultTimes,
}

/// The time to the first result, and its parts.
pub struct FirstResultTimes {
    pub device: Duration,
    pub weights: Duration,
    pub prepare: Duration,
    pub run: Duration,
    /// The total; for the first row from the start of the process.
    pub total: Duration,
}

/// Opens the device of `args` and `overrides`. Also returns how long that took.
pub fn open(args: &DeviceArgs, overrides: &Overrides) -> Result<(Device, Duration)> {
    let begin = Instant::now();
    let mut args = args.clone();
    if overrides.backend.is_some() {
        // The adapters of another backend may have other names, and only one backend has threads.
        args.adapter = None;
        args.threads = None;
    }
    args.backend = overrides.backend.or(args.backend);
    args.adapter = overrides.adapter.clone().or(args.adapter);
    args.threads = overrides.threads.or(args.threads);
    let device = args.open()?;
    Ok((device, begin.elapsed()))
}

impl TimedSession {
    /// Uploads the weights, compiles pipelines and makes the first pass. `start` is the beginning of the time
    /// to the first result, `device_time` the part of it that opening the device took.
    pub fn new(
        (device, device_time): (&Device, Duration),
        network: &Network,
        precision: Precision,
        overrides: &Overrides,
        tuning: Option<Arc<Tuning>>,
        start: Instant,
        mut report: impl FnMut(&'static str),
    ) -> Result<Self> {
        let precision = overrides.precision.unwrap_or(precision);
        report("reading the weights");
        let begin = Instant::now();
        let weights = network.weights()?;
        let weights_time = begin.elapsed();
        report("uploading weights, compiling pipelines");
        let begin = Instant::now();
        let options = SessionOptions::new()
            .precision(precision)
            .prefer(overrides.kernel)
            .passes(overrides.passes.unwrap_or_default())
            .tuning(tuning);
        let is_tuned = options.tuning.is_some();
        let mut session = Session::new(device, &network.graph, weights, &options, &network.inputs)?;
        let prepare_time = begin.elapsed();
        report("first pass");
        let inputs = network.input_tensors();
        let begin = Instant::now();
        session.run(&inputs)?;
        let first = FirstResultTimes {
            device: device_time,
            weights: weights_time,
            prepare: prepare_time,
            run: begin.elapsed(),
            total: start.elapsed(),
        };
        output::warn(session.warning());
        if let Some(kernel) = overrides.kernel
            && !uses(&session, network, kernel)?
        {
            return Err(Error::Inputs(format!(
                "kernel={kernel}: no layer of {} can use it on {device}",
                network.graph.name()
            )));
        }
        Ok(Self {
            session,
            precision,
            is_tuned,
            first,
        })
    }
}

/// Whether any layer uses `kernel`.
fn uses(session: &Session, network: &Network, kernel: ConvAlgorithm) -> Result<bool> {
    let kernels = session.kernels(&network.inputs)?;
    Ok(kernels.iter().any(|(_, used)| *used == kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_parsed() {
        let overrides: Overrides = "backend=gl,precision=f16,kernel=winograd-4"
            .parse()
            .unwrap();
        assert_eq!(overrides.backend, Some(Backend::Gl));
        assert_eq!(overrides.precision, Some(Precision::F16));
        assert_eq!(overrides.kernel, Some(ConvAlgorithm::Winograd { tile: 4 }));
        let overrides: Overrides = "backend=cpu,threads=2".parse().unwrap();
        assert_eq!(overrides.threads.map(NonZeroUsize::get), Some(2));
        let reason = |text: &str| text.parse::<Overrides>().unwrap_err();
        assert!(reason("f16").contains("'f16'"));
        assert!(reason("precision=int8").contains("int8"));
        assert!(reason("threads=0").contains("from 1 to 1024"));
        assert!(reason("kernel=winograd-5").contains("winograd-4"));
        assert!(reason("speed=2").contains("unknown setting 'speed'"));
        assert!(reason("without-pass=norm").contains("norms"));
    }
}
