//! `shadernet bench model`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::Value;
use shadernet::gpu::Precision;
use shadernet::{Result, printable};

use super::child_processes::{AllAdaptersArgs, Target};
use super::model_results::{ModelTiming, Versus, print};
use super::report;
use super::setup::{Overrides, TimedSession, open};
use super::timing::{Rounds, samples, time_passes, warm_up};
use super::tuned::{Tuned, UNTUNED};
use crate::lines::lines;
use crate::output_files::check_outputs;
use crate::resolve_model::Network;
use crate::value_parsers::{ImageSize, count};
use crate::{DeviceArgs, Failure, TuningArgs, output, progress};

/// Time networks: the time to the first result, and the passes after it
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench model resnet50
  shadernet bench model resnet18 mobilenet_v2 --batch 1,8 --precision f32,f16
  shadernet bench model efficientnet_lite0 --vs backend=gl
  shadernet bench model resnet50 --vs precision=f16,kernel=direct
  shadernet bench model resnet50 --tune
  shadernet bench model unet --input 256 --json | jq '.median_ms'

An architecture gets generated weights; a model folder has its own. A timed pass \
uploads the input, computes, and reads the output back. Before that, the network is \
warmed up until passes get no faster. The time to the first result includes opening \
the device, loading weights, compiling shaders and a pass; for the first row it is \
measured from the start of the process. `spread` is the range of nine of ten passes, \
relative to the median.

--vs compares with another backend, adapter, precision, kernel or without-pass. Passes \
of both settings alternate. The ratio is the median over the pairs; below 1, the other \
setting is faster.

--tune tunes first, for up to a minute on a GPU, and compares with the kernels that \
the heuristic selects, in the same way: a ratio above 1 says how many times faster the \
tuned kernels are. `shadernet tune` also keeps them. The time to the first result then \
leaves out opening the device, and finds shaders compiled.

With --serve, `ready` is printed after the first result. Then one pass is made for \
every line on standard input, and its seconds are printed. Scripts use this to \
alternate between engines.")]
pub struct Model {
    /// ONNX files, model folders, names of models, or architectures (`shadernet models` lists models and architectures)
    #[arg(value_name = "MODEL|ARCH", required = true)]
    networks: Vec<String>,

    /// Size of the image: 160, 160x224 (height, width) or 3x160x224 (channels first) [default: each network's
    /// input size]
    #[arg(long, value_name = "SIZE")]
    input: Option<ImageSize>,

    /// Images per pass; several numbers are separated by commas
    #[arg(long, default_value = "1", value_name = "N", value_delimiter = ',', value_parser = count)]
    batch: Vec<NonZeroUsize>,

    /// How values and weights are stored on the device; f32,f16 times both
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = str::parse::<Precision>,
        value_delimiter = ',')]
    precision: Vec<Precision>,

    /// Compare with a setting KEY=VALUE of backend, adapter, threads, precision, kernel or
    /// without-pass; several are separated by commas
    #[arg(long, value_name = "SETTING", value_parser = str::parse::<Overrides>)]
    vs: Option<Overrides>,

    /// Number of timed passes [default: at least 10, for at least 3 seconds, and for up to 15
    /// seconds if their spread is above 20 %]
    #[arg(long, value_name = "N", value_parser = count)]
    rounds: Option<NonZeroUsize>,

    /// Tune first, and compare with untuned kernels; other commands do not use what is found
    #[arg(long, conflicts_with_all = ["vs", "tuning", "no_tuning", "serve"])]
    tune: bool,

    #[command(flatten)]
    tuning: TuningArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    all: AllAdaptersArgs,

    /// Print one JSON object per row, one per line
    #[arg(long)]
    json: bool,

    /// Write an HTML page with bar charts and a table
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Make and time one pass for every line on standard input
    #[arg(long, conflicts_with_all = ["json", "report", "rounds", "vs", "all"])]
    serve: bool,
}

