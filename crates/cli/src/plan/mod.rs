//! `shadernet plan`.

mod dot;
mod json;
mod table;

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shadernet::device::Device;
use shadernet::gpu::{Gpu, adapters};
use shadernet::plan::{BrokenLimit, PlanReport};
use shadernet::session::SessionOptions;
use shadernet::{Result, wgpu};

use super::output_files::save;
use super::resolve_model::{Network, NetworkArgs};
use super::{DeviceArgs, Failure, SessionArgs, output};

/// Show how a network would run, without running it: kernels and why, fusions, memory, limits
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet plan resnet50
  shadernet plan unet --input 3x2048x2048 --limits default    needs no GPU
  shadernet plan resnet18 --dot plan.dot && dot -Tsvg plan.dot -o plan.svg
  shadernet plan resnet50 --json | jq '.steps[] | [.name, .kernel, .why]'

A row is a dispatch. Operations and bytes are what its kernel does and touches,
each value counted once; memory is without what drivers add. --limits default
plans for a device with WebGPU's default limits and nothing more: no subgroups,
no tuned kernels.")]
pub struct Plan {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// Whose limits to plan for [default: adapter, where there is one]
    #[arg(long, value_name = "default|adapter")]
    limits: Option<Limits>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Write the graph after fusion to FILE, for Graphviz
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Limits {
    /// WebGPU's defaults, which need no GPU
    Default,
    /// The adapter's that would run it
    Adapter,
}

/// A device, and the limits of it that a network would break.
struct Verdict {
    device: String,
    /// `assumed` where there is no device.
    backend: String,
    broken: Vec<BrokenLimit>,
}

/// All that is told.
struct Found {
    /// What it was planned for, for people.
    device: String,
    report: PlanReport,
    verdicts: Vec<Verdict>,
}

impl Plan {
    pub fn execute(&self) -> Result<(), Failure> {
        let network = self.network.find()?;
        // Shapes before the device: cheaper to find out.
        network.graph.infer(&network.inputs)?;
        let found = self.plan(&network)?;
        if let Some(path) = &self.dot {
            save(path, dot::graph(&found.report).as_bytes())?;
        }
        match self.json {
            true => output::json_line(&json::object(&found))?,
            false => table::print(&found, &mut io::stdout().lock())?,
        }
        Ok(())
    }

    fn plan(&self, network: &Network) -> Result<Found> {
        let (graph, inputs) = (&network.graph, &network.inputs);
        let options = SessionOptions::new()
            .precision(self.session.precision)
            .passes(self.session.passes.options());
        let assumed = PlanReport::assumed(wgpu::Limits::default(), graph, inputs, &options)?;
        let mut verdicts = vec![Verdict {
            device: "WebGPU's default limits".to_owned(),
            backend: "assumed".to_owned(),
            broken: assumed.broken.clone(),
        }];
        for adapter in adapters(None) {
            let info = adapter.get_info();
            let report = PlanReport::from_adapter(&adapter, graph, inputs, &options)?;
            verdicts.push(Verdict {
                device: info.name,
                backend: info.backend.to_str().to_owned(),
                broken: report.broken,
            });
        }
        let (device, report) = match self.gpu()? {
            Some(gpu) => {
                let device = Device::from(gpu.clone());
                let options = self.session.options(&device);
                let report = PlanReport::from_gpu(&gpu, graph, inputs, &options)?;
                (device.to_string(), report)
            }
            None => ("WebGPU's default limits, assumed".to_owned(), assumed),
        };
        Ok(Found {
            device,
            report,
            verdicts,
        })
    }

    /// The device to plan for, if it is not an assumed one.
    fn gpu(&self) -> Result<Option<Gpu>> {
        if self.limits != Some(Limits::Default) {
            if let Device::Gpu(gpu) = Device::open(&self.device.options())? {
                return Ok(Some(gpu));
            }
            output::say("there is no GPU adapter to plan for; WebGPU's default limits are assumed");
        }
        if self.session.tuning.names_a_file() {
            output::say(
                "tuned kernels are not used: they are of a device, and none is planned for",
            );
        }
        Ok(None)
    }
}
