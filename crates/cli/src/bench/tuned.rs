//! Tuning a network before it is timed.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use shadernet::Result;
use shadernet::device::Device;
use shadernet::gpu::Precision;
use shadernet::tuning::Tuning;
use shadernet_bench::tune::TuneOptions;

use crate::output;
use crate::resolve_model::Network;
use crate::tune::{default_budget, tune_with_progress};

/// The setting that tuned kernels are compared with.
pub const UNTUNED: &str = "no-tuning";

/// What tuning found for a network.
pub struct Tuned {
    pub tuning: Arc<Tuning>,
    /// For the results: how long it took, and what changed.
    pub summary: Value,
}

impl Tuned {
    /// Tunes `network`; `None` where the device has nothing to tune, which is reported.
    pub fn find(device: &Device, network: &Network, precision: Precision) -> Result<Option<Self>> {
        let Device::Gpu(gpu) = device else {
            output::note(format_args!(
                "nothing is tuned: tuning times shaders, and {device} has none"
            ));
            return Ok(None);
        };
        let options = TuneOptions::new()
            .precision(precision)
            .budget(default_budget(gpu));
        let start = Instant::now();
        let report = tune_with_progress(gpu, network, &options)?;
        let changed = (report.layers.iter()).filter(|layer| layer.winner != layer.heuristic);
        let summary = json!({
            "seconds": start.elapsed().as_secs_f64(),
            "layers": report.layers.len(),
            "changed": changed.count(),
            "untimed": report.untimed().count(),
        });
        Ok(Some(Self {
            tuning: Arc::new(report.tuning),
            summary,
        }))
    }
}
