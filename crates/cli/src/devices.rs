//! `shadernet devices`.

use std::io::Write;

use clap::Args;
use shadernet::cpu::CpuDevice;
use shadernet::gpu::Backend;
use shadernet::printable;

use super::adapter_list::{
    BackendAdapters, ChildTask, DefaultDevice, Listing, NONE, Row, default_device, list_adapters,
};
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
that all others are compared with.

Each backend is asked in a process of its own. Where a driver crashes, its backend has a line that says \
how (in JSON an object of the kind \"none\" with an error), the others are listed, and the exit code is 1. \
It is also 1 where the default device cannot be opened.")]
pub struct Devices {
    /// Also list the backends without an adapter
    #[arg(long)]
    all: bool,

    /// Print one JSON object per device, one per line
    #[arg(long)]
    json: bool,

    /// What a child process lists, and how
    #[arg(long, hide = true, value_name = "TASK", value_parser = str::parse::<ChildTask>)]
    child: Option<ChildTask>,
}

impl Devices {
    pub fn execute(&self) -> Result<(), Failure> {
        if let Some(task) = self.child {
            return task.execute();
        }
        let (listed, default) = std::thread::scope(|scope| {
            let default = scope.spawn(default_device);
            let listed = list_adapters(Listing::Opened);
            (listed, default.join())
        });
        let default = default.unwrap_or_else(|_| {
            DefaultDevice::Failed("no default device: looking for it panicked".to_owned())
        });
        let has_failed = listed.iter().any(|backend| backend.failed.is_some());
        let listed = listed.into_iter();
        let mut rows: Vec<Row> = listed
            .flat_map(|backend| self.rows(backend, &default))
            .collect();
        rows.push(cpu_row(matches!(default, DefaultDevice::Cpu)));
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
        match default {
            DefaultDevice::Failed(reason) => Err(Failure::Advised(reason)),
            _ if has_failed => Err(Failure::Reported),
            _ => Ok(()),
        }
    }

    /// The rows of a backend: one for each adapter, and one where there are none or they could not be listed or
    /// opened.
    fn rows(&self, backend: BackendAdapters, default: &DefaultDevice) -> Vec<Row> {
        let mut error = backend.failed;
        if self.all && error.is_none() && backend.adapters.is_empty() {
            error = Some("it has no adapter".to_owned());
        }
        let of_backend = error.map(|error| Row {
            backend: backend.backend.name().to_owned(),
            kind: NONE.to_owned(),
            error: Some(error),
            ..Row::default()
        });
        let adapters = backend.adapters.into_iter().map(|listed| Row {
            default: matches!(default, DefaultDevice::Adapter(it) if *it == listed.identity),
            ..listed.row
        });
        adapters.chain(of_backend).collect()
    }
}

fn cpu_row(default: bool) -> Row {
    let cpu = CpuDevice::default();
    Row {
        default,
        name: cpu_name(&cpu).to_owned(),
        backend: Backend::Cpu.name().to_owned(),
        kind: "cpu".to_owned(),
        driver: format!("shadernet {}", env!("CARGO_PKG_VERSION")),
        threads: Some(cpu.threads()),
        ..Row::default()
    }
}

/// A device as text, in short lines.
fn describe(row: &Row) -> String {
    if row.kind == NONE {
        let error = row.error.as_deref().unwrap_or_default();
        return format!(
            "  {}\n    error      {}",
            row.backend,
            printable::line(error)
        );
    }
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
    if let (Some(number), Some(origin)) = (row.compute_units, &row.compute_units_origin) {
        line("units", format!("{number} compute units, {origin}"));
    }
    if !row.features.is_empty() {
        line("features", row.features.join(", "));
    }
    match row.shader_compiler.as_deref() {
        Some("fxc") => line(
            "compiler",
            "fxc, which is slow: see `shadernet doctor`".to_owned(),
        ),
        Some(compiler) => line("compiler", compiler.to_owned()),
        None => {}
    }
    if let Some(error) = &row.error {
        line("error", error.clone());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compute_units_are_named_with_their_origin() {
        let text = describe(&Row {
            backend: "vulkan".to_owned(),
            kind: "discrete".to_owned(),
            compute_units: Some(84),
            compute_units_origin: Some("measured".to_owned()),
            ..Row::default()
        });
        assert!(
            text.contains("units      84 compute units, measured"),
            "{text}"
        );
    }

    #[test]
    fn direct3d_12_has_a_line_for_its_compiler() {
        let text = |compiler: Option<&str>| {
            describe(&Row {
                backend: "dx12".to_owned(),
                kind: "discrete".to_owned(),
                shader_compiler: compiler.map(str::to_owned),
                ..Row::default()
            })
        };
        assert!(text(Some("dxc")).contains("compiler   dxc"));
        assert!(text(Some("fxc")).contains("compiler   fxc, which is slow"));
        assert!(!text(None).contains("compiler"));
    }
}
