//! `shadernet bench`: how fast networks are here.

mod children;
mod compare;
mod cost;
mod frames;
mod kernels;
mod model;
mod model_results;
mod peak;
mod profile;
mod report;
mod results;
mod setup;
mod table;
mod timing;
mod trace;

use std::time::Instant;

use clap::{Args, Subcommand};
use serde_json::json;
use shadernet::Error;
use shadernet::device::Device;
use shadernet::gpu::{Gpu, is_software};

use super::Failure;
pub use children::ChildArgs;
pub use results::Kernels;
pub use table::faults as kernel_faults;

/// Measure how fast networks are here
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench model resnet50     times a network on this device
  shadernet bench profile resnet50   shows where its time goes
  shadernet bench frames resnet50    shows how long an interface waits for it
  shadernet bench kernels            compares kernels on shapes from the networks
  shadernet bench compare A B        tells what got slower between two results files
  shadernet bench peak               measures what the device can do at most")]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Model(model::Model),
    Profile(profile::ProfileArgs),
    Frames(frames::FramesArgs),
    Kernels(kernels::KernelsArgs),
    Compare(compare::CompareArgs),
    Peak(peak::PeakArgs),
}

impl Bench {
    /// `start` is when the process began, which first answers are counted from.
    pub fn execute(&self, start: Instant) -> Result<(), Failure> {
        match &self.what {
            What::Model(model) => model.execute(start),
            What::Profile(profile) => profile.execute(),
            What::Frames(frames) => frames.execute(),
            What::Kernels(kernels) => kernels.execute(),
            What::Compare(compare) => compare.execute(),
            What::Peak(peak) => peak.execute(),
        }
    }
}

/// The GPU, where what is to be measured are shaders.
pub fn gpu_of(device: &Device) -> Result<&Gpu, Error> {
    match device {
        Device::Gpu(gpu) => Ok(gpu),
        Device::Cpu { .. } => Err(Error::NoAdapter(
            "this measures shaders, and the reference backend has none".to_owned(),
        )),
    }
}

/// Which device it was, for JSON.
pub fn about(device: &Device) -> serde_json::Value {
    let backend = device.backend().name();
    let mut about = match device {
        Device::Gpu(gpu) => {
            let info = gpu.info();
            let driver = format!("{} {}", info.driver, info.driver_info);
            json!({
                "device": info.name,
                "backend": backend,
                "driver": driver.trim(),
                "software": is_software(info),
                "timestamps": gpu.has_timestamps(),
                "limits": limits(gpu),
            })
        }
        Device::Cpu { .. } => json!({
            "device": "CPU reference implementation",
            "backend": backend,
            "driver": format!("shadernet {}", env!("CARGO_PKG_VERSION")),
            "software": true,
        }),
    };
    about["shadernet"] = json!(env!("CARGO_PKG_VERSION"));
    about["commit"] = json!(env!("SHADERNET_COMMIT"));
    about["wgpu"] = json!(env!("SHADERNET_WGPU"));
    about
}

/// Those of the device's limits that bound networks and kernels, and its subgroups.
fn limits(gpu: &Gpu) -> serde_json::Value {
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
