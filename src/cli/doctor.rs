//! `shadernet doctor`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use shadernet::bench::{
    BenchOptions, Divergence, Outcome, first_divergence, small_cases, variants,
};
use shadernet::device::Device;
use shadernet::gpu::{Gpu, Precision};
use shadernet::model_folder::default_model;
use shadernet::session::SessionOptions;
use shadernet::{Error, Result};

use super::bench::{ChildArgs, about, gpu_of, kernel_faults};
use super::network::Network;
use super::written::save;
use super::{DeviceArgs, Failure, output, progress};

/// Check every kernel and a network on this machine, and say what is wrong
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet doctor
  shadernet doctor --backend vulkan --report doctor.md

Every way to compute every operator is compared with the CPU twin, in float32 and
float16, on small shapes with odd edges; then the bundled network, and where that
differs, the first step that does is named. Each adapter and backend is looked at in
a process of its own, so that a driver that crashes or hangs shows as that. The exit
code is 1 where anything is wrong. The report can be attached to an issue.")]
pub struct Doctor {
    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    child: ChildArgs,

    /// Write a report with everything that was checked: Markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// A JSON object an adapter
    #[arg(long)]
    json: bool,
}

/// How far the network's answer may be from the CPU twin's, as a share of its largest magnitude:
/// rounding of a hundred layers, and no more.
const TOLERANCE: f64 = 1e-3;

impl Doctor {
    pub fn execute(&self) -> Result<(), Failure> {
        let is_one = self.device.backend.is_some() || self.device.adapter.is_some();
        let results = match is_one {
            true => {
                self.child.begin();
                vec![self.examine()?]
            }
            false => {
                let mut args: Vec<OsString> = vec!["doctor".into()];
                args.extend(self.device.flags());
                self.child.each(&args)?
            }
        };
        if let Some(path) = &self.report {
            save(path, report(&results).as_bytes())?;
        }
        let mut out = io::stdout().lock();
        let mut all_right = true;
        for line in &results {
            let faults = faults(line);
            all_right &= faults.is_empty();
            match self.json {
                true => output::json_line(line)?,
                false => write!(out, "{}", summary(line, &faults))?,
            }
        }
        match all_right {
            true => Ok(()),
            false => Err(Failure::Reported),
        }
    }

    /// The one device that was asked for.
    fn examine(&self) -> Result<Value, Failure> {
        let device = self.device.open()?;
        let gpu = gpu_of(&device)?;
        let mut results = about(&device);
        results["kind"] = json!("doctor");
        results["kernels"] = kernels(gpu)?;
        results["network"] = network(&device)?;
        Ok(results)
    }
}

