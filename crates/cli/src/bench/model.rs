//! `shadernet bench model`.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::Value;
use shadernet::gpu::Precision;
use shadernet::{Error, Result};

use super::children::AllArgs;
use super::model_results::{Measured, Versus, print};
use super::report;
use super::setup::{Change, Prepared, open};
use super::timing::{Rounds, samples, take, warm_up};
use crate::output_files::check;
use crate::resolve_model::Network;
use crate::summary::image_size;
use crate::{DeviceArgs, Failure, TuningArgs, output, progress};

/// Time networks: the first answer, and passes after it
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench model resnet50
  shadernet bench model resnet18 mobilenet_v2 --batch 1,8 --precision f32,f16
  shadernet bench model models/efficientnet_lite0 --vs backend=gl
  shadernet bench model resnet50 --vs precision=f16,kernel=direct
  shadernet bench model unet --input 3x256x256 --json | jq .median_ms

An architecture gets generated weights, a model folder has its own. Every timed
pass uploads the input, computes, and reads the answer back; passes before them are
made until they get no faster. The first answer of the first row is counted from the
start of the process, of the others from the start of theirs: device, weights, shaders
and a pass. `spread` is what nine of ten passes lie within, as a share of the median.

--vs changes backend, adapter, precision, kernel or without-pass; passes of both are
made in turns, and the ratio is the median of the pairs' ratios: below 1, the changed
setting is faster.

With --serve, `ready` is printed after the first answer, and then for every line
on standard input one pass is done and its seconds printed: for scripts that let
several engines take turns.")]
pub struct Model {
    /// Architectures, as `shadernet models` lists them, or model folders
    #[arg(value_name = "NAME|DIR", required = true)]
    networks: Vec<String>,

    /// The image: channels, height and width [default: what the network was made for]
    #[arg(long, value_name = "CxHxW", value_parser = image_size)]
    input: Option<[usize; 3]>,

    /// How many images a pass; several with commas between
    #[arg(long, default_value = "1", value_name = "N", value_delimiter = ',')]
    batch: Vec<NonZeroUsize>,

    /// How values and weights are stored on the device; both with a comma between
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = str::parse::<Precision>,
        value_delimiter = ',')]
    precision: Vec<Precision>,

    /// A setting to compare with, KEY=VALUE: backend, adapter, precision, kernel or without-pass
    #[arg(long, value_name = "SETTING", value_parser = str::parse::<Change>)]
    vs: Option<Change>,

    /// Timed passes [default: as many as 3 seconds hold, or up to 15 where their spread is more than
    /// 20 %, and 10 at least]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,

    #[command(flatten)]
    tuning: TuningArgs,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    all: AllArgs,

    /// A JSON object a row
    #[arg(long)]
    json: bool,

    /// A page with bars and the table: HTML
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// A timed pass for every line on standard input
    #[arg(long, conflicts_with_all = ["json", "report", "rounds", "vs", "all"])]
    serve: bool,
}