impl Model {
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        // Names and shapes are checked before a device is opened, which takes longer.
        let mut networks = Vec::new();
        for name in &self.networks {
            for batch in &self.batch {
                let network = Network::resolve(name, self.input, batch.get())?;
                network.graph.infer(&network.inputs)?;
                networks.push(network);
            }
        }
        let inputs = self
            .networks
            .iter()
            .map(Path::new)
            .chain(self.tuning.file());
        check_outputs([("--report", self.report.as_deref())], inputs)?;
        if self.serve {
            return self.serve(&networks, start);
        }
        let results = match self.all.all {
            true => {
                let targets = Target::all();
                (self.all.child).run_on_all(&targets, "model", &self.args(), |_, _| Ok(()))?
            }
            false => {
                self.all.child.misbehave_for_tests();
                self.measure(&networks, start)?
            }
        };
        if let Some(path) = &self.report {
            report::write(path, &results)?;
        }
        match self.json {
            true => results.iter().try_for_each(output::json_line)?,
            false => print(&results, &mut output::stdout())?,
        }
        let failed = results.iter().any(|row| row["failed"].is_string());
        if failed && self.json {
            let failed = results.iter().filter_map(|row| row["failed"].as_str());
            failed.for_each(output::say);
        }
        match failed {
            true => Err(Failure::Reported),
            false => Ok(()),
        }
    }

    /// One row per network, batch and precision.
    fn measure(&self, networks: &[Network], start: Instant) -> Result<Vec<Value>> {
        let bar = progress::spinner();
        bar.set_message("opening the device");
        let no_overrides = Overrides::default();
        let (device, device_time) = open(&self.device, &no_overrides)?;
        let other = (self.vs.as_ref()).map(|overrides| open(&self.device, overrides));
        let other = other.transpose()?;
        let mut rows = Vec::new();
        let mut start = Some(start);
        for network in networks {
            for &precision in &self.precision {
                let name = printable::name(network.graph.name());
                let report = |part: &'static str| bar.set_message(format!("{name}: {part}"));
                let tuned = match self.tune {
                    true => bar.suspend(|| Tuned::find(&device, network, precision))?,
                    false => None,
                };
                // Only the first row includes opening the device, unless it was tuned since.
                let start = start.take().filter(|_| !self.tune);
                let device_time = start.map_or_else(Default::default, |_| device_time);
                let begin = start.unwrap_or_else(Instant::now);
                let set_up = |device, overrides, tuning, begin| {
                    TimedSession::new(device, network, precision, overrides, tuning, begin, report)
                };
                let tuning = match &tuned {
                    Some(tuned) => Some(tuned.tuning.clone()),
                    None if self.tune => None,
                    None => self.tuning.load(&device),
                };
                let of_device = (&device, device_time);
                let mut session = set_up(of_device, &no_overrides, tuning, begin)?;
                // What it is compared with: the device, the settings and how they are called.
                let other = match (&self.vs, &other) {
                    (Some(overrides), Some((other, time))) => {
                        let tuning = self.tuning.load(other);
                        Some(((other, *time), overrides, tuning, overrides.text.as_str()))
                    }
                    _ => (tuned.as_ref())
                        .map(|_| ((&device, Duration::ZERO), &no_overrides, None, UNTUNED)),
                };
                // The spinner's thread would disturb the timing.
                bar.disable_steady_tick();
                let timing = |session, warm_up, seconds| ModelTiming {
                    network,
                    session,
                    warm_up,
                    seconds,
                };
                let mut row = match other {
                    Some((of_other, overrides, tuning, setting)) => {
                        let mut second = set_up(of_other, overrides, tuning, Instant::now())?;
                        let (warm_ups, seconds) =
                            self.time(network, [&mut session, &mut second], &bar)?;
                        let ratios = (seconds[0].iter().zip(&seconds[1])).map(|(a, b)| b / a);
                        let ratios = samples(ratios.collect());
                        let [first_seconds, second_seconds] = seconds.map(samples);
                        let versus = Versus {
                            setting,
                            device: of_other.0,
                            timing: timing(second, warm_ups[1], second_seconds),
                            ratios,
                        };
                        timing(session, warm_ups[0], first_seconds)
                            .as_json(&device, Some(&versus))?
                    }
                    None => {
                        let ([warm_up], [seconds]) = self.time(network, [&mut session], &bar)?;
                        timing(session, warm_up, samples(seconds)).as_json(&device, None)?
                    }
                };
                if let Some(tuned) = tuned {
                    row["tuning"] = tuned.summary;
                }
                rows.push(row);
            }
        }
        bar.finish_and_clear();
        Ok(rows)
    }

    /// Warms up, then times passes of all sessions, alternating between them. Returns the number of warm-up
    /// passes and the seconds of each session's passes.
    fn time<const N: usize>(
        &self,
        network: &Network,
        mut sessions: [&mut TimedSession; N],
        bar: &ProgressBar,
    ) -> Result<([usize; N], [Vec<f64>; N])> {
        let inputs = network.input_tensors();
        let name = printable::name(network.graph.name());
        bar.set_message(format!("{name}: warming up"));
        bar.tick();
        let mut warm_ups = [0; N];
        for (timed, count) in sessions.iter_mut().zip(&mut warm_ups) {
            *count = warm_up(|| timed.session.run(&inputs).map(drop))?;
        }
        let rounds = self.rounds.map_or(Rounds::Adaptive, Rounds::Fixed);
        let mut completed = 0;
        let pass = |index: usize| sessions[index].session.run(&inputs).map(drop);
        let seconds = time_passes(rounds, pass, || {
            completed += 1;
            let total = rounds.at_least().max(completed);
            bar.set_message(format!("{name}: pass {completed} of {total}"));
            bar.tick();
        })?;
        Ok((warm_ups, seconds))
    }

    /// The arguments of the same command for a child process, without the device and the output.
    fn args(&self) -> Vec<OsString> {
        fn list(values: impl Iterator<Item = String>) -> OsString {
            values.collect::<Vec<_>>().join(",").into()
        }
        let mut args: Vec<OsString> = ["bench", "model"].map(OsString::from).into();
        args.extend(self.networks.iter().map(OsString::from));
        let mut push = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some(size) = self.input {
            push("--input", size.to_string().into());
        }
        push("--batch", list(self.batch.iter().map(|n| n.to_string())));
        push(
            "--precision",
            list(self.precision.iter().map(|p| p.name().to_owned())),
        );
        if let Some(overrides) = &self.vs {
            push("--vs", overrides.text.clone().into());
        }
        if let Some(rounds) = self.rounds {
            push("--rounds", rounds.to_string().into());
        }
        if self.tune {
            args.push("--tune".into());
        }
        args.extend(self.tuning.args());
        args.extend(self.device.flags());
        args
    }

    /// Makes a pass for every line on standard input, until it ends.
    fn serve(&self, networks: &[Network], start: Instant) -> Result<(), Failure> {
        let ([network], [precision]) = (networks, &self.precision[..]) else {
            return Err(Failure::Usage(
                "--serve is for one network, batch and precision".to_owned(),
            ));
        };
        let no_overrides = Overrides::default();
        let (device, device_time) = open(&self.device, &no_overrides)?;
        let mut timed = TimedSession::new(
            (&device, device_time),
            network,
            *precision,
            &no_overrides,
            self.tuning.load(&device),
            start,
            |_| {},
        )?;
        let inputs = network.input_tensors();
        let mut out = output::stdout();
        writeln!(out, "ready")?;
        out.flush()?;
        for line in lines(io::stdin().lock()) {
            line?;
            let begin = Instant::now();
            timed.session.run(&inputs)?;
            writeln!(out, "{:.6}", begin.elapsed().as_secs_f64())?;
            out.flush()?;
        }
        Ok(())
    }
}
