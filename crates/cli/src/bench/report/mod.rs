//! Results as a self-contained HTML page, without scripts or external resources.

mod bars;
mod label_layout;
mod roofline;
mod tables;

use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use shadernet::{Error, output_file, printable};

use super::results::{Environment, Kernel, Kernels, Results};
use crate::Failure;

const STYLE: &str = include_str!("page.css");
/// Keeps the browser from loading anything, whatever text the results contain.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Writes a page about `results`, which are objects of `bench kernels --json` and `bench model --json`.
pub fn write(path: &Path, results: &[Value]) -> Result<(), Failure> {
    let failed = |reason: String| Failure::Error(Error::file(path, reason));
    let parse = |value: &Value| Results::deserialize(printable_text(value.clone()));
    let results: Result<Vec<Results>, _> = results.iter().map(parse).collect();
    let results = results.map_err(|error| failed(format!("invalid results: {error}")))?;
    let page = page(&results).map_err(|error| failed(error.to_string()))?;
    Ok(output_file::write(path, page.into_string().as_bytes())?)
}

/// Results whose names of devices, cases and networks are fit for a page.
fn printable_text(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(printable::line(&text)),
        Value::Array(values) => values.into_iter().map(printable_text).collect(),
        Value::Object(object) => {
            let entries = object.into_iter();
            Value::Object(
                entries
                    .map(|(key, value)| (key, printable_text(value)))
                    .collect(),
            )
        }
        value => value,
    }
}

/// The errors of the SVG backend. It writes to a string, so there are none in practice.
type DrawResult<T> = Result<T, Box<dyn std::error::Error>>;

fn page(results: &[Results]) -> DrawResult<Markup> {
    let (mut devices, mut models) = (Vec::new(), Vec::new());
    for one in results {
        match one {
            Results::Kernels(kernels) => devices.push(kernels),
            Results::Model(model) => models.push(model),
        }
    }
    let families = roofline::families(devices.iter().copied());
    let device = |kernels| device(kernels, &families);
    let devices: DrawResult<Vec<Markup>> = devices.into_iter().map(device).collect();
    let devices = devices?;
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                meta name="viewport" content="width=device-width";
                title { "Shadernet bench" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Shadernet bench" }
                (header(results))
                @if !models.is_empty() {
                    section {
                        h2 { "Networks" }
                        (bars::networks(&models))
                        (tables::models(&models))
                    }
                }
                @for device in &devices { (device) }
                footer { "Written by shadernet " (env!("CARGO_PKG_VERSION")) "." }
            }
        }
    })
}

/// A table of the devices and versions.
fn header(results: &[Results]) -> Markup {
    let mut rows: Vec<[String; 5]> = Vec::new();
    for one in results {
        let (environment, more) = match one {
            Results::Kernels(kernels) => (&kernels.environment, &kernels.more),
            Results::Model(model) => (&model.environment, &model.more),
        };
        let Environment {
            device,
            backend,
            driver,
            ..
        } = environment;
        let software = match more.get("software") {
            Some(Value::Bool(true)) => "software",
            Some(Value::Bool(false)) => "hardware",
            _ => "",
        };
        let row = [device, backend, driver, software, &versions(more)].map(str::to_owned);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    html! {
        div.scroll {
            table {
                thead { tr {
                    @for name in ["adapter", "backend", "driver", "", "versions"] { th { (name) } }
                } }
                tbody {
                    @for row in &rows { tr { @for cell in row { td { (cell) } } } }
                }
            }
        }
    }
}

/// `wgpu 30.0.1, commit 0123abc`, as far as known.
fn versions(more: &Map<String, Value>) -> String {
    let is_version = |key: &str| {
        key.contains("version") || key.contains("commit") || ["wgpu", "shadernet"].contains(&key)
    };
    let versions = more.iter().filter(|(key, _)| is_version(key));
    let texts = versions.filter_map(|(key, value)| {
        let key = key.trim_end_matches("_version").replace('_', " ");
        Some(format!("{key} {}", value.as_str()?))
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// The kernels of a device: plots and the table.
fn device(kernels: &Kernels, families: &[&str]) -> DrawResult<Markup> {
    let environment = &kernels.environment;
    Ok(html! {
        section {
            h2 { "Kernels on " (environment.device) ", " (environment.backend)
                @if !environment.precision.is_empty() { ", " (environment.precision) } }
            @match &kernels.failed {
                Some(reason) => p.fault { "Nothing was measured: " (reason) },
                None => {
                    (roofline::figure(kernels, families)?)
                    (bars::data_movement(kernels))
                    (tables::kernels(kernels))
                }
            }
        }
    })
}

/// The family that determines a kernel's color: `winograd` for `winograd-4`.
fn family(kernel: &Kernel) -> &str {
    let name = kernel.kernel.as_str();
    match name.split_once('-') {
        Some((family, size)) if size.starts_with(|c: char| c.is_ascii_digit()) => family,
        _ => name,
    }
}

/// A number with about three significant digits.
fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else {
        return "–".to_owned();
    };
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.001 => format!("{value:.1e}"),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests;
