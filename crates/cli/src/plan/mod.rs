//! `shadernet plan`.

mod dot;
mod json;
mod table;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shadernet::device::Device;
use shadernet::gpu::{ComputeUnitCount, Precision, adapters};
use shadernet::plan::{BrokenLimit, PlanReport};
use shadernet::session::SessionOptions;
use shadernet::{Error, Result, output_file, wgpu};

use super::bench::compute_units;
use super::output_files::check_outputs;
use super::resolve_model::{Network, NetworkArgs};
use super::{DeviceArgs, Failure, SessionArgs, output};

/// Plan a network without running it: kernels, fusions, memory, limits
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet plan resnet50
  shadernet plan unet --input 3x2048x2048 --limits default
  shadernet plan resnet50 --backend cpu --threads 4
  shadernet plan resnet18 --dot plan.dot && dot -Tsvg plan.dot -o plan.svg
  shadernet plan resnet50 --json | jq '.steps[] | [.name, .kernel, .why]'

There is one row per dispatch, or per step on the cpu backend. MFLOP are the operations of its kernel and MB the \
bytes that it reads and writes, each value counted once. Memory of the driver is \
not included. Without a GPU, the plan is that of the cpu backend; `no fast kernel` \
names the nodes that the reference backend computes there. --limits default needs no GPU: it plans for a device with WebGPU's \
default limits, without subgroups and tuned kernels.")]
pub struct Plan {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    session: SessionArgs,

    /// The limits to plan for [default: adapter, if a GPU runs the network]
    #[arg(long, value_name = "default|adapter")]
    limits: Option<Limits>,

    #[command(flatten)]
    device: DeviceArgs,

    /// Write the graph after fusion to FILE in Graphviz's DOT language
    #[arg(long, value_name = "FILE")]
    dot: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Limits {
    /// WebGPU's default limits; needs no GPU
    Default,
    /// The adapter's limits; needs a GPU
    Adapter,
}

/// The limits of a device that a network exceeds.
struct LimitCheck {
    device: String,
    /// `assumed` for WebGPU's default limits.
    backend: String,
    broken: Vec<BrokenLimit>,
}

/// A plan, and how it fits the limits of each device.
struct PlanResult {
    /// The network, with the file of its weights where it has one.
    title: String,
    /// Where the weights are from.
    weights: String,
    /// The device that was planned for.
    device: String,
    /// Whether it is the CPU, whose plan has steps of kernels in place of dispatches of shaders.
    is_cpu: bool,
    /// The compute units by which kernels are selected, where it is a GPU in hardware.
    compute_units: Option<ComputeUnitCount>,
    report: PlanReport,
    limit_checks: Vec<LimitCheck>,
}

impl Plan {
    pub fn execute(&self) -> Result<(), Failure> {
        let has_device = self.device.is_one_device();
        if self.limits == Some(Limits::Default) && has_device {
            return Err(Failure::Usage(
                "--limits default plans for no device; leave out --backend and --adapter"
                    .to_owned(),
            ));
        }
        let network = self.network.resolve()?;
        // Shapes are checked before a device is opened, which takes longer.
        network.graph.infer(&network.inputs)?;
        let inputs = [Some(self.network.path()), self.session.tuning.file()];
        let dot = ("--dot", self.dot.as_deref());
        check_outputs([dot], inputs.into_iter().flatten())?;
        let plan = self.plan(&network)?;
        if let Some(path) = &self.dot {
            output_file::write(path, dot::graph(&plan.report).as_bytes())?;
        }
        match self.json {
            true => output::json_line(&json::object(&plan))?,
            false => table::print(&plan, &mut output::stdout())?,
        }
        Ok(())
    }

    fn plan(&self, network: &Network) -> Result<PlanResult> {
        let (graph, inputs) = (&network.graph, &network.inputs);
        let options = SessionOptions::new()
            .precision(self.session.precision)
            .passes(self.session.passes.options());
        let assumed = PlanReport::assumed(wgpu::Limits::default(), graph, inputs, &options)?;
        let mut limit_checks = vec![LimitCheck {
            device: "WebGPU's default limits".to_owned(),
            backend: "assumed".to_owned(),
            broken: assumed.broken.clone(),
        }];
        for adapter in adapters(None) {
            let info = adapter.get_info();
            let report = PlanReport::from_adapter(&adapter, graph, inputs, &options)?;
            limit_checks.push(LimitCheck {
                device: info.name,
                backend: info.backend.to_str().to_owned(),
                broken: report.broken,
            });
        }
        let device = self.planned_device()?;
        let report = match &device {
            Some(device @ Device::Gpu(gpu)) => {
                PlanReport::from_gpu(gpu, graph, inputs, &self.session.options(device))?
            }
            Some(device @ Device::Cpu(cpu)) => {
                if self.session.precision == Precision::F16 {
                    output::note("the cpu backend computes in float32; float16 is not planned");
                }
                PlanReport::from_cpu(cpu, graph, inputs, &self.session.options(device))?
            }
            _ => assumed,
        };
        Ok(PlanResult {
            title: network.title(),
            weights: network.weights_source(),
            is_cpu: matches!(device, Some(Device::Cpu(_))),
            compute_units: match &device {
                Some(Device::Gpu(gpu)) => compute_units(gpu),
                _ => None,
            },
            device: match &device {
                Some(device) => device.to_string(),
                None => "WebGPU's default limits, assumed".to_owned(),
            },
            report,
            limit_checks,
        })
    }

    /// The GPU or CPU to plan for. `None` for WebGPU's default limits.
    fn planned_device(&self) -> Result<Option<Device>> {
        if self.limits != Some(Limits::Default) {
            let device = self.device.open_quietly()?;
            match device {
                Device::Gpu(_) => return Ok(Some(device)),
                Device::Cpu(_) if self.limits == Some(Limits::Adapter) => {
                    return Err(Error::NoAdapter(format!(
                        "--limits adapter plans for a GPU, and the network would run on {device}; leave it out to \
                         plan for that, or use --limits default"
                    )));
                }
                Device::Cpu(_) => {
                    output::warn(device.warning());
                    return Ok(Some(device));
                }
                Device::Reference => output::note(format_args!(
                    "a plan is of shaders or the cpu backend's kernels, and {device} has none; WebGPU's default \
                     limits are assumed"
                )),
            }
        }
        if self.session.tuning.file().is_some() {
            output::note(
                "tuned kernels are not used: they belong to a device, and the plan is for none",
            );
        }
        Ok(None)
    }
}