/// Every variant of every small case, in both precisions.
fn kernels(gpu: &Gpu) -> Result<Value> {
    let cases = small_cases()?;
    let bar = progress::bar(2 * cases.len());
    let mut rows = Vec::new();
    for precision in [Precision::F32, Precision::F16] {
        let options = BenchOptions {
            precision,
            rounds: 1,
            ..Default::default()
        };
        for case in &cases {
            let tell = |name: &str| bar.set_message(format!("{} ({name})", case.name));
            for variant in variants(gpu, case, &options, tell)? {
                let (key, value) = match variant.outcome {
                    Outcome::Timed(measured) => ("error", json!(measured.error)),
                    Outcome::Wrong(reason) => ("wrong", json!(reason)),
                    Outcome::Failed(reason) => ("failed", json!(reason)),
                    Outcome::Impossible(reason) => ("impossible", json!(reason)),
                };
                rows.push(json!({
                    "case": case.name,
                    "kernel": variant.name,
                    "precision": precision.name(),
                    key: value,
                }));
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(json!(rows))
}

/// The bundled network, or one with generated weights where it is not at hand.
fn network(device: &Device) -> Result<Value> {
    let network = match default_model() {
        Ok(model) => Network::find(&model.path.to_string_lossy(), None, 1)?,
        Err(_) => Network::find("mobilenet_v2", None, 1)?,
    };
    let weights = Arc::new(network.weights()?);
    let divergence = first_divergence(
        device,
        &network.graph,
        &weights,
        &network.input_tensors(),
        &SessionOptions::default(),
        TOLERANCE,
    );
    let mut row = json!({"name": network.graph.name(), "weights": network.source()});
    match divergence {
        Ok(None) => row["tolerance"] = json!(TOLERANCE),
        Ok(Some(divergence)) => row["diverges"] = diverges(&divergence),
        Err(error @ Error::Limit { .. }) => row["impossible"] = json!(error.to_string()),
        Err(error) => row["failed"] = json!(error.to_string()),
    }
    Ok(row)
}

fn diverges(divergence: &Divergence) -> Value {
    json!({
        "node": divergence.node,
        "operator": divergence.kind,
        "shaders": divergence.shaders,
        "error": divergence.error,
    })
}

/// Everything that is wrong on a device, a line each.
fn faults(results: &Value) -> Vec<String> {
    let mut faults = kernel_faults(results);
    let network = &results["network"];
    let name = network["name"].as_str().unwrap_or_default();
    if let Some(reason) = network["failed"].as_str() {
        faults.push(format!("{name}: {reason}"));
    }
    if let Some(step) = network.get("diverges") {
        let text = |key: &str| step[key].as_str().unwrap_or_default();
        let shaders = step["shaders"].as_array().into_iter().flatten();
        let shaders: Vec<&str> = shaders.filter_map(Value::as_str).collect();
        faults.push(format!(
            "{name}: the first step that diverges between cpu and {} is '{}' ({}, {}), by {:.1e} of its largest value",
            results["backend"].as_str().unwrap_or_default(),
            text("node"),
            text("operator"),
            shaders.join(" + "),
            step["error"].as_f64().unwrap_or(f64::INFINITY),
        ));
    }
    faults
}

/// What is known of a device, for people.
fn summary(results: &Value, faults: &[String]) -> String {
    let text = |key: &str| results[key].as_str().unwrap_or_default();
    let mut lines = format!(
        "{} ({}), {}\n",
        text("device"),
        text("backend"),
        text("driver")
    );
    if let Some(checks) = results["kernels"].as_array() {
        let beyond = checks.iter().filter(|row| row["impossible"].is_string());
        let beyond = match beyond.count() {
            0 => String::new(),
            count => format!(", {count} beyond the device's limits"),
        };
        lines += &format!(
            "  {} kernels checked in f32 and f16{beyond}\n",
            checks.len()
        );
    }
    let network = &results["network"];
    if let (Some(name), Some(tolerance)) = (network["name"].as_str(), network["tolerance"].as_f64())
    {
        lines += &format!("  {name} agrees with the CPU twin to {tolerance:.0e}\n");
    }
    if let Some(reason) = network["impossible"].as_str() {
        lines += &format!("  the network was not run: {reason}\n");
    }
    match faults {
        [] => lines += "  nothing wrong was found\n",
        faults => {
            for fault in faults {
                lines += &format!("  WRONG  {fault}\n");
            }
        }
    }
    lines
}

/// Markdown for an issue: what is wrong first, then all that was measured.
fn report(results: &[Value]) -> String {
    let mut text = format!(
        "# shadernet doctor\n\nshadernet {} ({}), wgpu {}, {} {}\n",
        env!("CARGO_PKG_VERSION"),
        match env!("SHADERNET_COMMIT") {
            "" => "no commit known",
            commit => commit,
        },
        env!("SHADERNET_WGPU"),
        std::env::consts::OS,
        std::env::consts::ARCH,
    );
    for line in results {
        let summary = summary(line, &faults(line));
        text += &format!("\n```text\n{summary}```\n");
    }
    text += "\n<details><summary>Everything that was checked</summary>\n\n```json\n";
    for line in results {
        text += &format!("{line}\n");
    }
    text + "```\n\n</details>\n"
}
