//! `shadernet bench`: benchmarks of networks, kernels and devices.

mod child_processes;
mod compare;
mod cost;
mod frames;
mod kernel_table;
mod kernels;
mod model;
mod model_results;
mod peak;
mod profile;
mod report;
mod results;
mod setup;
mod timing;
mod trace;
mod tuned;

use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shadernet::Error;
use shadernet::cpu::CpuDevice;
use shadernet::device::Device;
use shadernet::gpu::{ComputeUnitCount, Gpu, is_software};
use shadernet_bench::peak::Peak;

use super::Failure;
pub use child_processes::{ChildProcessArgs, Ended, Target};
pub use kernel_table::faults as kernel_faults;
pub use results::Kernels;

/// Benchmark networks, kernels and devices
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench model resnet50     times a network
  shadernet bench profile resnet50   times each step of a network
  shadernet bench frames resnet50    measures how long a user interface waits
  shadernet bench kernels            times kernels on shapes from the networks
  shadernet bench compare A B        compares two results files
  shadernet bench peak               measures the device's peak throughput")]
pub struct Bench {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    Model(model::Model),
    Profile(profile::ProfileArgs),
    Frames(frames::FramesArgs),
    Kernels(kernels::KernelsArgs),
    Compare(compare::CompareArgs),
    Peak(peak::PeakArgs),
}

impl Bench {
    /// `start` is when the process began. Times to the first result are measured from there.
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        match &self.command {
            BenchCommand::Model(model) => model.execute(start),
            BenchCommand::Profile(profile) => profile.execute(),
            BenchCommand::Frames(frames) => frames.execute(),
            BenchCommand::Kernels(kernels) => kernels.execute(),
            BenchCommand::Compare(compare) => compare.execute(),
            BenchCommand::Peak(peak) => peak.execute(),
        }
    }
}

/// The GPU of `device`.
///
/// # Errors
/// On the CPU, which has no shaders to measure.
pub fn require_gpu(device: &Device) -> Result<&Gpu, Error> {
    match device {
        Device::Gpu(gpu) => Ok(gpu),
        Device::Cpu(_) | Device::Reference => Err(Error::NoAdapter(format!(
            "this command measures shaders, and {device} has none; `shadernet devices` lists the adapters"
        ))),
    }
}

/// The peak throughput of `device`.
///
/// # Errors
/// On the reference backend, whose plain loops reach no peak, and where the device fails.
pub fn measure_peak(device: &Device) -> Result<Peak, Error> {
    match device {
        Device::Gpu(gpu) => Peak::measure(gpu),
        Device::Cpu(cpu) => Peak::measure_cpu(cpu),
        Device::Reference => Err(not_measured(device)),
    }
}

/// The error of the reference backend where steps or peaks are measured.
pub fn not_measured(device: &Device) -> Error {
    Error::Inputs(format!(
        "{device} is not measured: its plain loops are what the others are compared with; use --backend cpu"
    ))
}

/// The string `key` of a JSON object; empty if there is none.
pub fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap_or_default()
}

/// The device and the versions of shadernet and wgpu as a JSON object.
pub fn device_info(device: &Device) -> Value {
    let backend = device.backend().name();
    let mut object = match device {
        Device::Gpu(gpu) => {
            let info = gpu.info();
            let driver = format!("{} {}", info.driver, info.driver_info);
            json!({
                "device": info.name,
                "backend": backend,
                "driver": driver.trim(),
                "software": is_software(info),
                "timestamps": gpu.has_timestamps(),
                "compute_units": compute_units(gpu).map(ComputeUnitCount::number),
                "compute_units_origin": compute_units(gpu).map(ComputeUnitCount::origin),
                "limits": limits(gpu),
            })
        }
        Device::Cpu(cpu) => json!({
            "device": cpu_name(cpu),
            "backend": backend,
            "driver": format!("shadernet {}", env!("CARGO_PKG_VERSION")),
            "software": true,
            "threads": cpu.threads(),
        }),
        Device::Reference => json!({
            "device": "reference backend",
            "backend": backend,
            "driver": format!("shadernet {}", env!("CARGO_PKG_VERSION")),
            "software": true,
        }),
    };
    object["shadernet"] = json!(env!("CARGO_PKG_VERSION"));
    object["commit"] = json!(env!("SHADERNET_COMMIT"));
    object["wgpu"] = json!(env!("SHADERNET_WGPU"));
    object
}

/// The compute units by which kernels are selected on a device in hardware. In software, nothing depends on them.
pub fn compute_units(gpu: &Gpu) -> Option<ComputeUnitCount> {
    (!is_software(gpu.info())).then(|| gpu.compute_units())
}

/// The name of the processor, or `CPU` where the system reports none.
pub fn cpu_name(cpu: &CpuDevice) -> &'static str {
    match cpu.name() {
        "" => "CPU",
        name => name,
    }
}

/// The device's limits that matter for networks and kernels, and its subgroup sizes.
fn limits(gpu: &Gpu) -> Value {
    let (limits, info) = (gpu.limits(), gpu.info());
    json!({
        "max_buffer_size": limits.max_buffer_size,
        "max_storage_buffer_binding_size": limits.max_storage_buffer_binding_size,
        "max_compute_workgroups_per_dimension": limits.max_compute_workgroups_per_dimension,
        "max_compute_invocations_per_workgroup": limits.max_compute_invocations_per_workgroup,
        "max_compute_workgroup_storage_size": limits.max_compute_workgroup_storage_size,
        "min_subgroup_size": info.subgroup_min_size,
        "max_subgroup_size": info.subgroup_max_size,
    })
}
