//! `shadernet tune`, and the files that the other commands read.

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shadernet::Error;
use shadernet::device::Device;
use shadernet::gpu::{Gpu, Precision};
use shadernet::session::ConvAlgorithm;
use shadernet::tuning::Tuning;
use shadernet_bench::tune::{CandidateOutcome, TuneOptions, TuneReport, TunedLayer, tune};

use super::resolve_model::{Network, NetworkArgs};
use super::{DeviceArgs, Failure, PassArgs, cache, output, precision};

/// Which tuned kernels a network is run with.
#[derive(Args)]
pub struct TuningArgs {
    /// Tuned kernels, as `shadernet tune` writes them [default: this device's, where it was tuned]
    #[arg(long, value_name = "FILE")]
    tuning: Option<PathBuf>,

    /// Leave tuned kernels out: the rule's choice everywhere
    #[arg(long, conflicts_with = "tuning")]
    no_tuning: bool,
}

impl TuningArgs {
    /// As they were given.
    pub fn args(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        if let Some(path) = &self.tuning {
            args.extend(["--tuning".into(), path.into()]);
        }
        if self.no_tuning {
            args.push("--no-tuning".into());
        }
        args
    }

    /// Whether a file is asked for.
    pub fn names_a_file(&self) -> bool {
        self.tuning.is_some()
    }

    /// The tuned kernels for `device`, if there are any. What cannot be used is told of and left out.
    pub fn load(&self, device: &Device) -> Option<Arc<Tuning>> {
        let Device::Gpu(gpu) = device else {
            if self.tuning.is_some() {
                output::say("tuned kernels are not used: the CPU has none to choose from");
            }
            return None;
        };
        let path = match (&self.tuning, self.no_tuning) {
            (_, true) => return None,
            (Some(path), _) => path.clone(),
            (None, _) => default_file(gpu).filter(|path| path.exists())?,
        };
        let tuning = usable(gpu, &path);
        if let Err(reason) = &tuning {
            output::say(format_args!("tuned kernels are not used: {reason}"));
        }
        tuning.ok().map(Arc::new)
    }
}

/// The file of a device, beside its pipelines.
fn default_file(gpu: &Gpu) -> Option<PathBuf> {
    cache::folder().map(|folder| folder.join(Tuning::file_name(gpu)))
}

/// The tuning in a file, where it is of this device.
fn usable(gpu: &Gpu, path: &Path) -> Result<Tuning, String> {
    let tuning = Tuning::load(path).map_err(|error| error.to_string())?;
    (tuning.fits(gpu)).map_err(|reason| format!("{}: {reason}", path.display()))?;
    Ok(tuning)
}

/// Time the kernels that can compute each layer, and keep the fastest
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet tune resnet50
  shadernet tune models/efficientnet_lite0 --batch 8 --precision f16
  shadernet tune unet -o tuned.txt       a file to ship with an application

Each kernel is first compared with the CPU on the layer's own shape; one that answers wrongly is
named, and used no more on this device. The winners are added to the device's file beside the
compiled shaders, which the other commands read; --no-tuning leaves it out there.")]
pub struct Tune {
    #[command(flatten)]
    network: NetworkArgs,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// Times that each kernel is timed; the best counts
    #[arg(long, default_value = "5", value_name = "N")]
    rounds: NonZeroUsize,

    /// Try this kernel, such as winograd-4, beside the rule's choice; may be given several times
    /// [default: all]
    #[arg(long, value_name = "KERNEL")]
    only: Vec<ConvAlgorithm>,

