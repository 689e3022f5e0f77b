//! `shadernet bench kernels`.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::output_file;
use shadernet::session::ConvAlgorithm;
use shadernet_bench::kernels::{
    BenchOptions, BenchProgress, Case, Variant, VariantOutcome, cases, cases_from_file,
    cpu_variants, variants,
};
use shadernet_bench::peak::Peak;

use super::child_processes::{AllAdaptersArgs, Target};
use super::results::Kernels;
use super::{device_info, kernel_table, measure_peak, report, require_gpu};
use crate::output_files::check_outputs;
use crate::value_parsers::count;
use crate::{DeviceArgs, Failure, output, progress};

/// Time every kernel on shapes from the networks, and compare with the device's peaks
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench kernels
  shadernet bench kernels --shapes mine.txt --kernel direct --kernel winograd-4
  shadernet bench kernels --all --json kernels.json --report kernels.html
  shadernet bench kernels --backend cpu --filter conv2d

A shapes file has one case per line: an operator, its input's shape, and settings.
  conv2d 1x64x56x56 out=64 kernel=3 padding=1 relu
  linear 1x2048 out=1000
  max_pool2d 1x64x112x112 kernel=3 stride=2 padding=1
conv2d also has stride, dilation, groups, prologue and residual. The other operators are \
conv_transpose2d, avg_pool2d, adaptive_avg_pool2d, upsample, resample, grid_sample, matmul, batch_norm2d, group_norm, layer_norm, \
local_response_norm, add, concat, softmax and relu.

Every output is first compared with the reference backend's. A kernel with wrong \
results is reported and not timed, and the exit code is 1. Each round times all \
kernels of all cases once. The time is that of the fastest round, because disturbances \
only make a kernel slower; spread is the distance to the third fastest. GFLOP/s counts \
the kernel's own multiplications and additions; for Winograd kernels these are fewer \
than the layer's. GB/s counts each value once per dispatch. The cpu backend has one kernel for \
each case, in float32.")]
pub struct KernelsArgs {
    /// File with shapes to use instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    shapes: Option<PathBuf>,

    /// Only cases whose line contains TEXT; can be repeated
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Only this convolution algorithm, such as subgroup or winograd-4; can be repeated
    #[arg(long, value_name = "KERNEL", value_parser = str::parse::<ConvAlgorithm>)]
    kernel: Vec<ConvAlgorithm>,

