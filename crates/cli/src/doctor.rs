//! `shadernet doctor`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Backend, Gpu, Precision};
use shadernet::model_folder::default_model;
use shadernet::session::SessionOptions;
use shadernet::{Error, Result};
use shadernet_bench::kernels::{
    BenchOptions, Divergence, VariantOutcome, first_divergence, small_cases, variants,
};

use super::bench::{ChildArgs, Kernels, about, gpu_of, kernel_faults};
use super::output_files::save;
use super::resolve_model::Network;
use super::{DeviceArgs, Failure, output, progress};

/// Check every kernel and a network on this machine, and say what is wrong
#[derive(Args)]
#[command(after_help = "\
Examples:
  shadernet doctor
  shadernet doctor --backend vulkan --report doctor.md
  shadernet doctor --backend gl --against vulkan

Every way to compute every operator is compared with the CPU twin, in float32 and
float16, on small shapes with odd edges; then the bundled network, with the twin and
with the first adapter that answered, and where two differ, the first step that does
is named. Each adapter and backend is looked at in a process of its own, so that a
driver that crashes or hangs shows as that. The exit code is 1 where anything is
wrong. The report can be attached to an issue.")]
pub struct Doctor {
    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    child: ChildArgs,

    /// Only compare the network, and not with the CPU twin but with this backend or adapter
    #[arg(long, value_name = "BACKEND[:ADAPTER]")]
    against: Option<Against>,

    /// Write a report with everything that was checked: Markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// A JSON object an adapter
    #[arg(long)]
    json: bool,
}

/// A device to compare with.
#[derive(Clone)]
struct Against {
    backend: Backend,
    adapter: Option<String>,
}

impl FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (backend, adapter) = match text.split_once(':') {
            Some((backend, adapter)) => (backend, Some(adapter.to_owned())),
            None => (text, None),
        };
        let backend = backend
            .parse::<Backend>()
            .map_err(|error| error.to_string())?;
        Ok(Self { backend, adapter })
    }
}

/// How far the network's answer on a device may be from another's, as a share of its largest
/// magnitude: rounding of a hundred layers, and no more.
const TOLERANCE: f64 = 1e-3;

