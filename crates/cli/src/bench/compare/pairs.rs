//! Pairs the rows of two results files, and judges how they differ.

use std::collections::HashMap;
use std::path::Path;

use shadernet::{Error, Result};

use crate::bench::results::{self, Environment, Fault, Results, Time};

/// Identifies a row. The rows of a pair have equal keys.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub kind: &'static str,
    pub device: String,
    pub backend: String,
    pub precision: String,
    /// The case or network.
    pub name: String,
    /// The kernel, or the batch and input.
    pub setting: String,
    /// Counts rows of one file that are otherwise equal.
    pub nth: usize,
}

/// A time, or the kind of fault and its reason.
pub type Outcome = Result<Time, (&'static str, String)>;

pub struct Row {
    pub key: Key,
    pub outcome: Outcome,
}

impl Row {
    fn new(
        kind: &'static str,
        environment: &Environment,
        name: &str,
        setting: &str,
        outcome: Outcome,
    ) -> Self {
        let key = Key {
            kind,
            device: environment.device.clone(),
            backend: environment.backend.clone(),
            precision: environment.precision.clone(),
            name: name.to_owned(),
            setting: setting.to_owned(),
            nth: 0,
        };
        Self { key, outcome }
    }
}

impl Key {
    /// Whether the row stands for a whole device that crashed, hung or failed. It has no case or network.
    pub fn is_whole_device(&self) -> bool {
        self.name.is_empty()
    }

    /// Whether the row belongs to the device of `failed`, a row for a whole device.
    fn belongs_to(&self, failed: &Self) -> bool {
        let is_precision = failed.precision.is_empty() || self.precision == failed.precision;
        let device = |key: &Self| (key.kind, key.device.clone(), key.backend.clone());
        is_precision && device(self) == device(failed)
    }
}

/// How a row of B compares with A's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The difference is within the spread.
    Same,
    Faster,
    /// The difference is above the spread, but within the tolerance.
    Slower,
    Worse,
    /// Only B has a time.
    Fixed,
    /// Neither has a time.
    Neither,
}

impl Verdict {
    fn new(a: &Outcome, b: &Outcome, tolerance: f64) -> Self {
        let (a, b) = match (a, b) {
            (Ok(a), Ok(b)) => (a, b),
            (Ok(_), Err(_)) => return Self::Worse,
            (Err(_), Ok(_)) => return Self::Fixed,
            (Err(_), Err(_)) => return Self::Neither,
        };
        let spread = spread(a, b);
        match (ratio(a, b) - 1.0) * 100.0 {
            percent if percent.abs() <= spread => Self::Same,
            percent if percent < 0.0 => Self::Faster,
            percent if percent > tolerance => Self::Worse,
            _ => Self::Slower,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Worse => "worse",
            Self::Fixed => "mended",
            Self::Neither => "neither",
        }
    }
}

/// The time that is compared: the median of networks, the fastest round of kernels.
pub fn ms(time: &Time) -> f64 {
    // Rows without a time are rejected when they are read.
    time.compared_ms().unwrap_or_default()
}

/// B's time divided by A's.
pub fn ratio(a: &Time, b: &Time) -> f64 {
    match ms(a) == ms(b) {
        true => 1.0,
        false => ms(b) / ms(a),
    }
}

/// The larger spread, in percent.
pub fn spread(a: &Time, b: &Time) -> f64 {
    let spread = |time: &Time| time.spread_percent.unwrap_or_default();
    spread(a).max(spread(b))
}

pub struct Pair {
    pub key: Key,
    pub a: Outcome,
    pub b: Outcome,
    pub verdict: Verdict,
}

pub struct Comparison {
    pub pairs: Vec<Pair>,
    pub only_a: Vec<Row>,
    pub only_b: Vec<Row>,
}

impl Comparison {
    pub fn new(a: Vec<Row>, b: Vec<Row>, tolerance: f64) -> Self {
        let mut indices: HashMap<Key, usize> = HashMap::new();
        for (i, row) in b.iter().enumerate() {
            indices.insert(row.key.clone(), i);
        }
        let failed_devices: Vec<Key> = (b.iter().filter(|row| row.key.is_whole_device()))
            .map(|row| row.key.clone())
            .collect();
        let mut b: Vec<Option<Row>> = b.into_iter().map(Some).collect();
        let (mut pairs, mut only_a) = (Vec::new(), Vec::new());
        for row in a {
            let partner = indices.get(&row.key).and_then(|i| b[*i].take());
            if let Some(Row { key, outcome }) = partner {
                let verdict = Verdict::new(&row.outcome, &outcome, tolerance);
                let (a, b) = (row.outcome, outcome);
                pairs.push(Pair { key, a, b, verdict });
            } else {
                only_a.push(row);
            }
        }
        // All rows of a device that failed in B make one pair that is worse.
        for key in failed_devices {
            let worked = |row: &Row| row.key.belongs_to(&key) && row.outcome.is_ok();
            let index = indices.get(&key).filter(|_| only_a.iter().any(worked));
            let Some(Row { key, outcome }) = index.and_then(|i| b[*i].take()) else {
                continue;
            };
            only_a.retain(|row| !row.key.belongs_to(&key));
            pairs.push(Pair {
                key,
                // The rows of A had times, but the device as a whole has none.
                a: Ok(Time::default()),
                b: outcome,
                verdict: Verdict::Worse,
            });
        }
        Self {
            pairs,
            only_a,
            only_b: b.into_iter().flatten().collect(),
        }
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.pairs
            .iter()
            .filter(|pair| pair.verdict == verdict)
            .count()
    }
}

/// Reads the rows of a file.
pub fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for results in results::read(path)? {
        match results {
            Results::Kernels(kernels) => {
                let environment = &kernels.environment;
                if let Some(reason) = kernels.failed {
                    let outcome = Err(("failed", reason));
                    rows.push(Row::new("kernels", environment, "", "", outcome));
                }
                for kernel in &kernels.kernels {
                    let (case, name) = (&kernel.case, &kernel.kernel);
                    let outcome = outcome(
                        path,
                        &format!("{name} of {case}"),
                        &kernel.time,
                        &kernel.fault,
                    )?;
                    rows.push(Row::new("kernels", environment, case, name, outcome));
                }
            }
            Results::Model(model) => {
                let outcome = outcome(path, &model.network, &model.time, &model.fault)?;
                rows.push(Row::new(
                    "model",
                    &model.environment,
                    &model.network,
                    &model.setting(),
                    outcome,
                ));
            }
        }
    }
    let mut seen: HashMap<Key, usize> = HashMap::new();
    for row in &mut rows {
        let count = seen.entry(row.key.clone()).or_default();
        row.key.nth = *count;
        *count = count.saturating_add(1);
    }
    Ok(rows)
}

fn outcome(path: &Path, name: &str, time: &Time, fault: &Fault) -> Result<Outcome> {
    if let Some((kind, reason)) = fault.reason() {
        return Ok(Err((kind, reason.to_owned())));
    }
    match time.compared_ms() {
        Some(ms) if ms >= 0.0 => Ok(Ok(time.clone())),
        _ => Err(Error::file(
            path,
            format!(
                "{name} has neither a time (median_ms, min_ms) nor a reason (wrong, failed, impossible)"
            ),
        )),
    }
}
