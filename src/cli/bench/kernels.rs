//! `shadernet bench kernels`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shadernet::bench::{BenchOptions, Case, Measured, Outcome, Variant, cases, cases_of, variants};
use shadernet::gpu::Precision;
use shadernet::peak::Peak;
use shadernet::session::ConvKernel;

use super::{about, gpu_of, report};
use crate::cli::written::{check, save};
use crate::cli::{DeviceArgs, Failure, output, precision};

/// Time every kernel on shapes from the networks, and hold each to the device's peaks
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench kernels
  shadernet bench kernels --shapes mine.txt --kernel subgroup --kernel winograd-4
  shadernet bench kernels --json kernels.json --report kernels.html

A shapes file has a line a case: an operator, its input, settings.
  conv2d 1x64x56x56 out=64 kernel=3 padding=1 relu     # stride, dilation, groups,
                                                       # prologue, residual
  linear 1x2048 out=1000
  max_pool2d 1x64x112x112 kernel=3 stride=2 padding=1
The other operators are conv_transpose2d, avg_pool2d, adaptive_avg_pool2d, upsample,
batch_norm2d, local_response_norm, add, concat, softmax and relu.

Every answer is first compared with the CPU twin's. One that is wrong is named, has
no time, and makes the exit code 1. GFLOP/s counts what a kernel multiplies and adds,
which is less than the layer's in Winograd's; GB/s counts each value once a dispatch.")]
pub struct KernelsArgs {
    /// Shapes of one's own in place of the documented set
    #[arg(long, value_name = "FILE")]
    shapes: Option<PathBuf>,

    /// Only cases whose line has TEXT in it; may be given several times
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Only this convolution kernel, such as subgroup or winograd-4; may be given several times
    #[arg(long, value_name = "KERNEL", value_parser = str::parse::<ConvKernel>)]
    kernel: Vec<ConvKernel>,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// How often each kernel is timed
    #[arg(long, value_name = "N", default_value = "10")]
    rounds: NonZeroUsize,

    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object, on standard output or in FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,

    /// A page with a roofline plot and the table: HTML
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

/// A case and what came of it.
struct Row {
    case: Case,
    variants: Vec<Variant>,
}

impl KernelsArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let cases = self.cases()?;
        let json = self.json.iter().filter(|path| path.as_os_str() != "-");
        for path in json.chain(&self.report) {
            check(path)?;
        }
        let device = self.device.open()?;
        let gpu = gpu_of(&device)?;
        let bar = ProgressBar::new(cases.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        bar.set_message("measuring the device's peak");
        bar.tick();
        let peak = Peak::measure(gpu)?;
        let options = BenchOptions {
            precision: self.precision,
            rounds: self.rounds.get(),
            only: self.kernel.clone(),
        };
        let mut rows = Vec::with_capacity(cases.len());
        for case in cases {
            let tell = |name: &str| bar.set_message(format!("{} ({name})", case.name));
            let variants = variants(gpu, &case, &options, tell)?;
            rows.push(Row { case, variants });
            bar.inc(1);
        }
        bar.finish_and_clear();
        let mut results = about(&device);
        results["kind"] = json!("kernels");
        results["precision"] = json!(match self.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
        });
        results["rounds"] = json!(self.rounds);
        results["peak_gflop_per_second"] = json!(peak.operations_per_second / 1e9);
        results["peak_gbyte_per_second"] = json!(peak.bytes_per_second / 1e9);
        results["cached_gbyte_per_second"] = json!(peak.cached_bytes_per_second / 1e9);
        let all = || (rows.iter()).flat_map(|row| row.variants.iter().map(|v| (&row.case, v)));
        results["kernels"] = all().map(|(case, v)| as_json(case, v, &peak)).collect();
        let to_file = match &self.json {
            Some(path) if path.as_os_str() != "-" => {
                save(path, format!("{results}\n").as_bytes())?;
                true
            }
            Some(_) => {
                output::json_line(&results)?;
                false
            }
            None => true,
        };
        if to_file {
            print(&rows, &peak, &device, &mut io::stdout().lock())?;
        }
        if let Some(path) = &self.report {
            report::write(path, std::slice::from_ref(&results))?;
        }
        let mut wrong = false;
        for (case, variant) in all() {
            if let Outcome::Wrong(reason) | Outcome::Failed(reason) = &variant.outcome {
                output::say(format_args!("{} of {}: {reason}", variant.name, case.name));
                wrong = true;
            }
        }
        match wrong {
            true => Err(Failure::Reported),
            false => Ok(()),
        }
    }

    fn cases(&self) -> Result<Vec<Case>, Failure> {
        let mut cases = match &self.shapes {
            Some(path) => cases_of(path)?,
            None => cases()?,
        };
        let all = cases.len();
        let wanted = |case: &Case| self.filter.iter().any(|text| case.name.contains(text));
        cases.retain(|case| self.filter.is_empty() || wanted(case));
        match cases.is_empty() {
            true => Err(Failure::Usage(format!(
                "--filter {}: none of the {all} cases has that in its line",
                self.filter.join(", ")
            ))),
            false => Ok(cases),
        }
    }
}