impl Model {
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        // Names and shapes first: what is wrong with them is found without a device.
        let mut networks = Vec::new();
        for name in &self.networks {
            for batch in &self.batch {
                let network = Network::find(name, self.input, batch.get())?;
                network.graph.infer(&network.inputs)?;
                networks.push(network);
            }
        }
        if let Some(path) = &self.report {
            check(path)?;
        }
        if self.serve {
            return self.serve(&networks, start);
        }
        let results = match self.all.all {
            true => self.all.child.each("model", &self.args())?,
            false => {
                self.all.child.begin();
                self.measure(&networks, start)?
            }
        };
        if let Some(path) = &self.report {
            report::write(path, &results)?;
        }
        match self.json {
            true => results.iter().try_for_each(output::json_line)?,
            false => print(&results, &mut io::stdout().lock())?,
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

    /// A row for each network, batch and precision.
    fn measure(&self, networks: &[Network], start: Instant) -> Result<Vec<Value>> {
        let bar = progress::spinner();
        bar.set_message("opening the device");
        let as_asked = Change::default();
        let (device, opened) = open(&self.device, &as_asked)?;
        let other = self.vs.as_ref().map(|change| open(&self.device, change));
        let other = other.transpose()?;
        let mut rows = Vec::new();
        let mut start = Some(start);
        for network in networks {
            for &precision in &self.precision {
                let name = network.graph.name();
                let tell = |part: &'static str| bar.set_message(format!("{name}: {part}"));
                // A row that is not the first has its device already.
                let opened = start.map_or_else(Default::default, |_| opened);
                let begin = start.take().unwrap_or_else(Instant::now);
                let prepare = |device, change, begin| {
                    Prepared::new(
                        device,
                        network,
                        precision,
                        change,
                        &self.tuning,
                        begin,
                        tell,
                    )
                };
                let mut prepared = prepare((&device, opened), &as_asked, begin)?;
                // From here on no thread wakes up beside the passes.
                bar.disable_steady_tick();
                let measured = |prepared, warm_up, seconds| Measured {
                    network,
                    prepared,
                    warm_up,
                    seconds,
                };
                let row = match (&self.vs, &other) {
                    (Some(change), Some((other, opened))) => {
                        let mut second = prepare((other, *opened), change, Instant::now())?;
                        let (warm_ups, seconds) =
                            self.take(network, [&mut prepared, &mut second], &bar)?;
                        let ratios = (seconds[0].iter().zip(&seconds[1])).map(|(a, b)| b / a);
                        let ratios = samples(ratios.collect());
                        let [first_seconds, second_seconds] = seconds.map(samples);
                        let versus = Versus {
                            change: &change.text,
                            device: other,
                            measured: measured(second, warm_ups[1], second_seconds),
                            ratios,
                        };
                        measured(prepared, warm_ups[0], first_seconds)
                            .as_json(&device, Some(&versus))?
                    }
                    _ => {
                        let ([warm_up], [seconds]) = self.take(network, [&mut prepared], &bar)?;
                        measured(prepared, warm_up, samples(seconds)).as_json(&device, None)?
                    }
                };
                rows.push(row);
            }
        }
        bar.finish_and_clear();
        Ok(rows)
    }

    /// Warms up, then times passes of all in turns.
    fn take<const N: usize>(
        &self,
        network: &Network,
        mut all: [&mut Prepared; N],
        bar: &ProgressBar,
    ) -> Result<([usize; N], [Vec<f64>; N])> {
        let inputs = network.input_tensors();
        let name = network.graph.name();
        bar.set_message(format!("{name}: warming up"));
        bar.tick();
        let mut warm_ups = [0; N];
        for (prepared, count) in all.iter_mut().zip(&mut warm_ups) {
            *count = warm_up(|| prepared.session.run(&inputs).map(drop))?;
        }
        let rounds = self.rounds.map_or(Rounds::Enough, Rounds::Fixed);
        let mut done = 0;
        let pass = |which: usize| all[which].session.run(&inputs).map(drop);
        let seconds = take(rounds, pass, || {
            done += 1;
            let most = rounds.at_least().max(done);
            bar.set_message(format!("{name}: pass {done} of {most}"));
            bar.tick();
        })?;
        Ok((warm_ups, seconds))
    }

    /// The same command for one device, without that.
    fn args(&self) -> Vec<OsString> {
        fn list(values: impl Iterator<Item = String>) -> OsString {
            values.collect::<Vec<_>>().join(",").into()
        }
        let mut args: Vec<OsString> = ["bench", "model"].map(OsString::from).into();
        args.extend(self.networks.iter().map(OsString::from));
        let mut push = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some([channels, height, width]) = self.input {
            push("--input", format!("{channels}x{height}x{width}").into());
        }
        push("--batch", list(self.batch.iter().map(|n| n.to_string())));
        push(
            "--precision",
            list(self.precision.iter().map(|p| p.name().to_owned())),
        );
        if let Some(change) = &self.vs {
            push("--vs", change.text.clone().into());
        }
        if let Some(rounds) = self.rounds {
            push("--rounds", rounds.to_string().into());
        }
        args.extend(self.tuning.args());
        args.extend(self.device.flags());
        args
    }

    /// A pass for every line on standard input, until it ends.
    fn serve(&self, networks: &[Network], start: Instant) -> Result<(), Failure> {
        let ([network], [precision]) = (networks, &self.precision[..]) else {
            return Err(Failure::Usage(
                "--serve is for one network, batch and precision".to_owned(),
            ));
        };
        let as_asked = Change::default();
        let (device, opened) = open(&self.device, &as_asked)?;
        let device = (&device, opened);
        let mut prepared = Prepared::new(
            device,
            network,
            *precision,
            &as_asked,
            &self.tuning,
            start,
            |_| {},
        )?;
        let inputs = network.input_tensors();
        let mut out = io::stdout().lock();
        writeln!(out, "ready")?;
        out.flush()?;
        for line in io::stdin().lock().split(b'\n') {
            line.map_err(|source| Error::Io {
                path: "standard input".into(),
                source,
            })?;
            let begin = Instant::now();
            prepared.session.run(&inputs)?;
            writeln!(out, "{:.6}", begin.elapsed().as_secs_f64())?;
            out.flush()?;
        }
        Ok(())
    }
}
