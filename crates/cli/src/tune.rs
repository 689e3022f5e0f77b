//! `shadernet tune`, and how the other commands load its files.

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shadernet::device::Device;
use shadernet::gpu::{Backend, Gpu, Precision, is_software};
use shadernet::output_file::OutputFile;
use shadernet::session::ConvAlgorithm;
use shadernet::tuning::Tuning;
use shadernet::{Error, printable};
use shadernet_bench::tune::{CandidateOutcome, TuneOptions, TuneReport, TunedLayer, tune};

use super::output_files::check_outputs;
use super::resolve_model::{Network, NetworkArgs};
use super::value_parsers::count;
use super::{DeviceArgs, Failure, PassArgs, cache, output};

/// The tuned kernels to run a network with.
#[derive(Args)]
pub struct TuningArgs {
    /// Tuned kernels, a file of `shadernet tune` [default: the device's file, if it was tuned]
    #[arg(long, value_name = "FILE")]
    tuning: Option<PathBuf>,

    /// Do not use tuned kernels: select all kernels with the heuristic
    #[arg(long, conflicts_with = "tuning")]
    no_tuning: bool,
}

impl TuningArgs {
    /// The arguments for a child process.
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

    /// The value of `--tuning`.
    pub fn file(&self) -> Option<&Path> {
        self.tuning.as_deref()
    }

    /// The tuned kernels for `device`, if there are any. A file that cannot be used is reported and ignored.
    pub fn load(&self, device: &Device) -> Option<Arc<Tuning>> {
        let Device::Gpu(gpu) = device else {
            if self.tuning.is_some() {
                output::note(format_args!(
                    "tuned kernels are not used: they are shaders, and {device} has none"
                ));
            }
            return None;
        };
        let path = match (&self.tuning, self.no_tuning) {
            (_, true) => return None,
            (Some(path), _) => path.clone(),
            (None, _) => default_file(gpu).filter(|path| path.exists())?,
        };
        let tuning = load_for(gpu, &path);
        if let Err(reason) = &tuning {
            let message = format!("tuned kernels are not used: {reason}");
            match self.tuning.is_some() {
                // The user asked for them.
                true => output::say(message),
                false => output::note(message),
            }
        }
        tuning.ok().map(Arc::new)
    }
}

/// The device's file in the cache folder.
fn default_file(gpu: &Gpu) -> Option<PathBuf> {
    cache::folder().map(|folder| folder.join(Tuning::file_name(gpu)))
}

/// Loads a file, and checks that it belongs to this device.
fn load_for(gpu: &Gpu, path: &Path) -> Result<Tuning, String> {
    let tuning = Tuning::load(path).map_err(|error| error.report().to_string())?;
    (tuning.fits(gpu)).map_err(|reason| format!("{}: {reason}", path.display()))?;
    Ok(tuning)
}

/// Time the kernels of each convolution, and keep the fastest
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet tune resnet50
  shadernet tune efficientnet_lite0 --batch 8 --precision f16
  shadernet tune yolov3 --budget 20      ends after about 20 seconds
  shadernet tune unet -o tuned.txt       writes a file to ship with an application