impl Doctor {
    pub fn execute(&self) -> Result<(), Failure> {
        let is_one = self.device.backend.is_some() || self.device.adapter.is_some();
        let results = match (is_one, &self.against) {
            (true, _) => {
                self.child.begin();
                vec![self.examine()?]
            }
            (false, Some(_)) => {
                return Err(Failure::Usage(
                    "--against compares one device with another: say which with --backend or \
                     --adapter"
                        .to_owned(),
                ));
            }
            (false, None) => self.examine_all()?,
        };
        if let Some(path) = &self.report {
            save(path, report(&results)?.as_bytes())?;
        }
        let mut out = io::stdout().lock();
        let mut all_right = true;
        for line in &results {
            let faults = faults(line)?;
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
        let trusted = match &self.against {
            None => Device::cpu(),
            Some(against) => Device::open(&DeviceOptions {
                backend: Some(against.backend),
                adapter: against.adapter.clone(),
                ..self.device.options()
            })?,
        };
        let mut results = about(&device);
        results["kind"] = json!("doctor");
        if self.against.is_none() {
            results["kernels"] = kernels(gpu)?;
        }
        results["networks"] = json!([network(&trusted, &device)?]);
        Ok(results)
    }

    /// Every adapter and backend; those after the first that answered also beside that.
    fn examine_all(&self) -> Result<Vec<Value>, Failure> {
        let mut args: Vec<OsString> = vec!["doctor".into()];
        args.extend(self.device.flags());
        let mut results = self.child.each("doctor", &args)?;
        let mut answered = results.iter_mut().filter(|line| line["failed"].is_null());
        let Some(first) = answered.next() else {
            return Ok(results);
        };
        let name = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let against = format!("{}:{}", name(first, "backend"), name(first, "device"));
        args.extend(["--against".into(), against.clone().into()]);
        for line in answered {
            let pair = self
                .child
                .one(&args, &name(line, "backend"), &name(line, "device"));
            let row = match pair {
                Ok(mut lines) => {
                    (lines[0].pointer_mut("/networks/0")).map_or(Value::Null, Value::take)
                }
                Err(reason) => json!({"against": against, "failed": reason}),
            };
            if let Some(networks) = line["networks"].as_array_mut() {
                networks.push(row);
            }
        }
        Ok(results)
    }
}

/// Every variant of every small case, in both precisions.
fn kernels(gpu: &Gpu) -> Result<Value> {
    let cases = small_cases()?;
    let mut rows = Vec::new();
    for precision in [Precision::F32, Precision::F16] {
        let bar = progress::bar(0);
        let options = BenchOptions::default().precision(precision).rounds(1);
        let variants = variants(gpu, &cases, &options, |at| progress::tell(&bar, at))?;
        for (case, variants) in cases.iter().zip(variants) {
            rows.extend(variants.into_iter().map(|variant| {
                let (key, value) = match variant.outcome {
                    VariantOutcome::Timed(measured) => ("error", json!(measured.error)),
                    VariantOutcome::Wrong(reason) => ("wrong", json!(reason)),
                    VariantOutcome::Failed(reason) => ("failed", json!(reason)),
                    VariantOutcome::Impossible(reason) => ("impossible", json!(reason)),
                };
                json!({
                    "case": case.name,
                    "kernel": variant.name,
                    "precision": precision.name(),
                    key: value,
                })
            }));
        }
        bar.finish_and_clear();
    }
    Ok(json!(rows))
}

/// The bundled network, or one with generated weights where it is not at hand, on two devices.
fn network(trusted: &Device, device: &Device) -> Result<Value> {
    let network = match default_model() {
        Ok(model) => Network::find(&model.path.to_string_lossy(), None, 1)?,
        Err(_) => Network::find("mobilenet_v2", None, 1)?,
    };
    let weights = Arc::new(network.weights()?);
    let divergence = first_divergence(
        trusted,
        device,
        &network.graph,
        &weights,
        &network.input_tensors(),
        &SessionOptions::default(),
        TOLERANCE,
    );
    let mut row = json!({
        "against": match trusted {
            Device::Cpu { .. } => "the CPU twin".to_owned(),
            Device::Gpu(_) => trusted.to_string(),
        },
        "name": network.graph.name(),
        "weights": network.source(),
    });
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

/// The comparisons of the network on a device.
fn networks(results: &Value) -> impl Iterator<Item = &Value> {
    results["networks"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Everything that is wrong on a device, a line each.
fn faults(results: &Value) -> Result<Vec<String>> {
    let mut faults = kernel_faults(&Kernels::of(results)?);
    for network in networks(results) {
        let (name, against) = (text(network, "name"), text(network, "against"));
        if let Some(reason) = network["failed"].as_str() {
            faults.push(format!("{name}, compared with {against}: {reason}"));
        }
        if let Some(step) = network.get("diverges") {
            let shaders = step["shaders"].as_array().into_iter().flatten();
            let shaders: Vec<&str> = shaders.filter_map(Value::as_str).collect();
            faults.push(format!(
                "{name}: the first step that diverges between {against} and {} is '{}' ({}, {}), by {:.1e} of its largest value",
                text(results, "backend"),
                text(step, "node"),
                text(step, "operator"),
                shaders.join(" + "),
                step["error"].as_f64().unwrap_or(f64::INFINITY),
            ));
        }
    }
    Ok(faults)
}

/// What is known of a device, for people.
fn summary(results: &Value, faults: &[String]) -> String {
    let mut lines = format!(
        "{} ({}), {}\n",
        text(results, "device"),
        text(results, "backend"),
        text(results, "driver")
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
    for network in networks(results) {
        let (name, against) = (text(network, "name"), text(network, "against"));
        if let Some(tolerance) = network["tolerance"].as_f64() {
            lines += &format!("  {name} agrees with {against} to {tolerance:.0e}\n");
        }
        if let Some(reason) = network["impossible"].as_str() {
            lines += &format!("  {name} was not compared with {against}: {reason}\n");
        }
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
fn report(results: &[Value]) -> Result<String> {
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
        let summary = summary(line, &faults(line)?);
        text += &format!("\n```text\n{summary}```\n");
    }
    text += "\n<details><summary>Everything that was checked</summary>\n\n```json\n";
    for line in results {
        text += &format!("{line}\n");
    }
    Ok(text + "```\n\n</details>\n")
}
