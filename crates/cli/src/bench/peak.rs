//! `shadernet bench peak`.

use std::io::{self, Write};

use clap::Args;
use serde_json::json;
use shadernet_bench::peak::Peak;

use super::{about, gpu_of};
use crate::{DeviceArgs, Failure, output};

/// Measure what the device can do at most: arithmetic and memory
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench peak --json

A kernel that multiplies and adds in registers, and ones that copy or only read
more than caches hold, the fastest of them. What a network's operations and bytes
(`bench model --json`) take at these rates is the bound that its time is held to.")]
pub struct PeakArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl PeakArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let device = self.device.open()?;
        let gpu = gpu_of(&device)?;
        let peak = Peak::measure(gpu)?;
        let gflop = peak.operations_per_second / 1e9;
        let gbyte = peak.bytes_per_second / 1e9;
        let cached = peak.cached_bytes_per_second / 1e9;
        match self.json {
            true => {
                let mut line = about(&device);
                line["gflop_per_second"] = json!(gflop);
                line["gbyte_per_second"] = json!(gbyte);
                line["cached_gbyte_per_second"] = json!(cached);
                output::json_line(&line)?;
            }
            false => writeln!(
                io::stdout(),
                "{gflop:.1} GFLOP/s float32, {gbyte:.1} GB/s read and written ({cached:.1} GB/s in a \
                 cache)\non {device}"
            )?,
        }
        Ok(())
    }
}
