//! `shadernet bench kernels`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use shadernet::gpu::Precision;
use shadernet::session::ConvAlgorithm;
use shadernet_bench::kernels::{
    BenchOptions, Case, Variant, VariantOutcome, cases, cases_from_file, variants,
};
use shadernet_bench::peak::Peak;

use super::children::AllArgs;
use super::results::Kernels;
use super::{about, gpu_of, report, table};
use crate::output_files::{check, save};
use crate::{DeviceArgs, Failure, output, precision, progress};

/// Time every kernel on shapes from the networks, and hold each to the device's peaks
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench kernels
  shadernet bench kernels --shapes mine.txt --kernel subgroup --kernel winograd-4
  shadernet bench kernels --all --json kernels.json --report kernels.html

A shapes file has a line a case: an operator, its input, settings.
  conv2d 1x64x56x56 out=64 kernel=3 padding=1 relu     # stride, dilation, groups,
                                                       # prologue, residual
  linear 1x2048 out=1000
  max_pool2d 1x64x112x112 kernel=3 stride=2 padding=1
The other operators are conv_transpose2d, avg_pool2d, adaptive_avg_pool2d, upsample,
batch_norm2d, local_response_norm, add, concat, softmax and relu.

Every answer is first compared with the CPU twin's. One that is wrong is named, has
no time, and makes the exit code 1. Kernels have their turns in rounds over all
cases; the time is the fastest round's, since what disturbs a kernel only makes it
slower, and two others are within the spread of it. GFLOP/s counts what a kernel
multiplies and adds, which is less than the layer's in Winograd's; GB/s counts each
value once a dispatch.")]
pub struct KernelsArgs {
    /// Shapes of one's own in place of the documented set
    #[arg(long, value_name = "FILE")]
    shapes: Option<PathBuf>,

    /// Only cases whose line has TEXT in it; may be given several times
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Only this convolution kernel, such as subgroup or winograd-4; may be given several times
    #[arg(long, value_name = "KERNEL", value_parser = str::parse::<ConvAlgorithm>)]
    kernel: Vec<ConvAlgorithm>,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = precision)]
    precision: Precision,

    /// How often each kernel has a turn of 20 ms or a pass, if that is longer
    #[arg(long, value_name = "N", default_value = "10")]
    rounds: NonZeroUsize,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    all: AllArgs,

    /// A JSON object a device, on standard output or in FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,

    /// A page with a roofline plot and the table: HTML
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl KernelsArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        // Also where children do the work: what is wrong in the file is said once.
        let cases = self.cases()?;
        let json = self.json.iter().filter(|path| path.as_os_str() != "-");
        for path in json.chain(&self.report) {
            check(path)?;
        }
        let results = match self.all.all {
            true => self.all.child.each("kernels", &self.args())?,
            false => {
                self.all.child.begin();
                vec![self.measure(cases)?]
            }
        };
        let mut to_screen = true;
        match &self.json {
            Some(path) if path.as_os_str() != "-" => {
                let lines: String = results.iter().map(|line| format!("{line}\n")).collect();
                save(path, lines.as_bytes())?;
            }
            Some(_) => {
                to_screen = false;
                for line in &results {
                    output::json_line(line)?;
                }
            }
            None => {}
        }
        if let Some(path) = &self.report {
            report::write(path, &results)?;
        }
        let mut all_right = true;
        for (i, line) in results.iter().enumerate() {
            let line = Kernels::of(line)?;
            if to_screen {
                let mut out = io::stdout().lock();
                if i > 0 {
                    writeln!(out)?;
                }
                table::print(&line, &mut out)?;
            }
            for fault in table::faults(&line) {
                output::say(fault);
                all_right = false;
            }
        }
        match all_right {
            true => Ok(()),
            false => Err(Failure::Reported),
        }
    }

    /// The same command for one device, without that.
    fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = ["bench", "kernels"].map(OsString::from).into();
        let mut push = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some(path) = &self.shapes {
            push("--shapes", path.into());
        }
        for text in &self.filter {
            push("--filter", text.into());
        }
        for kernel in &self.kernel {
            push("--kernel", kernel.to_string().into());
        }
        push("--precision", self.precision.name().into());
        push("--rounds", self.rounds.to_string().into());
        args.extend(self.device.flags());
        args
    }

    /// A JSON object of the one device.
    fn measure(&self, cases: Vec<Case>) -> Result<Value, Failure> {
        let device = self.device.open()?;
        let gpu = gpu_of(&device)?;
        let bar = progress::bar(cases.len());
        bar.set_message("measuring the device's peak");
        bar.tick();
        let peak = Peak::measure(gpu)?;
        let options = BenchOptions::default()
            .precision(self.precision)
            .rounds(self.rounds.get())
            .only(self.kernel.iter().copied());
        let measured = variants(gpu, &cases, &options, |at| progress::tell(&bar, at))?;
        bar.set_message("measuring the device's peak once more");
        let peak = peak.max(Peak::measure(gpu)?);
        let rows: Vec<Value> = (cases.iter().zip(&measured))
            .flat_map(|(case, variants)| variants.iter().map(|v| as_json(case, v, &peak)))
            .collect();
        bar.finish_and_clear();
        let mut results = about(&device);
        results["kind"] = json!("kernels");
        results["precision"] = json!(self.precision.name());
        results["rounds"] = json!(self.rounds);
        results["peak_gflop_per_second"] = json!(peak.operations_per_second / 1e9);
        results["peak_gbyte_per_second"] = json!(peak.bytes_per_second / 1e9);
        results["cached_gbyte_per_second"] = json!(peak.cached_bytes_per_second / 1e9);
        results["kernels"] = json!(rows);
        Ok(results)
    }

    fn cases(&self) -> Result<Vec<Case>, Failure> {
        let mut cases = match &self.shapes {
            Some(path) => cases_from_file(path)?,
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

fn as_json(case: &Case, variant: &Variant, peak: &Peak) -> Value {
    let mut row = json!({
        "case": case.name,
        "kernel": variant.name,
        "rule": variant.is_selected,
    });
    let (key, reason) = match &variant.outcome {
        VariantOutcome::Timed(measured) => {
            // What disturbs a kernel only ever makes it slower; peaks are measured so, too.
            let seconds = measured.seconds.min();
            let bound = peak.bound(measured.operations, measured.bytes, seconds);
            let more = json!({
                "method": measured.method.name(),
                "shaders": measured.shaders,
                "min_ms": seconds * 1e3,
                "spread_percent": measured.seconds.min_spread() * 100.0,
                "operations": measured.operations,
                "bytes": measured.bytes,
                "intensity": measured.operations as f64 / measured.bytes.max(1) as f64,
                "gflop_per_second": measured.operations as f64 / seconds / 1e9,
                "gbyte_per_second": measured.bytes as f64 / seconds / 1e9,
                "bound": bound.bottleneck.name(),
                "of_bound": bound.utilization,
                "error": measured.error,
            });
            if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
                row.extend(more);
            }
            return row;
        }
        VariantOutcome::Wrong(reason) => ("wrong", reason),
        VariantOutcome::Failed(reason) => ("failed", reason),
        VariantOutcome::Impossible(reason) => ("impossible", reason),
    };
    row[key] = json!(reason);
    row
}