Each kernel is first compared with the reference backend on the layer's shape. A kernel with wrong \
results is reported, and not used on this device any more. The winners are added to the device's \
file in the cache folder. Layers that are not reached within --budget keep the heuristic's kernels. \
On a GPU, tiles that are estimated to take more than twice as long as the best one are not tried, unless \
--exhaustive is given. The other commands use this file unless they get --no-tuning. The cpu backend \
is not tuned: a cost model chooses its kernels.")]
pub struct Tune {
    #[command(flatten)]
    network: NetworkArgs,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = str::parse::<Precision>)]
    precision: Precision,

    /// How many times each kernel is timed; the fastest counts
    #[arg(long, default_value = "5", value_name = "N", value_parser = count)]
    rounds: NonZeroUsize,

    /// Try this kernel, such as winograd-4, besides the heuristic's choice; can be repeated
    /// [default: all]
    #[arg(long, value_name = "KERNEL")]
    only: Vec<ConvAlgorithm>,

    /// Also try the kernels that are estimated to be slow
    #[arg(long)]
    exhaustive: bool,

    /// End after about this many seconds [default: 60 on a GPU, no limit on a software adapter]
    #[arg(long, value_name = "SECONDS", value_parser = count)]
    budget: Option<NonZeroUsize>,

    /// Where to write the winners [default: the device's file, which other commands read]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    passes: PassArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Tune {
    pub fn execute(&self) -> Result<(), Failure> {
        if self.device.backend == Some(Backend::Cpu) {
            return Err(Failure::Usage(
                "the cpu backend has nothing to tune: a cost model chooses its kernels; name a GPU's backend, or \
                 leave --backend out"
                    .to_owned(),
            ));
        }
        let network = self.network.resolve()?;
        // Shapes are checked before a device is opened, which takes longer.
        network.graph.infer(&network.inputs)?;
        let output = ("--output", self.output.as_deref());
        check_outputs([output], [self.network.path()])?;
        let device = self.device.open()?;
        let Device::Gpu(gpu) = &device else {
            return Err(Failure::Error(Error::NoAdapter(format!(
                "nothing to tune on {device}: tuning times shaders, and it has none; `shadernet devices` lists the \
                 GPUs"
            ))));
        };
        let path = self.output.clone().or_else(|| default_file(gpu));
        let budget = self
            .budget
            .map(|seconds| Duration::from_secs(seconds.get() as u64));
        let options = TuneOptions::new()
            .precision(self.precision)
            .passes(self.passes.options())
            .rounds(self.rounds.get())
            .only(self.only.clone())
            .exhaustive(self.exhaustive)
            .budget(budget.or_else(|| default_budget(gpu)));
        let start = Instant::now();
        let report = tune_with_progress(gpu, &network, &options)?;
        let seconds = start.elapsed().as_secs_f64();
        match &path {
            Some(path) => add_to_file(gpu, &report.tuning, path)?,
            None => {
                output::note("the winners are not saved: there is no cache folder; use -o FILE")
            }
        }
        match self.json {
            true => {
                let mut object = as_json(&network, &device, &report, path.as_deref());
                object["seconds"] = json!(seconds);
                output::json_line(&object)?;
            }
            false => print(&network, &device, &report, path.as_deref())?,
        }
        Ok(())
    }
}

/// How long tuning may take by default: nobody waits longer for a GPU. Software takes as long to compile one shader.
pub fn default_budget(gpu: &Gpu) -> Option<Duration> {
    (!is_software(gpu.info())).then_some(Duration::from_secs(60))
}

/// Tunes `network`, and shows the progress on a terminal. What computes wrong results and what was not reached is
/// reported on standard error.
pub fn tune_with_progress(
    gpu: &Gpu,
    network: &Network,
    options: &TuneOptions,
) -> shadernet::Result<TuneReport> {
    let bar = progress();
    let report = tune(gpu, &network.graph, &network.inputs, options, |progress| {
        bar.set_length(progress.layers as u64);
        bar.set_position(progress.layer as u64);
        let signature = printable::name(progress.signature);
        bar.set_message(format!("{signature}: {}", progress.kernel));
    });
    bar.finish_and_clear();
    let report = report?;
    for found in report.quarantined() {
        output::say(format_args!(
            "{} computes wrong results on {} and is quarantined: {}: {}",
            found.kernel,
            printable::name(&gpu.info().name),
            found.signature,
            printable::line(&found.reason)
        ));
    }
    let untimed = report.untimed().count();
    if untimed > 0 {
        output::note(format_args!(
            "the time was over before {untimed} of {} kinds of layers: the heuristic selects their kernels",
            report.layers.len()
        ));
    }
    Ok(report)
}

/// Adds tuned kernels to a file, and keeps those of other layers. A file that cannot be used is replaced.
fn add_to_file(gpu: &Gpu, found: &Tuning, path: &Path) -> shadernet::Result<()> {
    let mut tuning = Tuning::new(gpu);
    // Nothing is read from a device or pipe.
    if OutputFile::target(path).is_ok_and(|file| file.is_some_and(|file| file.exists())) {
        match load_for(gpu, path) {
            Ok(known) => tuning = known,
            Err(reason) => output::note(format_args!("replaced: {reason}")),
        }
    }
    if let Err(reason) = tuning.merge(found) {
        return Err(Error::file(path, reason));
    }
    tuning.save(path)
}

fn progress() -> ProgressBar {
    let bar = super::progress::shown(ProgressBar::new(0));
    if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// The heuristic's time divided by the winner's.
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
            "timed": !layer.candidates.is_empty(),
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
    let mut out = output::stdout();
    writeln!(out, "{} on {device}\n", network.title())?;
    let header = [
        "layers",
        "heuristic",
        "ms",
        "winner",
        "ms",
        "times faster",
        "convolution",
    ];
    let mut table = output::table(&header);
    for layer in &report.layers {
        let ms = |time: Option<Duration>| match time {
            Some(time) => format!("{:.3}", time.as_secs_f64() * 1e3),
            None if layer.candidates.is_empty() => "not timed".to_owned(),
            None => "wrong".to_owned(),
        };
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
    writeln!(out, "{}", table)?;
    if let Some(path) = path {
        writeln!(out, "\nsaved to {}", printable::path(path))?;
    }
    Ok(())
}
