//! `shadernet devices`.

use std::io::Write;

use clap::Args;
use serde::Serialize;
use shadernet::cpu::CpuDevice;
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Backend, Gpu, GpuOptions, adapters, is_software};
use shadernet::{printable, wgpu};

use super::bench::cpu_name;
use super::{Failure, output};

/// List the adapters and the CPU with backend, driver, type, limits and features
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet devices --json | jq 'select(.kind == \"discrete\") | .name'

The default is marked with *. Other commands select an adapter with --backend and --adapter, or with \
wgpu's environment variables WGPU_BACKEND, WGPU_ADAPTER_NAME and WGPU_POWER_PREF. Software adapters \
run only where they are selected. --backend reference, which is not listed, names the plain loops \
that all others are compared with.")]
pub struct Devices {
    /// Print one JSON object per device, one per line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    default: bool,
    name: String,
    backend: String,
    kind: &'static str,
    driver: String,
    /// How many threads compute, where it is the CPU.
    threads: Option<usize>,
    max_storage_buffer_binding_size: Option<u64>,
    max_buffer_size: Option<u64>,
    max_compute_workgroup_storage_size: Option<u32>,
    max_compute_invocations_per_workgroup: Option<u32>,
    features: Vec<&'static str>,
    /// Why the adapter cannot be opened.
    error: Option<String>,
}

/// Features that kernels use or may use in the future.
const FEATURES: [(&str, wgpu::Features); 4] = [
    ("shader-f16", wgpu::Features::SHADER_F16),
    ("subgroup", wgpu::Features::SUBGROUP),
    ("timestamp-query", wgpu::Features::TIMESTAMP_QUERY),
    (
        "cooperative-matrix",
        wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
    ),
];

impl Devices {
    pub fn execute(&self) -> Result<(), Failure> {
        let default = Device::open(&DeviceOptions::default());
        let is_default = |info: Option<&wgpu::AdapterInfo>| match (&default, info) {
            (Ok(Device::Gpu(gpu)), Some(info)) => gpu.info() == info,
            (Ok(Device::Cpu(_)), None) => true,
            _ => false,
        };
        let mut rows: Vec<Row> = (adapters(None).iter())
            .map(|adapter| {
                let info = adapter.get_info();
                let is_default = is_default(Some(&info));
                // The default is open.
                let error = match is_default {
                    true => None,
                    false => Gpu::open(adapter, &GpuOptions::new()).err(),
                };
                Row {
                    error: error.map(|error| error.report().to_string()),
                    ..row(adapter, &info, is_default)
                }
            })
            .collect();
        let cpu = match &default {
            Ok(Device::Cpu(cpu)) => cpu.clone(),
            _ => CpuDevice::default(),
        };
        rows.push(Row {
            default: is_default(None),
            name: cpu_name(&cpu).to_owned(),
            backend: Backend::Cpu.name().to_owned(),
            kind: "cpu",
            driver: format!("shadernet {}", env!("CARGO_PKG_VERSION")),
            threads: Some(cpu.threads()),
            max_storage_buffer_binding_size: None,
            max_buffer_size: None,
            max_compute_workgroup_storage_size: None,
            max_compute_invocations_per_workgroup: None,
            features: Vec::new(),
            error: None,
        });
        if self.json {
            for row in &rows {
                output::json_line(row)?;
            }
        } else {
            let rows: Vec<String> = rows.iter().map(describe).collect();
            let rows = rows.join("\n\n");
            writeln!(output::stdout(), "{rows}\n\n* the default device")?;
        }
        // If the environment asks for an adapter that does not exist, the error follows the list.
        default?;
        Ok(())
    }
}

fn row(adapter: &wgpu::Adapter, info: &wgpu::AdapterInfo, default: bool) -> Row {
    let limits = adapter.limits();
    let features = adapter.features();
    Row {
        default,
        name: info.name.clone(),
        backend: info.backend.to_str().to_owned(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            _ if is_software(info) => "software",
            _ => "other",
        },
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        threads: None,
        max_storage_buffer_binding_size: Some(limits.max_storage_buffer_binding_size),
        max_buffer_size: Some(limits.max_buffer_size),
        max_compute_workgroup_storage_size: Some(limits.max_compute_workgroup_storage_size),
        max_compute_invocations_per_workgroup: Some(limits.max_compute_invocations_per_workgroup),
        features: FEATURES
            .iter()
            .filter(|(_, feature)| features.contains(*feature))
            .map(|(name, _)| *name)
            .collect(),
        error: None,
    }
}

/// A device as text, in short lines.
fn describe(row: &Row) -> String {
    let mut lines = vec![match row.default {
        true => format!("* {}", printable::name(&row.name)),
        false => format!("  {}", printable::name(&row.name)),
    }];
    let mut line = |name: &str, text: String| {
        lines.push(format!("    {name:10} {}", printable::line(&text)));
    };
    match row.backend.as_str() {
        "cpu" => line("backend", "cpu".to_owned()),
        backend => line("backend", format!("{backend}, {}", row.kind)),
    }
    line("driver", row.driver.clone());
    if let Some(threads) = row.threads {
        line("threads", threads.to_string());
    }
    if let (Some(binding), Some(buffer)) = (
        row.max_storage_buffer_binding_size.map(output::bytes),
        row.max_buffer_size.map(output::bytes),
    ) {
        let text = format!("at most {binding} per binding, {buffer} per buffer");
        line("memory", text);
    }
    if let (Some(invocations), Some(memory)) = (
        row.max_compute_invocations_per_workgroup,
        row.max_compute_workgroup_storage_size,
    ) {
        let memory = output::bytes(memory.into());
        line(
            "workgroup",
            format!("{invocations} invocations, {memory} of workgroup memory"),
        );
    }
    if !row.features.is_empty() {
        line("features", row.features.join(", "));
    }
    if let Some(error) = &row.error {
        line("error", error.clone());
    }
    lines.join("\n")
}
