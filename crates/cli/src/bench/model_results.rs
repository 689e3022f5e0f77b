//! The results of `bench model` as JSON and as text.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};
use shadernet::Result;
use shadernet::device::Device;
use shadernet::printable::{self, name};
use shadernet::tensor::Shape;
use shadernet_bench::samples::Samples;

use super::cost::Cost;
use super::setup::TimedSession;
use super::{device_info, text};
use crate::output;
use crate::resolve_model::Network;

/// The timing of a network on a device.
pub struct ModelTiming<'a> {
    pub network: &'a Network,
    pub session: TimedSession,
    /// Number of warm-up passes.
    pub warm_up: usize,
    /// Seconds of each timed pass.
    pub seconds: Samples,
}

/// The timing of the `--vs` setting.
pub struct Versus<'a> {
    /// The option's value.
    pub setting: &'a str,
    pub device: &'a Device,
    pub timing: ModelTiming<'a>,
    /// This setting's times divided by the default's, pair by pair.
    pub ratios: Samples,
}

impl ModelTiming<'_> {
    /// A row of the results.
    pub fn as_json(&self, device: &Device, versus: Option<&Versus>) -> Result<Value> {
        let mut row = self.row(device)?;
        if let Some(versus) = versus {
            row["vs"] = versus.timing.row(versus.device)?;
            row["vs"]["setting"] = json!(versus.setting);
            row["ratio"] = json!(versus.ratios.median());
            row["ratio_spread_percent"] = json!(versus.ratios.spread() * 100.0);
            row["ratio_min"] = json!(versus.ratios.min());
            row["ratio_max"] = json!(versus.ratios.max());
        }
        Ok(row)
    }

    fn row(&self, device: &Device) -> Result<Value> {
        let Self {
            network,
            session,
            seconds,
            ..
        } = self;
        let first = &session.first;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let inputs: Vec<&[usize]> = network.inputs.iter().map(Shape::dims).collect();
        let batch = inputs[0][0];
        let cost = Cost::new(&network.graph, &network.inputs, session.precision)?;
        let gflop = cost.operations as f64 / 1e9;
        let mut row = device_info(device);
        let timing = json!({
            "kind": "model",
            "network": network.graph.name(),
            "model": network.model_path(),
            "source": network.weights_source(),
            "precision": session.precision.name(),
            "tuned": session.is_tuned,
            "batch": batch,
            "input": &inputs[0][1..],
            "inputs": inputs,
            "rounds": seconds.count(),
            "warm_up_rounds": self.warm_up,
            "median_ms": seconds.median() * 1e3,
            "min_ms": seconds.min() * 1e3,
            "p95_ms": seconds.quantile(0.95) * 1e3,
            "max_ms": seconds.max() * 1e3,
            "spread_percent": seconds.spread() * 100.0,
            "images_per_second": batch as f64 / seconds.median(),
            "first_ms": ms(first.total),
            "device_ms": ms(first.device),
            "weights_ms": ms(first.weights),
            "prepare_ms": ms(first.prepare),
            "first_run_ms": ms(first.run),
            "device_bytes": session.session.device_bytes(),
            "gflop": gflop,
            "gflop_per_second": gflop / seconds.median(),
            "bytes": cost.bytes,
        });
        if let (Some(row), Value::Object(timing)) = (row.as_object_mut(), timing) {
            row.extend(timing);
        }
        Ok(row)
    }
}

/// Prints rows of [`ModelTiming::as_json`], or rows with a reason as `failed`.
pub fn print(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    match rows {
        [row] if row["vs"].is_null() && row["failed"].is_null() => details(row, out),
        rows => overview(rows, out),
    }
}

