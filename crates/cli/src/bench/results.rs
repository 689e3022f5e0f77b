//! Results files: the JSON objects that `bench kernels --json` and `bench model --json` print.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use shadernet::internals::read_file;
use shadernet::{Error, Result};

/// More than any results file has: all kernels of a device take about 100 KB.
const MAX_BYTES: u64 = 64 << 20;

/// An object of a results file. Missing fields are `None` or empty.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Results {
    Kernels(Kernels),
    Model(Model),
}

/// The device and precision of a measurement.
#[derive(Deserialize)]
pub struct Environment {
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
    pub environment: Environment,
    pub peak_gflop_per_second: Option<f64>,
    pub peak_gbyte_per_second: Option<f64>,
    pub cached_gbyte_per_second: Option<f64>,
    #[serde(default)]
    pub kernels: Vec<Kernel>,
    /// Why there are no kernels.
    pub failed: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A variant of a case.
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
    pub environment: Environment,
    /// Empty if the device failed before a network was timed.
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

/// A measured time.
#[derive(Clone, Default, Deserialize)]
pub struct Time {
    /// Only for networks.
    pub median_ms: Option<f64>,
    pub min_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    /// For networks the range of nine of ten samples, relative to the median. For kernels the distance to the
    /// third fastest sample, relative to the minimum.
    pub spread_percent: Option<f64>,
}

/// Why a time is missing.
#[derive(Deserialize)]
pub struct Fault {
    wrong: Option<String>,
    failed: Option<String>,
    impossible: Option<String>,
}

impl Kernels {
    /// Parses a device's object of `bench kernels` or `doctor`.
    pub fn parse(object: &Value) -> Result<Self> {
        Self::deserialize(object).map_err(|error| {
            Error::file(
                "the results",
                format!("{error}; expected results of this version of shadernet"),
            )
        })
    }
}

impl Fault {
    /// Whether the kernel or network is faulty. Exceeding a limit of the device is not a fault.
    pub fn is_fault(&self) -> bool {
        self.wrong.is_some() || self.failed.is_some()
    }

    /// `wrong`, `failed` or `impossible`, and the reason.
    pub fn reason(&self) -> Option<(&'static str, &str)> {
        let kinds = [
            ("wrong", &self.wrong),
            ("failed", &self.failed),
            ("impossible", &self.impossible),
        ];
        kinds
            .into_iter()
            .find_map(|(kind, reason)| Some((kind, reason.as_deref()?)))
    }
}

impl Time {
    /// The time that is compared: the median of networks, the minimum of kernels.
    pub fn compared_ms(&self) -> Option<f64> {
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

/// Reads a results file. Errors name the line.
pub fn read(path: &Path) -> Result<Vec<Results>> {
    let text = read_file(path, "a results file", MAX_BYTES)?;
    let invalid = |line: usize, reason: String| {
        Error::file(
            path,
            format!(
                "line {line}: {reason}; expected the output of `shadernet bench kernels --json` or \
             `bench model --json`"
            ),
        )
    };
    let mut all = Vec::new();
    let mut values = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
    // The line, and the byte up to which lines are counted.
    let (mut line, mut counted) = (1_usize, 0);
    loop {
        // The line where the object begins, not where the previous one ends.
        let rest = &text[values.byte_offset()..];
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let begin = values.byte_offset().saturating_add(blank.count());
        let lines = text[counted..begin].iter().filter(|byte| **byte == b'\n');
        line = line.saturating_add(lines.count());
        counted = begin;
        let Some(value) = values.next() else {
            break;
        };
        let value = value.map_err(|error| {
            // The message ends with the line, which `invalid` puts first.
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            invalid(error.line(), format!("not JSON: {reason}"))
        })?;
        all.push(Results::deserialize(value).map_err(|error| invalid(line, error.to_string()))?);
    }
    match all.is_empty() {
        true => Err(invalid(1, "the file is empty".to_owned())),
        false => Ok(all),
    }
}
