//! How a network is timed: on which device, with what precision and kernels.

use std::str::FromStr;
use std::time::{Duration, Instant};

use shadernet::device::Device;
use shadernet::error::UnknownName;
use shadernet::gpu::{Backend, Precision};
use shadernet::passes::PassOptions;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::{Error, Result};

use crate::resolve_model::Network;
use crate::{DeviceArgs, TuningArgs, output};

/// What `--vs` changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// As it was written.
    pub text: String,
    pub backend: Option<Backend>,
    pub adapter: Option<String>,
    pub precision: Option<Precision>,
    pub kernel: Option<ConvAlgorithm>,
    pub without: Option<PassOptions>,
}

impl FromStr for Change {
    type Err = String;

    /// `KEY=VALUE`, or several with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut change = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let unknown = |error: UnknownName| error.to_string();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!("expected KEY=VALUE such as precision=f16, found '{part}'")
            })?;
            match key {
                "backend" => change.backend = Some(value.parse().map_err(unknown)?),
                "adapter" => change.adapter = Some(value.to_owned()),
                "precision" => change.precision = Some(value.parse().map_err(unknown)?),
                "kernel" => change.kernel = Some(value.parse().map_err(unknown)?),
                "without-pass" => {
                    let passes = change.without.unwrap_or_default();
                    let passes = passes.without(value).map_err(|error| error.to_string())?;
                    change.without = Some(passes);
                }
                _ => {
                    return Err(format!(
                        "there is no setting '{key}'; there are backend, adapter, precision, kernel \
                         and without-pass"
                    ));
                }
            }
        }
        Ok(change)
    }
}

/// A network on a device, ready for passes.
pub struct Prepared {
    pub session: Session,
    pub precision: Precision,
    pub is_tuned: bool,
    pub first: First,
}

/// The parts of the way to the first answer.
pub struct First {
    pub device: Duration,
    pub weights: Duration,
    pub prepare: Duration,
    pub run: Duration,
    /// All of it, from the start of the process where it was the first.
    pub whole: Duration,
}

/// Opens the device that `args` and `change` name, and how long that took.
pub fn open(args: &DeviceArgs, change: &Change) -> Result<(Device, Duration)> {
    let begin = Instant::now();
    let mut args = args.clone();
    if change.backend.is_some() {
        // Another backend's adapters have other names.
        args.adapter = None;
    }
    args.backend = change.backend.or(args.backend);
    args.adapter = change.adapter.clone().or(args.adapter);
    let device = args.open()?;
    Ok((device, begin.elapsed()))
}

impl Prepared {
    /// Uploads the weights, makes pipelines and does the first pass. `start` is when the way to the
    /// first answer began, `device_time` what opening the device took of it.
    pub fn new(
        (device, device_time): (&Device, Duration),
        network: &Network,
        precision: Precision,
        change: &Change,
        tuning: &TuningArgs,
        start: Instant,
        mut tell: impl FnMut(&'static str),
    ) -> Result<Self> {
        let precision = change.precision.unwrap_or(precision);
        tell("reading the weights");
        let begin = Instant::now();
        let weights = network.weights()?;
        let read = begin.elapsed();
        tell("uploading the weights, making pipelines");
        let begin = Instant::now();
        let options = SessionOptions::new()
            .precision(precision)
            .prefer(change.kernel)
            .passes(change.without.unwrap_or_default())
            .tuning(tuning.load(device));
        let is_tuned = options.tuning.is_some();
        let mut session = Session::new(device, &network.graph, weights, &options, &network.inputs)?;
        let prepared = begin.elapsed();
        tell("the first pass");
        let inputs = network.input_tensors();
        let begin = Instant::now();
        session.run(&inputs)?;
        let first = First {
            device: device_time,
            weights: read,
            prepare: prepared,
            run: begin.elapsed(),
            whole: start.elapsed(),
        };
        if let Some(notice) = session.warning() {
            output::say(notice);
        }
        if let Some(kernel) = change.kernel
            && !uses(&session, network, kernel)?
        {
            return Err(Error::Inputs(format!(
                "kernel={kernel}: no layer of {} can be computed with it on {device}",
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

/// Whether any layer could be computed with `kernel`.
fn uses(session: &Session, network: &Network, kernel: ConvAlgorithm) -> Result<bool> {
    let kernels = session.kernels(&network.inputs)?;
    Ok(kernels.iter().any(|(_, used)| *used == kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read() {
        let change: Change = "backend=gl,precision=f16,kernel=winograd-4"
            .parse()
            .unwrap();
        assert_eq!(change.backend, Some(Backend::Gl));
        assert_eq!(change.precision, Some(Precision::F16));
        assert_eq!(change.kernel, Some(ConvAlgorithm::Winograd { tile: 4 }));
        let reason = |text: &str| text.parse::<Change>().unwrap_err();
        assert!(reason("f16").contains("'f16'"));
        assert!(reason("precision=int8").contains("int8"));
        assert!(reason("kernel=winograd-5").contains("winograd-4"));
        assert!(reason("speed=2").contains("no setting 'speed'"));
        assert!(reason("without-pass=norm").contains("norms"));
    }
}