    /// Where the winners go [default: this device's file, which other commands read]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    passes: PassArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Tune {
    pub fn execute(&self) -> Result<(), Failure> {
        let network = self.network.find()?;
        // Shapes before the device: cheaper to find out.
        network.graph.infer(&network.inputs)?;
        let device = self.device.open()?;
        let Device::Gpu(gpu) = &device else {
            return Err(Failure::Error(Error::NoAdapter(
                "there is nothing to tune on the CPU: it has one way to compute each layer; \
                 `shadernet devices` lists the GPUs"
                    .to_owned(),
            )));
        };
        let path = self.output.clone().or_else(|| default_file(gpu));
        let options = TuneOptions {
            precision: self.precision,
            passes: self.passes.options(),
            rounds: self.rounds.get(),
            only: self.only.clone(),
            ..Default::default()
        };
        let bar = progress();
        let report = tune(gpu, &network.graph, &network.inputs, &options, |progress| {
            bar.set_length(progress.layers as u64);
            bar.set_position(progress.layer as u64);
            bar.set_message(format!("{}: {}", progress.signature, progress.kernel));
        });
        bar.finish_and_clear();
        let report = report?;
        for found in report.quarantined() {
            output::say(format_args!(
                "{} is wrong on {device} and is quarantined: {}: {}",
                found.kernel, found.signature, found.reason
            ));
        }
        match &path {
            Some(path) => add(gpu, &report.tuning, path)?,
            None => {
                output::say("the winners are kept nowhere: there is no cache folder, and no -o")
            }
        }
        match self.json {
            true => output::json_line(&as_json(&network, &device, &report, path.as_deref()))?,
            false => print(&network, &device, &report, path.as_deref())?,
        }
        Ok(())
    }
}

/// Adds what was found to a file: other networks' layers stay. A file that cannot be used is replaced.
fn add(gpu: &Gpu, found: &Tuning, path: &Path) -> shadernet::Result<()> {
    let mut tuning = Tuning::new(gpu);
    if path.exists() {
        match usable(gpu, path) {
            Ok(known) => tuning = known,
            Err(reason) => output::say(format_args!("replaced: {reason}")),
        }
    }
    if let Err(reason) = tuning.merge(found) {
        return Err(Error::File {
            path: path.to_owned(),
            reason,
        });
    }
    tuning.save(path)
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// How many times faster the winner is.
fn ratio(layer: &TunedLayer) -> Option<f64> {
    let [rule, winner] = [layer.heuristic, layer.winner].map(|kernel| layer.time(kernel));
    Some(rule?.as_secs_f64() / winner?.as_secs_f64())
}

fn as_json(network: &Network, device: &Device, report: &TuneReport, path: Option<&Path>) -> Value {
    let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    let layer = |layer: &TunedLayer| {
        let candidates = layer.candidates.iter().map(|candidate| {
            let (time, problem) = match &candidate.outcome {
                CandidateOutcome::Timed(time) => (Some(*time), None),
                CandidateOutcome::Quarantined(reason) | CandidateOutcome::Impossible(reason) => {
                    (None, Some(reason))
                }
            };
            json!({ "kernel": candidate.kernel.to_string(), "ms": ms(time), "problem": problem })
        });
        json!({
            "signature": layer.signature,
            "nodes": layer.nodes,
            "rule": layer.heuristic.to_string(),
            "winner": layer.winner.to_string(),
            "rule_ms": ms(layer.time(layer.heuristic)),
            "winner_ms": ms(layer.time(layer.winner)),
            "ratio": ratio(layer),
            "candidates": candidates.collect::<Vec<_>>(),
        })
    };
    let quarantined = report.quarantined();
    let quarantined = quarantined.iter().map(|found| {
        json!({
            "kernel": found.kernel.to_string(),
            "signature": found.signature,
            "reason": found.reason,
        })
    });
    json!({
        "network": network.graph.name(),
        "device": device.to_string(),
        "backend": device.backend().name(),
        "file": path.map(|path| path.display().to_string()),
        "layers": report.layers.iter().map(layer).collect::<Vec<_>>(),
        "quarantined": quarantined.collect::<Vec<_>>(),
    })
}

fn print(
    network: &Network,
    device: &Device,
    report: &TuneReport,
    path: Option<&Path>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{} on {device}\n", network.graph.name())?;
    let header = [
        "layers",
        "rule",
        "ms",
        "winner",
        "ms",
        "times faster",
        "convolution",
    ];
    let mut table = output::table(&header);
    let ms = |time: Option<Duration>| match time {
        Some(time) => format!("{:.3}", time.as_secs_f64() * 1e3),
        None => "wrong".to_owned(),
    };
    for layer in &report.layers {
        let ratio = ratio(layer).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        table.add_row([
            layer.nodes.len().to_string(),
            layer.heuristic.to_string(),
            ms(layer.time(layer.heuristic)),
            layer.winner.to_string(),
            ms(layer.time(layer.winner)),
            ratio,
            layer.signature.clone(),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if let Some(path) = path {
        writeln!(out, "\nkept in {}", path.display())?;
    }
    Ok(())
}
