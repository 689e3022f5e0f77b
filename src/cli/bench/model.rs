//! `shadernet bench model`.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::{Error, Result};

use super::cost::Cost;
use super::timing::{Rounds, Timings};
use super::{about, report};
use crate::cli::network::{Network, NetworkArgs};
use crate::cli::written::check;
use crate::cli::{DeviceArgs, Failure, TuningArgs, output, precision, progress};

/// Time a network: the first answer, and passes after it
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench model resnet50
  shadernet bench model models/efficientnet_lite0 --batch 8 --precision f16
  shadernet bench model unet --input 3x256x256 --json | jq .median_ms

An architecture gets generated weights, a model folder has its own. Every timed
pass uploads the input, computes, and reads the answer back. The first answer is
counted from the start of the process: device, weights, shaders and a pass.

With --serve, `ready` is printed after the first answer, and then for every line
on standard input one pass is done and its seconds printed: for scripts that let
several engines take turns.")]
pub struct Model {
    #[command(flatten)]
    network: NetworkArgs,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// Timed passes [default: as many as 3 seconds hold, and 10 at least]
    #[arg(long, value_name = "N")]
    rounds: Option<NonZeroUsize>,

    #[command(flatten)]
    tuning: TuningArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object
    #[arg(long)]
    json: bool,

    /// A page with bars and the table: HTML
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// A timed pass for every line on standard input
    #[arg(long, conflicts_with_all = ["json", "report", "rounds"])]
    serve: bool,
}

/// The parts of the way to the first answer.
struct First {
    device: Duration,
    weights: Duration,
    prepare: Duration,
    run: Duration,
    /// All of it, from the start of the process.
    whole: Duration,
}

impl Model {
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        let network = self.network.find()?;
        // Shapes before weights: cheaper to find out, and clearer.
        let cost = Cost::of(&network.graph, &network.inputs, self.precision)?;
        if let Some(path) = &self.report {
            check(path)?;
        }
        let bar = progress::spinner();
        let part = |message: &'static str| {
            bar.set_message(message);
            bar.tick();
            Instant::now()
        };
        let begin = part("opening the device");
        let device = self.device.open()?;
        let opened = begin.elapsed();
        let begin = part("reading the weights");
        let weights = network.weights()?;
        let read = begin.elapsed();
        let begin = part("uploading the weights, making pipelines");
        let options = SessionOptions {
            precision: self.precision,
            tuning: self.tuning.load(&device),
            ..Default::default()
        };
        let is_tuned = options.tuning.is_some();
        let graph = &network.graph;
        let mut session = Session::new(&device, graph, weights, &options, &network.inputs)?;
        let prepared = begin.elapsed();
        let inputs = network.input_tensors();
        let begin = part("the first pass");
        session.run(&inputs)?;
        let first = First {
            device: opened,
            weights: read,
            prepare: prepared,
            run: begin.elapsed(),
            whole: start.elapsed(),
        };
        if let Some(notice) = session.notice() {
            bar.suspend(|| output::say(notice));
        }
        // From here on no thread wakes up beside the passes.
        bar.disable_steady_tick();
        let mut pass = || session.run(&inputs).map(drop);
        if self.serve {
            bar.finish_and_clear();
            return serve(pass);
        }
        part("warming up");
        let rounds = self.rounds.map_or(Rounds::Enough, Rounds::Fixed);
        let mut done = 0;
        let timings = Timings::take(rounds, &mut pass, || {
            done += 1;
            bar.set_message(format!("pass {done} of {}", rounds.at_least().max(done)));
        });
        bar.finish_and_clear();
        let result = Measured {
            network: &network,
            precision: self.precision,
            device: &device,
            is_tuned,
            first,
            timings: timings?,
            cost,
        };
        match self.json {
            true => output::json_line(&result.as_json())?,
            false => result.print(&mut io::stdout().lock())?,
        }
        if let Some(path) = &self.report {
            report::write(path, &[result.as_json()])?;
        }
        Ok(())
    }
}