/// Operations a byte.
fn intensity(measured: &Measured) -> f64 {
    measured.operations as f64 / measured.bytes.max(1) as f64
}

fn as_json(case: &Case, variant: &Variant, peak: &Peak) -> Value {
    let mut row = json!({
        "case": case.name,
        "kernel": variant.name,
        "rule": variant.is_rule,
    });
    let (key, reason) = match &variant.outcome {
        Outcome::Timed(measured) => {
            let seconds = measured.seconds.median();
            let bound = peak.bound(measured.operations, measured.bytes, seconds);
            let more = json!({
                "method": measured.method.name(),
                "shaders": measured.shaders,
                "median_ms": seconds * 1e3,
                "min_ms": measured.seconds.min() * 1e3,
                "spread_percent": measured.seconds.spread() * 100.0,
                "operations": measured.operations,
                "bytes": measured.bytes,
                "intensity": intensity(measured),
                "gflop_per_second": measured.operations as f64 / seconds / 1e9,
                "gbyte_per_second": measured.bytes as f64 / seconds / 1e9,
                "bound": bound.limit.name(),
                "of_bound": bound.reached,
                "error": measured.error,
            });
            if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
                row.extend(more);
            }
            return row;
        }
        Outcome::Wrong(reason) => ("wrong", reason),
        Outcome::Failed(reason) => ("failed", reason),
        Outcome::Impossible(reason) => ("impossible", reason),
    };
    row[key] = json!(reason);
    row
}

fn print(
    rows: &[Row],
    peak: &Peak,
    device: &impl std::fmt::Display,
    out: &mut impl Write,
) -> io::Result<()> {
    let header = [
        "case", "kernel", "ms", "spread", "GFLOP/s", "GB/s", "FLOP/B", "bound",
    ];
    let mut table = output::table(&header);
    let mut methods = Vec::new();
    for row in rows {
        let mut name = row.case.name.clone();
        for variant in &row.variants {
            let mark = if variant.is_rule { " *" } else { "" };
            let mut cells = vec![std::mem::take(&mut name), format!("{}{mark}", variant.name)];
            match &variant.outcome {
                Outcome::Timed(measured) => {
                    if !methods.contains(&measured.method.name()) {
                        methods.push(measured.method.name());
                    }
                    let seconds = measured.seconds.median();
                    let rate = |count: u64| count as f64 / seconds.max(f64::MIN_POSITIVE) / 1e9;
                    cells.extend([
                        format!("{:.3}", seconds * 1e3),
                        format!("{:.1} %", measured.seconds.spread() * 100.0),
                        format!("{:.1}", rate(measured.operations)),
                        format!("{:.1}", rate(measured.bytes)),
                        format!("{:.1}", intensity(measured)),
                        peak.bound(measured.operations, measured.bytes, seconds)
                            .to_string(),
                    ]);
                }
                Outcome::Wrong(_) => cells.extend(untimed("wrong answer")),
                Outcome::Failed(_) => cells.extend(untimed("refused")),
                Outcome::Impossible(_) => cells.extend(untimed("beyond a limit")),
            }
            table.add_row(cells);
        }
    }
    for i in 2..7 {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    writeln!(
        out,
        "{}\n\n* the rule's choice; medians, by {}\npeaks: {:.1} GFLOP/s, {:.1} GB/s ({:.1} GB/s in a cache)\non {device}",
        table.trim_fmt(),
        methods.join(" and "),
        peak.operations_per_second / 1e9,
        peak.bytes_per_second / 1e9,
        peak.cached_bytes_per_second / 1e9,
    )
}

fn untimed(why: &str) -> Vec<String> {
    let mut cells = vec!["–".to_owned(); 5];
    cells.push(why.to_owned());
    cells
}