    /// How values and weights are stored on the device
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = str::parse::<Precision>)]
    precision: Precision,

    /// Number of rounds; in each, a kernel is timed for 20 ms or one pass
    #[arg(long, value_name = "N", default_value = "10", value_parser = count)]
    rounds: NonZeroUsize,

    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    all: AllAdaptersArgs,

    /// Print one JSON object per device, on standard output or into FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,

    /// Write an HTML page with a roofline plot and tables
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl KernelsArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        // Also with child processes, so that an error in the file is reported once.
        let cases = self.cases()?;
        let json = self.json.as_deref().filter(|path| path.as_os_str() != "-");
        let outputs = [("--json", json), ("--report", self.report.as_deref())];
        check_outputs(outputs, self.shapes.as_deref())?;
        let results = match self.all.all {
            true => {
                let targets = Target::adapters();
                (self.all.child).run_on_all(&targets, "kernels", &self.args(), |_, _| Ok(()))?
            }
            false => {
                self.all.child.misbehave_for_tests();
                vec![self.measure(cases)?]
            }
        };
        let mut prints_table = true;
        match &self.json {
            Some(path) if path.as_os_str() != "-" => {
                let lines: String = results.iter().map(|line| format!("{line}\n")).collect();
                output_file::write(path, lines.as_bytes())?;
            }
            Some(_) => {
                prints_table = false;
                for line in &results {
                    output::json_line(line)?;
                }
            }
            None => {}
        }
        if let Some(path) = &self.report {
            report::write(path, &results)?;
        }
        let mut all_correct = true;
        for (i, line) in results.iter().enumerate() {
            let line = Kernels::parse(line)?;
            if prints_table {
                let mut out = output::stdout();
                if i > 0 {
                    writeln!(out)?;
                }
                kernel_table::print(&line, &mut out)?;
            }
            for fault in kernel_table::faults(&line) {
                output::say(fault);
                all_correct = false;
            }
        }
        match all_correct {
            true => Ok(()),
            false => Err(Failure::Reported),
        }
    }

    /// The arguments of the same command for a child process, without the device and the output.
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

    /// Measures one device. Returns its JSON object.
    fn measure(&self, cases: Vec<Case>) -> Result<Value, Failure> {
        let device = self.device.open()?;
        if let Device::Cpu(_) = device {
            self.check_flags_for_cpu()?;
        }
        let bar = progress::bar(cases.len());
        bar.set_message("measuring the device's peak");
        bar.tick();
        let peak = measure_peak(&device)?;
        let show = |progress: BenchProgress| progress::show_bench(&bar, progress);
        let measured = match &device {
            Device::Cpu(cpu) => cpu_variants(cpu, &cases, self.rounds.get(), show)?
                .into_iter()
                .map(|variant| vec![variant])
                .collect(),
            _ => {
                let options = BenchOptions::default()
                    .precision(self.precision)
                    .rounds(self.rounds.get())
                    .only(self.kernel.iter().copied());
                variants(require_gpu(&device)?, &cases, &options, show)?
            }
        };
        bar.set_message("measuring the device's peak again");
        let peak = peak.max(measure_peak(&device)?);
        let rows: Vec<Value> = (cases.iter().zip(&measured))
            .flat_map(|(case, variants)| variants.iter().map(|v| as_json(case, v, &peak)))
            .collect();
        bar.finish_and_clear();
        let mut results = device_info(&device);
        results["kind"] = json!("kernels");
        results["precision"] = json!(self.precision.name());
        results["rounds"] = json!(self.rounds);
        results["peak_gflop_per_second"] = json!(peak.operations_per_second / 1e9);
        results["peak_gbyte_per_second"] = json!(peak.bytes_per_second / 1e9);
        results["cached_gbyte_per_second"] = json!(peak.cached_bytes_per_second / 1e9);
        results["kernels"] = json!(rows);
        Ok(results)
    }

    /// Refuses what the CPU backend has not.
    fn check_flags_for_cpu(&self) -> Result<(), Failure> {
        if self.precision == Precision::F16 {
            return Err(Failure::Usage(
                "the cpu backend computes in float32; leave out --precision f16".to_owned(),
            ));
        }
        match self.kernel.first() {
            Some(kernel) => Err(Failure::Usage(format!(
                "--kernel {kernel} is a shader's algorithm, and the cpu backend has none; leave it out"
            ))),
            None => Ok(()),
        }
    }

    fn cases(&self) -> Result<Vec<Case>, Failure> {
        let mut cases = match &self.shapes {
            Some(path) => cases_from_file(path)?,
            None => cases()?,
        };
        let total = cases.len();
        let matches = |case: &Case| self.filter.iter().any(|text| case.name.contains(text));
        cases.retain(|case| self.filter.is_empty() || matches(case));
        match cases.is_empty() {
            true => Err(Failure::Usage(format!(
                "--filter {}: none of the {total} cases contains that text",
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
        VariantOutcome::Timed(measurement) => {
            // Disturbances only make a kernel slower. Peaks are measured the same way.
            let seconds = measurement.seconds.min();
            let (operations, bytes) = (measurement.operations, measurement.bytes);
            let bound = peak.bound(operations, bytes, seconds);
            let timing = json!({
                "method": measurement.method.name(),
                "shaders": measurement.shaders,
                "min_ms": seconds * 1e3,
                "spread_percent": measurement.seconds.min_spread() * 100.0,
                "operations": operations,
                "bytes": bytes,
                "intensity": operations as f64 / bytes.max(1) as f64,
                "gflop_per_second": operations as f64 / seconds / 1e9,
                "gbyte_per_second": bytes as f64 / seconds / 1e9,
                "bound": bound.bottleneck.name(),
                "of_bound": bound.utilization,
                "error": measurement.error,
            });
            if let (Some(row), Value::Object(timing)) = (row.as_object_mut(), timing) {
                row.extend(timing);
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
