//! `shadernet bench peak`.

use std::io::Write;

use clap::Args;
use serde_json::json;

use super::{device_info, measure_peak};
use crate::{DeviceArgs, Failure, output};

/// Measure the device's peak arithmetic and memory throughput
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet bench peak --json
  shadernet bench peak --backend cpu --threads 2

Arithmetic is measured with a kernel that multiplies and adds in registers. Memory \
is measured with kernels that copy or only read more than the caches hold; the \
fastest counts. On the cpu backend, all of its threads do so at once. A network cannot be faster than its operations and bytes \
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
        let peak = measure_peak(&device)?;
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
