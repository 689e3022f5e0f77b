//! Which rows of two results files belong together, and how they differ.

use std::collections::HashMap;
use std::path::Path;

use shadernet::{Error, Result};

use crate::bench::results::{self, Fault, Place, Results, Time};

/// What is the same in the rows of a pair.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub kind: &'static str,
    pub device: String,
    pub backend: String,
    pub precision: String,
    /// The case or network.
    pub what: String,
    /// The kernel, or the batch and input.
    pub setting: String,
    /// How many such were before it in the file.
    pub nth: usize,
}

/// A time, or a kind of fault and why.
pub type Outcome = Result<Time, (&'static str, String)>;

pub struct Row {
    pub key: Key,
    pub outcome: Outcome,
}

impl Row {
    fn new(kind: &'static str, place: &Place, what: &str, setting: &str, outcome: Outcome) -> Self {
        let key = Key {
            kind,
            device: place.device.clone(),
            backend: place.backend.clone(),
            precision: place.precision.clone(),
            what: what.to_owned(),
            setting: setting.to_owned(),
            nth: 0,
        };
        Self { key, outcome }
    }
}

impl Key {
    /// All of a device that crashed, hung or refused: one row without a case or network.
    pub fn is_whole_device(&self) -> bool {
        self.what.is_empty()
    }

    /// Whether it is of the device that `lost` is all of.
    fn is_of(&self, lost: &Self) -> bool {
        let precision = lost.precision.is_empty() || self.precision == lost.precision;
        let device = |key: &Self| (key.kind, key.device.clone(), key.backend.clone());
        precision && device(self) == device(lost)
    }
}

/// How a row of B is beside A's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Within its spread.
    Same,
    Faster,
    /// Beyond its spread, within the tolerance.
    Slower,
    Worse,
    /// It has a time now.
    Mended,
    /// Neither has a time.
    Neither,
}

impl Verdict {
    fn of(a: &Outcome, b: &Outcome, tolerance: f64) -> Self {
        let (a, b) = match (a, b) {
            (Ok(a), Ok(b)) => (a, b),
            (Ok(_), Err(_)) => return Self::Worse,
            (Err(_), Ok(_)) => return Self::Mended,
            (Err(_), Err(_)) => return Self::Neither,
        };
        let moved = (ratio(a, b) - 1.0) * 100.0;
        let spread = spread(a, b);
        match moved {
            moved if moved.abs() <= spread => Self::Same,
            moved if moved < 0.0 => Self::Faster,
            moved if moved > tolerance => Self::Worse,
            _ => Self::Slower,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Faster => "faster",
            Self::Slower => "slower",
            Self::Worse => "worse",
            Self::Mended => "mended",
            Self::Neither => "neither",
        }
    }
}

/// What is compared: a network's median, a kernel's fastest round.
pub fn ms(time: &Time) -> f64 {
    // Rows without either are refused as they are read.
    time.told().unwrap_or_default()
}

/// B by A.
pub fn ratio(a: &Time, b: &Time) -> f64 {
    match ms(a) == ms(b) {
        true => 1.0,
        false => ms(b) / ms(a),
    }
}

/// The larger of both, in percent.
pub fn spread(a: &Time, b: &Time) -> f64 {
    let of = |time: &Time| time.spread_percent.unwrap_or_default();
    of(a).max(of(b))
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
        let mut places: HashMap<Key, usize> = HashMap::new();
        for (i, row) in b.iter().enumerate() {
            places.insert(row.key.clone(), i);
        }
        let lost: Vec<Key> = (b.iter().filter(|row| row.key.is_whole_device()))
            .map(|row| row.key.clone())
            .collect();
        let mut b: Vec<Option<Row>> = b.into_iter().map(Some).collect();
        let (mut pairs, mut only_a) = (Vec::new(), Vec::new());
        for row in a {
            let like = places.get(&row.key).and_then(|i| b[*i].take());
            if let Some(Row { key, outcome }) = like {
                let verdict = Verdict::of(&row.outcome, &outcome, tolerance);
                let (a, b) = (row.outcome, outcome);
                pairs.push(Pair { key, a, b, verdict });
            } else {
                only_a.push(row);
            }
        }
        // All that a lost device had is one thing that got worse.
        for key in lost {
            let had = |row: &Row| row.key.is_of(&key) && row.outcome.is_ok();
            let place = places.get(&key).filter(|_| only_a.iter().any(had));
            let Some(Row { key, outcome }) = place.and_then(|i| b[*i].take()) else {
                continue;
            };
            only_a.retain(|row| !row.key.is_of(&key));
            pairs.push(Pair {
                key,
                // It had times, none of which is the device's.
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

/// The rows of a file.
pub fn rows(path: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for results in results::read(path)? {
        match results {
            Results::Kernels(kernels) => {
                let place = &kernels.place;
                if let Some(why) = kernels.failed {
                    rows.push(Row::new("kernels", place, "", "", Err(("failed", why))));
                }
                for kernel in &kernels.kernels {
                    let (case, name) = (&kernel.case, &kernel.kernel);
                    let outcome = outcome(
                        path,
                        &format!("{name} of {case}"),
                        &kernel.time,
                        &kernel.fault,
                    )?;
                    rows.push(Row::new("kernels", place, case, name, outcome));
                }
            }
            Results::Model(model) => {
                let outcome = outcome(path, &model.network, &model.time, &model.fault)?;
                rows.push(Row::new(
                    "model",
                    &model.place,
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
        *count += 1;
    }
    Ok(rows)
}

fn outcome(path: &Path, name: &str, time: &Time, fault: &Fault) -> Result<Outcome> {
    if let Some((what, why)) = fault.told() {
        return Ok(Err((what, why.to_owned())));
    }
    match time.told() {
        Some(ms) if ms >= 0.0 => Ok(Ok(time.clone())),
        _ => Err(Error::file(
            path,
            format!("{name} has neither a time (median_ms, min_ms) nor a reason for that"),
        )),
    }
}
