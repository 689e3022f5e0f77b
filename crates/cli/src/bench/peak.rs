//! `shadernet bench peak`.

use std::io::Write;

use clap::Args;
use serde_json::json;
use shadernet_bench::peak::Peak;

use super::{device_info, require_gpu};
use crate::{DeviceArgs, Failure, output};

/// Measure the device's peak arithmetic and memory throughput
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench peak --json

Arithmetic is measured with a kernel that multiplies and adds in registers. Memory \
is measured with kernels that copy or only read more than the caches hold; the \
fastest counts. A network cannot be faster than its operations and bytes \
(`bench model --json`) take at these rates.")]
pub struct PeakArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl PeakArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let device = self.device.open()?;
        let gpu = require_gpu(&device)?;
        let peak = Peak::measure(gpu)?;
        let gflop = peak.operations_per_second / 1e9;
        let gbyte = peak.bytes_per_second / 1e9;
        let cached = peak.cached_bytes_per_second / 1e9;
        match self.json {
            true => {
                let mut line = device_info(&device);
                line["gflop_per_second"] = json!(gflop);
                line["gbyte_per_second"] = json!(gbyte);
                line["cached_gbyte_per_second"] = json!(cached);
                output::json_line(&line)?;
            }
            false => writeln!(
                output::stdout(),
                "{gflop:.1} GFLOP/s float32, {gbyte:.1} GB/s read and written ({cached:.1} GB/s in a \
                 cache)\non {device}"
            )?,
        }
        Ok(())
    }
}
