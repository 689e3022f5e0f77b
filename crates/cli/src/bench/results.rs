//! Results files: JSON objects one after the other, as `bench kernels --json` and `bench model --json`
//! print them.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use shadernet::{Error, Result};

/// An object of a results file. What it does not have is `None` or empty.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Results {
    Kernels(Kernels),
    Model(Model),
}

/// Where it was measured.
#[derive(Deserialize)]
pub struct Place {
    pub device: String,
    pub backend: String,
    #[serde(default)]
    pub driver: String,
    #[serde(default)]
    pub precision: String,
}

/// The kernels of a device.
#[derive(Deserialize)]
pub struct Kernels {
    #[serde(flatten)]
    pub place: Place,
    pub peak_gflop_per_second: Option<f64>,
    pub peak_gbyte_per_second: Option<f64>,
    pub cached_gbyte_per_second: Option<f64>,
    #[serde(default)]
    pub kernels: Vec<Kernel>,
    /// Why there are none.
    pub failed: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A way to compute a case.
#[derive(Deserialize)]
pub struct Kernel {
    pub case: String,
    pub kernel: String,
    #[serde(default)]
    pub rule: bool,
    #[serde(default)]
    pub method: String,
    #[serde(flatten)]
    pub time: Time,
    pub operations: Option<f64>,
    pub intensity: Option<f64>,
    pub gflop_per_second: Option<f64>,
    pub gbyte_per_second: Option<f64>,
    #[serde(default)]
    pub bound: String,
    pub of_bound: Option<f64>,
    pub error: Option<f64>,
    #[serde(flatten)]
    pub fault: Fault,
}

/// A network.
#[derive(Deserialize)]
pub struct Model {
    #[serde(flatten)]
    pub place: Place,
    /// Empty where a device failed before there was one.
    #[serde(default)]
    pub network: String,
    pub batch: Option<u64>,
    #[serde(default)]
    pub input: Vec<u64>,
    #[serde(flatten)]
    pub time: Time,
    pub images_per_second: Option<f64>,
    pub first_ms: Option<f64>,
    #[serde(flatten)]
    pub fault: Fault,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// How long it took.
#[derive(Clone, Default, Deserialize)]
pub struct Time {
    /// Of networks.
    pub median_ms: Option<f64>,
    pub min_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    /// Of the median: nine of ten samples lie so close together. Where there is none, of the minimum:
    /// two more samples lie so close to it.
    pub spread_percent: Option<f64>,
}

/// Why there is no time.
#[derive(Deserialize)]
pub struct Fault {
    wrong: Option<String>,
    failed: Option<String>,
    impossible: Option<String>,
}

impl Kernels {
    /// Of what `bench kernels` and `doctor` make of a device.
    pub fn of(line: &Value) -> Result<Self> {
        Self::deserialize(line).map_err(|error| {
            let reason = format!("{error}; expected what this version of shadernet makes");
            Error::file("the results", reason)
        })
    }
}

impl Fault {
    /// Whether something is wrong, where the device could do it.
    pub fn is_fault(&self) -> bool {
        self.wrong.is_some() || self.failed.is_some()
    }

    /// What kind of fault, and why.
    pub fn told(&self) -> Option<(&'static str, &str)> {
        let kinds = [
            ("wrong", &self.wrong),
            ("failed", &self.failed),
            ("impossible", &self.impossible),
        ];
        kinds
            .into_iter()
            .find_map(|(what, why)| Some((what, why.as_deref()?)))
    }
}

impl Time {
    /// What is compared: a network's median, a kernel's minimum.
    pub fn told(&self) -> Option<f64> {
        self.median_ms.or(self.min_ms)
    }
}

impl Model {
    /// `batch 8, 3x224x224`.
    pub fn setting(&self) -> String {
        let dims: Vec<String> = self.input.iter().map(u64::to_string).collect();
        let batch = self.batch.map(|batch| format!("batch {batch}"));
        let parts = batch.into_iter().chain([dims.join("x")]);
        let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }
}

/// Reads a file; every message has the line.
pub fn read(path: &Path) -> Result<Vec<Results>> {
    let text = fs::read(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let refused = |line: usize, reason: String| {
        let reason = format!(
            "line {line}: {reason}; expected what `shadernet bench kernels --json` or `bench model \
             --json` writes"
        );
        Error::file(path, reason)
    };
    let mut all = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    loop {
        // Where the object begins, not where the one before ends.
        let rest = &text[values.byte_offset()..];
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let begin = values.byte_offset() + blank.count();
        let line = 1 + text[..begin].iter().filter(|byte| **byte == b'\n').count();
        let Some(value) = values.next() else {
            break;
        };
        let value = value.map_err(|error| {
            // It has the line already, of the file as a whole.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            refused(error.line(), format!("no JSON: {reason}"))
        })?;
        all.push(Results::deserialize(value).map_err(|error| refused(line, error.to_string()))?);
    }
    match all.is_empty() {
        true => Err(refused(1, "the file is empty".to_owned())),
        false => Ok(all),
    }
}
