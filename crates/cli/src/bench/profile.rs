//! `shadernet bench profile`.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shadernet::device::Device;
use shadernet::output_file;
use shadernet::profile::{Profile, StepProfile};
use shadernet::session::Session;
use shadernet_bench::peak::{Bound, Peak};

use super::trace::trace;
use super::{device_info, measure_peak, not_measured};
use crate::output_files::check_outputs;
use crate::resolve_model::NetworkArgs;
use crate::value_parsers::count;
use crate::{DeviceArgs, Failure, SessionArgs, output, progress};

/// Time each step of a network
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench profile resnet50
  shadernet bench profile efficientnet_lite0 --top 10
  shadernet bench profile mobilenet_v2 --backend cpu --threads 2
  shadernet bench profile unet --trace unet.json    for ui.perfetto.dev or chrome://tracing

There is one row per dispatch, or per step on the cpu backend. Times come from the device's \
timestamps, or without them from the host's clock over many dispatches of each step; on the cpu \
backend, from the clock at the begin of each step of whole passes. The line below the table says \
which. They are means over the middle half of the passes, so that they add \
up. GFLOP/s counts the kernel's multiplications and additions, and GB/s each value \
once. Both are compared with the peaks that are measured first: `bound` is the nearer \
peak and how much of it is reached. A step far from all peaks waits for something \
else, such as its launch or memory latency.")]
pub struct ProfileArgs {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// Number of timed passes
    #[arg(long, value_name = "N", default_value = "10", value_parser = count)]
    rounds: NonZeroUsize,

    /// Print only the N slowest steps, the slowest first
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// Write a JSON trace for Perfetto and Chrome
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl ProfileArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let network = self.network.resolve()?;
        let inputs = [Some(self.network.path()), self.session.tuning.file()];
        let trace_file = ("--trace", self.trace.as_deref());
        check_outputs([trace_file], inputs.into_iter().flatten())?;
        let device = self.device.open()?;
        if let Device::Reference = device {
            return Err(not_measured(&device).into());
        }
        let bar = progress::spinner();
        bar.set_message("preparing the weights and kernels");
        let options = self.session.options(&device);
        let (graph, weights) = (&network.graph, network.weights()?);
        let mut session = Session::new(&device, graph, weights, &options, &network.inputs)?;
        bar.suspend(|| output::warn(session.warning()));
        bar.set_message("measuring the device's peak");
        let peak = measure_peak(&device)?;
        bar.set_message("timing the steps");
        // The spinner's thread would disturb the timing.
        bar.disable_steady_tick();
        let profile = session.profile(&network.input_tensors(), self.rounds.get())?;
        bar.finish_and_clear();
        let name = graph.name();
        if let Some(path) = &self.trace {
            let trace = trace(name, &device.to_string(), &profile);
            output_file::write(path, trace.to_string().as_bytes())?;
        }
        match self.json {
            true => {
                let mut line = device_info(&device);
                line["network"] = json!(name);
                line["weights"] = json!(network.weights_source());
                line["method"] = json!(profile.method.name());
                line["rounds"] = json!(self.rounds);
                line["pass_ms"] = json!(profile.pass_seconds * 1e3);
                line["steps_ms"] = json!(profile.step_seconds() * 1e3);
                line["peak_gflop_per_second"] = json!(peak.operations_per_second / 1e9);
                line["peak_gbyte_per_second"] = json!(peak.bytes_per_second / 1e9);
                let steps = profile.steps.iter();
                line["steps"] = steps.map(|step| as_json(step, &profile, &peak)).collect();
                output::json_line(&line)?;
            }
            false => {
                writeln!(output::stdout(), "{}\n", network.title())?;
                self.print(&profile, &peak, &device, &mut output::stdout())?;
            }
        }
        Ok(())
    }

    fn print(
        &self,
        profile: &Profile,
        peak: &Peak,
        device: &Device,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let header = [
            "step", "kernel", "variant", "output", "ms", "share", "GFLOP/s", "GB/s", "bound",
        ];
        let mut table = output::table(&header);
        let mut steps: Vec<&StepProfile> = profile.steps.iter().collect();
        if let Some(top) = self.top {
            steps.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
            steps.truncate(top);
        }
        for step in steps {
            table.add_row([
                step.node.clone(),
                step.kernel.to_owned(),
                step.variant.clone(),
                step.output.to_string(),
                format!("{:.3}", step.seconds * 1e3),
                format!("{:.1} %", share(step, profile) * 100.0),
                match step.operations {
                    0 => "–".to_owned(),
                    operations => format!("{:.1}", rate(operations, step)),
                },
                format!("{:.1}", rate(step.bytes, step)),
                peak.bound(step.operations, step.bytes, step.seconds)
                    .to_string(),
            ]);
        }
        table.right_align(4..8);
        let is_cpu = matches!(device, Device::Cpu(_));
        if is_cpu {
            // Only shaders have variants.
            table.hide(2);
        }
        writeln!(out, "{}\n", table)?;
        let whole_pass = match is_cpu {
            true => "a whole pass",
            false => "a whole pass with upload and readback",
        };
        let (steps, pass) = (profile.step_seconds() * 1e3, profile.pass_seconds * 1e3);
        writeln!(
            out,
            "{} steps, {steps:.2} ms by {} (the middle half of {} passes)\n\
             {whole_pass}: {pass:.2} ms by the host's clock; the steps take {:.0} % of it\n\
             peaks: {:.1} GFLOP/s, {:.1} GB/s\non {device}",
            profile.steps.len(),
            profile.method,
            self.rounds,
            100.0 * steps / pass,
            peak.operations_per_second / 1e9,
            peak.bytes_per_second / 1e9,
        )
    }
}

fn share(step: &StepProfile, profile: &Profile) -> f64 {
    step.seconds / profile.step_seconds().max(f64::MIN_POSITIVE)
}

/// `count` per second, in billions; 0 if no time was measured.
fn rate(count: u64, step: &StepProfile) -> f64 {
    match step.seconds > 0.0 {
        true => count as f64 / step.seconds / 1e9,
        false => 0.0,
    }
}

fn as_json(step: &StepProfile, profile: &Profile, peak: &Peak) -> serde_json::Value {
    let bound: Bound = peak.bound(step.operations, step.bytes, step.seconds);
    json!({
        "node": step.node,
        "kind": step.kind,
        "kernel": step.kernel,
        "variant": step.variant,
        "output": step.output.dims(),
        "ms": step.seconds * 1e3,
        "start_ms": step.start_seconds * 1e3,
        "share": share(step, profile),
        "operations": step.operations,
        "bytes": step.bytes,
        "gflop_per_second": rate(step.operations, step),
        "gbyte_per_second": rate(step.bytes, step),
        "bound": bound.bottleneck.name(),
        "of_bound": bound.utilization,
    })
}