/// Prints one row, with the parts of the time to the first result.
fn details(row: &Value, out: &mut impl Write) -> io::Result<()> {
    let inputs = row["inputs"].as_array().into_iter().flatten();
    let shapes: Vec<String> = inputs.map(shape).collect();
    let threads = match row["threads"].as_u64() {
        Some(1) => ", 1 thread".to_owned(),
        Some(threads) => format!(", {threads} threads"),
        None => String::new(),
    };
    writeln!(
        out,
        "{} ({}), {}, {}\non {} ({}{}){}{}\n",
        name(text(row, "network")),
        printable::path(text(row, "source")),
        shapes.join(" "),
        text(row, "precision"),
        name(text(row, "device")),
        text(row, "backend"),
        threads,
        // That the CPU backend is software goes without saying.
        if row["software"] == true && threads.is_empty() {
            ", software"
        } else {
            ""
        },
        if row["tuned"] == true { ", tuned" } else { "" },
    )?;
    let mut table = output::table(&["", "ms", ""]);
    let mut add = |name: &str, key: &str, note: String| {
        table.add_row([name.to_owned(), format!("{:.2}", number(row, key)), note]);
    };
    let rates = format!(
        "{:.1} images/s, {:.1} GFLOP/s",
        number(row, "images_per_second"),
        number(row, "gflop_per_second")
    );
    add("median", "median_ms", rates);
    add("minimum", "min_ms", String::new());
    add("95th percentile", "p95_ms", String::new());
    let passes = format!(
        "{}, spread {:.1} %",
        match row["rounds"].as_u64() {
            Some(1) => "1 pass".to_owned(),
            _ => format!("{} passes", row["rounds"]),
        },
        number(row, "spread_percent")
    );
    add("maximum", "max_ms", passes);
    add("first result", "first_ms", String::new());
    add("  device", "device_ms", String::new());
    add("  weights", "weights_ms", String::new());
    add("  preparation", "prepare_ms", String::new());
    add("  first pass", "first_run_ms", String::new());
    table.right_align(1..2);
    writeln!(out, "{}", table)?;
    match row["device_bytes"].as_u64() {
        Some(bytes) => writeln!(
            out,
            "\n{} {}",
            output::bytes(bytes),
            match threads.is_empty() {
                true => "on the device",
                false => "of weights and values",
            }
        ),
        None => Ok(()),
    }
}

/// Prints several rows. With `--vs`, each is followed by that of the other setting.
fn overview(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    let header = [
        "network",
        "device",
        "batch",
        "precision",
        "median ms",
        "min",
        "p95",
        "spread",
        "images/s",
        "first ms",
        "memory",
        "ratio",
    ];
    let mut table = output::table(&header);
    let mut failures = Vec::new();
    for row in rows {
        let device = format!("{} ({})", text(row, "device"), text(row, "backend"));
        if let Some(reason) = row["failed"].as_str() {
            failures.push(printable::line(&format!("{device}: {reason}")));
            continue;
        }
        table.add_row(cells(
            text(row, "network").to_owned(),
            &device,
            row,
            String::new(),
        ));
        if let Some(other) = row.get("vs") {
            let device = format!("{} ({})", text(other, "device"), text(other, "backend"));
            let ratio = format!(
                "{:.3} ± {:.1} %",
                number(row, "ratio"),
                number(row, "ratio_spread_percent") / 2.0
            );
            let name = format!("  vs {}", text(other, "setting"));
            table.add_row(cells(name, &device, other, ratio));
        }
    }
    table.right_align(4..header.len());
    if failures.len() < rows.len() {
        writeln!(out, "{}", table)?;
    }
    for row in rows.iter().filter(|row| row["tuning"].is_object()) {
        writeln!(out, "{}", tuning_line(row))?;
    }
    failures.iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// What tuning changed, and by how much it is faster.
fn tuning_line(row: &Value) -> String {
    let tuning = &row["tuning"];
    format!(
        "{} ({}): tuned in {:.1} s, {} of {} kinds of layers have other kernels: {:.2} times as fast as untuned",
        name(text(row, "network")),
        text(row, "precision"),
        number(tuning, "seconds"),
        tuning["changed"],
        tuning["layers"],
        number(row, "ratio"),
    )
}

fn cells(name: String, device: &str, row: &Value, ratio: String) -> Vec<String> {
    let ms = |key: &str| format!("{:.2}", number(row, key));
    vec![
        name,
        device.to_owned(),
        row["batch"].to_string(),
        text(row, "precision").to_owned(),
        ms("median_ms"),
        ms("min_ms"),
        ms("p95_ms"),
        format!("{:.1} %", number(row, "spread_percent")),
        format!("{:.1}", number(row, "images_per_second")),
        format!("{:.0}", number(row, "first_ms")),
        row["device_bytes"]
            .as_u64()
            .map_or_else(|| "–".to_owned(), output::bytes),
        ratio,
    ]
}

/// The text of a shape, such as `[1, 3, 224, 224]`.
fn shape(dims: &Value) -> String {
    let dims = dims.as_array().into_iter().flatten();
    let dims: Vec<usize> = dims.filter_map(Value::as_u64).map(|d| d as usize).collect();
    Shape::from(dims).to_string()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}