/// A pass for every line on standard input, until it ends.
fn serve(mut pass: impl FnMut() -> Result<()>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().split(b'\n') {
        line.map_err(|source| Error::Io {
            path: "standard input".into(),
            source,
        })?;
        let begin = Instant::now();
        pass()?;
        writeln!(out, "{:.6}", begin.elapsed().as_secs_f64())?;
        out.flush()?;
    }
    Ok(())
}

struct Measured<'a> {
    network: &'a Network,
    precision: Precision,
    device: &'a Device,
    is_tuned: bool,
    first: First,
    timings: Timings,
    cost: Cost,
}

impl Measured<'_> {
    fn batch(&self) -> usize {
        self.network.inputs[0].dims()[0]
    }

    fn images_per_second(&self) -> f64 {
        self.batch() as f64 / self.timings.samples.median()
    }

    fn gflop(&self) -> f64 {
        self.cost.operations as f64 / 1e9
    }

    fn precision(&self) -> &'static str {
        match self.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        }
    }

    fn as_json(&self) -> serde_json::Value {
        let (first, timings) = (&self.first, &self.timings);
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let inputs: Vec<&[usize]> = self.network.inputs.iter().map(Shape::dims).collect();
        let mut line = about(self.device);
        let more = json!({
            "kind": "model",
            "network": self.network.graph.name(),
            "model": self.network.folder.as_ref().map(|folder| folder.path.display().to_string()),
            "precision": self.precision(),
            "tuned": self.is_tuned,
            "batch": self.batch(),
            "input": &self.network.inputs[0].dims()[1..],
            "inputs": inputs,
            "rounds": timings.samples.count(),
            "warm_up_rounds": timings.warm_up,
            "median_ms": timings.samples.median() * 1e3,
            "min_ms": timings.samples.min() * 1e3,
            "max_ms": timings.samples.max() * 1e3,
            "spread_percent": timings.samples.spread() * 100.0,
            "images_per_second": self.images_per_second(),
            "first_ms": ms(first.whole),
            "device_ms": ms(first.device),
            "weights_ms": ms(first.weights),
            "prepare_ms": ms(first.prepare),
            "first_run_ms": ms(first.run),
            "gflop": self.gflop(),
            "gflop_per_second": self.gflop() / timings.samples.median(),
            "bytes": self.cost.bytes,
        });
        if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
            line.extend(more.clone());
        }
        line
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let (first, timings) = (&self.first, &self.timings);
        let shapes: Vec<String> = self.network.inputs.iter().map(Shape::to_string).collect();
        writeln!(
            out,
            "{} ({}), {}, {}\non {}{}\n",
            self.network.graph.name(),
            self.network.source(),
            shapes.join(" "),
            self.precision(),
            self.device,
            if self.is_tuned { ", tuned" } else { "" }
        )?;
        let mut table = output::table(&["", "ms", ""]);
        let mut row = |name: &str, seconds: f64, note: String| {
            table.add_row([name.to_owned(), format!("{:.2}", seconds * 1e3), note]);
        };
        let median = timings.samples.median();
        row(
            "median",
            median,
            format!(
                "{:.1} images/s, {:.1} GFLOP/s",
                self.images_per_second(),
                self.gflop() / median
            ),
        );
        row("minimum", timings.samples.min(), String::new());
        row(
            "maximum",
            timings.samples.max(),
            format!(
                "{} passes, half of them within {:.1} % of the median",
                timings.samples.count(),
                timings.samples.spread() * 100.0
            ),
        );
        let seconds = |duration: Duration| duration.as_secs_f64();
        row("first answer", seconds(first.whole), "of which".to_owned());
        row("  device", seconds(first.device), String::new());
        row("  weights", seconds(first.weights), String::new());
        row("  preparing", seconds(first.prepare), String::new());
        row("  first pass", seconds(first.run), String::new());
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        writeln!(out, "{}", table.trim_fmt())
    }
}
