//! What `bench model` has measured, for machines and for people.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};
use shadernet::Result;
use shadernet::device::Device;
use shadernet::tensor::Shape;
use shadernet_bench::samples::Samples;

use super::about;
use super::cost::Cost;
use super::setup::Prepared;
use crate::output;
use crate::resolve_model::Network;

/// A network's passes on a device.
pub struct Measured<'a> {
    pub network: &'a Network,
    pub prepared: Prepared,
    /// Passes before those that were timed.
    pub warm_up: usize,
    pub seconds: Samples,
}

/// The setting that was timed in turns with another.
pub struct Versus<'a> {
    /// As it was written.
    pub change: &'a str,
    pub device: &'a Device,
    pub measured: Measured<'a>,
    /// Its times over the other's, pair by pair.
    pub ratios: Samples,
}

impl Measured<'_> {
    /// A row.
    pub fn as_json(&self, device: &Device, versus: Option<&Versus>) -> Result<Value> {
        let mut row = self.row(device)?;
        if let Some(versus) = versus {
            row["vs"] = versus.measured.row(versus.device)?;
            row["vs"]["setting"] = json!(versus.change);
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
            prepared,
            seconds,
            ..
        } = self;
        let first = &prepared.first;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let inputs: Vec<&[usize]> = network.inputs.iter().map(Shape::dims).collect();
        let batch = inputs[0][0];
        let cost = Cost::of(&network.graph, &network.inputs, prepared.precision)?;
        let gflop = cost.operations as f64 / 1e9;
        let mut row = about(device);
        let more = json!({
            "kind": "model",
            "network": network.graph.name(),
            "model": network.folder.as_ref().map(|folder| folder.path.display().to_string()),
            "source": network.source(),
            "precision": prepared.precision.name(),
            "tuned": prepared.is_tuned,
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
            "first_ms": ms(first.whole),
            "device_ms": ms(first.device),
            "weights_ms": ms(first.weights),
            "prepare_ms": ms(first.prepare),
            "first_run_ms": ms(first.run),
            "device_bytes": prepared.session.device_bytes(),
            "gflop": gflop,
            "gflop_per_second": gflop / seconds.median(),
            "bytes": cost.bytes,
        });
        if let (Some(row), Value::Object(more)) = (row.as_object_mut(), more) {
            row.extend(more);
        }
        Ok(row)
    }
}

/// Rows as [`Measured::as_json`] makes them, or with a reason under `failed`.
pub fn print(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    match rows {
        [row] if row["vs"].is_null() && row["failed"].is_null() => details(row, out),
        rows => overview(rows, out),
    }
}

/// One row, with where the first answer's time went.
fn details(row: &Value, out: &mut impl Write) -> io::Result<()> {
    let inputs = row["inputs"].as_array().into_iter().flatten();
    let shapes: Vec<String> = inputs.map(shape).collect();
    writeln!(
        out,
        "{} ({}), {}, {}\non {} ({}){}{}\n",
        text(row, "network"),
        text(row, "source"),
        shapes.join(" "),
        text(row, "precision"),
        text(row, "device"),
        text(row, "backend"),
        if row["software"] == true {
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
    add("95 %", "p95_ms", "of the passes are no slower".to_owned());
    let passes = format!(
        "{} passes, nine of ten within {:.1} % of the median of one another",
        row["rounds"],
        number(row, "spread_percent")
    );
    add("maximum", "max_ms", passes);
    add("first answer", "first_ms", "of which".to_owned());
    add("  device", "device_ms", String::new());
    add("  weights", "weights_ms", String::new());
    add("  preparing", "prepare_ms", String::new());
    add("  first pass", "first_run_ms", String::new());
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    match row["device_bytes"].as_u64() {
        Some(bytes) => writeln!(out, "\n{} on the device", output::bytes(bytes)),
        None => Ok(()),
    }
}

/// Several rows; where settings are compared, each with the other below it.
fn overview(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    let header = [
        "network",
        "device",
        "batch",
        "precision",
        "median ms",
        "min",
        "95 %",
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
            failures.push(format!("{device}: {reason}"));
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
    for i in 4..header.len() {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    if failures.len() < rows.len() {
        writeln!(out, "{}", table.trim_fmt())?;
    }
    failures.iter().try_for_each(|line| writeln!(out, "{line}"))
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

/// `[1, 3, 224, 224]`, as shapes are printed elsewhere.
fn shape(dims: &Value) -> String {
    let dims = dims.as_array().into_iter().flatten();
    let dims: Vec<usize> = dims.filter_map(Value::as_u64).map(|d| d as usize).collect();
    Shape::from(dims).to_string()
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}
