//! The results of a device as text.

use serde_json::Value;
use shadernet::{Result, printable};

use super::kernels::loop_limit;
use super::traps;
use crate::bench::{Kernels, kernel_faults, text};

/// The comparisons of the network in a device's results.
fn networks(results: &Value) -> impl Iterator<Item = &Value> {
    results["networks"].as_array().into_iter().flatten()
}

/// The faults of a device, one line each.
pub fn faults(results: &Value) -> Result<Vec<String>> {
    let mut faults = kernel_faults(&Kernels::parse(results)?);
    if let Some((found, false)) = loop_limit(results) {
        faults.push(format!(
            "the driver ends loops after {found} iterations, which this version does not know: long sums are wrong"
        ));
    }
    faults.extend(traps::matrix_fault(results));
    for network in networks(results) {
        let [name, against] = ["name", "against"].map(|key| printable::name(text(network, key)));
        if let Some(reason) = network["failed"].as_str() {
            faults.push(format!("{name}, compared with {against}: {reason}"));
        }
        if let Some(step) = network.get("diverges") {
            let shaders = step["shaders"].as_array().into_iter().flatten();
            let shaders: Vec<&str> = shaders.filter_map(Value::as_str).collect();
            faults.push(format!(
                "{name}: the first step that differs between {against} and {} is '{}' ({}, {}), by {:.1e} of its largest value",
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

/// The results of a device as text.
pub fn summary(results: &Value, faults: &[String]) -> String {
    let mut lines = format!(
        "{} ({}), {}\n",
        printable::name(text(results, "device")),
        text(results, "backend"),
        printable::name(text(results, "driver"))
    );
    if let Some(checks) = results["kernels"].as_array() {
        let skipped = checks.iter().filter(|row| row["impossible"].is_string());
        let skipped = match skipped.count() {
            0 => String::new(),
            count => format!(", {count} exceed the device's limits"),
        };
        let has_half = checks.iter().any(|row| row["precision"] == "f16");
        let precisions = if has_half { "f32 and f16" } else { "f32" };
        lines += &format!(
            "  {} kernels checked in {precisions}{skipped}\n",
            checks.len()
        );
    }
    for note in traps::notes(results) {
        lines += &format!("  {}\n", printable::line(&note));
    }
    if let Some((found, true)) = loop_limit(results) {
        lines +=
            &format!("  the driver ends loops after {found} iterations: longer sums are split\n");
    }
    for network in networks(results) {
        let [name, against] = ["name", "against"].map(|key| printable::name(text(network, key)));
        if let Some(tolerance) = network["tolerance"].as_f64() {
            let time = network["ms"].as_f64();
            let time = time.map(|ms| format!("; a pass takes {ms:.1} ms"));
            lines += &format!(
                "  {name} agrees with {against} to {tolerance:.0e}{}\n",
                time.unwrap_or_default()
            );
        }
        if let Some(reason) = network["impossible"].as_str() {
            let reason = printable::line(reason);
            lines += &format!("  {name} was not compared with {against}: {reason}\n");
        }
    }
    match faults {
        [] => lines += "  no errors found\n",
        faults => {
            for fault in faults {
                lines += &format!("  WRONG  {}\n", printable::line(fault));
            }
        }
    }
    lines
}

/// A Markdown report for an issue: the summaries, then all results.
pub fn report(results: &[Value]) -> Result<String> {
    let mut text = format!(
        "# shadernet doctor\n\nshadernet {} ({}), wgpu {}, {} {}\n",
        env!("CARGO_PKG_VERSION"),
        match env!("SHADERNET_COMMIT") {
            "" => "unknown commit",
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
    text += "\n<details><summary>All checks</summary>\n\n```json\n";
    for line in results {
        text += &format!("{line}\n");
    }
    Ok(text + "```\n\n</details>\n")
}
