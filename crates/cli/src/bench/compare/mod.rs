//! `shadernet bench compare`.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::unwrap_used
    )
)]

mod pairs;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use pairs::{Comparison, Key, Outcome, Pair, Row, Verdict, ms, ratio, rows, spread};
use serde_json::{Value, json};
use shadernet::{Error, printable};

use crate::value_parsers::percentage;
use crate::{Failure, output};

/// Compare two results files, and report regressions
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench kernels --json before.json
  shadernet bench kernels --json after.json
  shadernet bench compare before.json after.json --tolerance 5

Kernels are paired by device, backend, precision, case and kernel. Networks are paired \
by device, backend, precision, network, batch and input. The ratio is B's time divided \
by A's: the medians of networks, the fastest rounds of kernels. A difference below the \
larger of the two spreads counts as no change.

The exit code is 3 if something is worse: slower by more than the tolerance and the \
spread, or wrong or failed in B but not in A.")]
pub struct CompareArgs {
    /// Results before: the output of `bench kernels --json` or `bench model --json`
    #[arg(value_name = "A.json")]
    a: PathBuf,

    /// Results after
    #[arg(value_name = "B.json")]
    b: PathBuf,

    /// How much slower is acceptable
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percentage)]
    tolerance: f64,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl CompareArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let (a, b) = (rows(&self.a)?, rows(&self.b)?);
        let comparison = Comparison::new(a, b, self.tolerance);
        if comparison.pairs.is_empty() {
            // In a script, a comparison of nothing must not look like success.
            return Err(Failure::Error(Error::file(
                &self.b,
                format!(
                    "no result has the same device, backend, precision and case as one in {}, \
                     which has results of {}; this file has results of {}",
                    self.a.display(),
                    environments(&comparison.only_a),
                    environments(&comparison.only_b),
                ),
            )));
        }
        match self.json {
            true => output::json_line(&self.as_json(&comparison))?,
            false => self.print(&comparison, &mut output::stdout())?,
        }
        let worse = comparison
            .pairs
            .iter()
            .filter(|pair| pair.verdict == Verdict::Worse);
        for pair in worse {
            output::say(format_args!("worse: {}", describe(pair)));
        }
        match comparison.count(Verdict::Worse) {
            0 => Ok(()),
            _ => Err(Failure::Worse),
        }
    }

    fn print(&self, comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
        let mut pairs = comparison
            .pairs
            .iter()
            .filter(|pair| !pair.key.is_whole_device())
            .peekable();
        while let Some(first) = pairs.peek() {
            let group_of = |pair: &Pair| {
                let key = &pair.key;
                (key.kind, environment(key))
            };
            let group = group_of(first);
            let header = match group.0 {
                "kernels" => ["case", "kernel"],
                _ => ["network", "setting"],
            };
            let header = [
                header[0], header[1], "A ms", "B ms", "B/A", "spread", "change",
            ];
            let mut table = output::table(&header);
            let mut last = String::new();
            while let Some(pair) = pairs.next_if(|pair| group_of(pair) == group) {
                let is_repeated = last == pair.key.name;
                last.clone_from(&pair.key.name);
                let name = if is_repeated {
                    String::new()
                } else {
                    last.clone()
                };
                table.add_row(cells(name, pair));
            }
            table.right_align(2..6);
            writeln!(out, "{}\n\n{}\n", group.1, table)?;
        }
        for (path, rows) in [(&self.a, &comparison.only_a), (&self.b, &comparison.only_b)] {
            for row in rows {
                writeln!(out, "only in {}: {}", printable::path(path), name(&row.key))?;
            }
        }
        let count = |verdict| comparison.count(verdict);
        writeln!(
            out,
            "{}: {} worse (by more than {} % and the spread), {} slower, {} faster, {} unchanged",
            output::counted(comparison.pairs.len(), "pair"),
            count(Verdict::Worse),
            self.tolerance,
            count(Verdict::Slower),
            count(Verdict::Faster).saturating_add(count(Verdict::Fixed)),
            count(Verdict::Same).saturating_add(count(Verdict::Neither)),
        )
    }

    fn as_json(&self, comparison: &Comparison) -> Value {
        let identity = |key: &Key| {
            let [name, setting] = match key.kind {
                "kernels" => ["case", "kernel"],
                _ => ["network", "setting"],
            };
            json!({
                "kind": key.kind,
                "device": key.device,
                "backend": key.backend,
                "precision": key.precision,
                name: key.name,
                setting: key.setting,
            })
        };
        let pairs = comparison.pairs.iter().map(|pair| {
            let mut line = identity(&pair.key);
            for (outcome, key, fault) in
                [(&pair.a, "a_ms", "a_fault"), (&pair.b, "b_ms", "b_fault")]
            {
                match outcome {
                    Ok(time) => line[key] = json!(ms(time)),
                    Err((kind, reason)) => line[fault] = json!(format!("{kind}: {reason}")),
                }
            }
            if let (Ok(a), Ok(b)) = (&pair.a, &pair.b) {
                line["ratio"] = json!(ratio(a, b));
                line["spread_percent"] = json!(spread(a, b));
            }
            line["verdict"] = json!(pair.verdict.name());
            line
        });
        let only = |rows: &[Row]| rows.iter().map(|row| identity(&row.key)).collect::<Value>();
        json!({
            "a": self.a.display().to_string(),
            "b": self.b.display().to_string(),
            "tolerance_percent": self.tolerance,
            "worse": comparison.count(Verdict::Worse),
            "pairs": pairs.collect::<Value>(),
            "only_in_a": only(&comparison.only_a),
            "only_in_b": only(&comparison.only_b),
        })
    }
}

fn cells(name: String, pair: &Pair) -> Vec<String> {
    let time = |outcome: &Outcome| match outcome {
        Ok(time) => format!("{:.3}", ms(time)),
        Err((fault, _)) => (*fault).to_owned(),
    };
    let [ratio, spread] = match (&pair.a, &pair.b) {
        (Ok(a), Ok(b)) => [
            format!("{:.2}", ratio(a, b)),
            format!("{:.1} %", spread(a, b)),
        ],
        _ => ["–".to_owned(), "–".to_owned()],
    };
    let change = match pair.verdict {
        Verdict::Same | Verdict::Neither => "",
        verdict => verdict.name(),
    };
    vec![
        name,
        pair.key.setting.clone(),
        time(&pair.a),
        time(&pair.b),
        ratio,
        spread,
        change.to_owned(),
    ]
}

/// How a pair got worse.
fn describe(pair: &Pair) -> String {
    let name = name(&pair.key);
    match (&pair.a, &pair.b) {
        (Ok(a), Ok(b)) => format!(
            "{name}: {:.3} ms, {:.2} times the {:.3} ms before",
            ms(b),
            ratio(a, b),
            ms(a),
        ),
        (_, Err((kind, reason))) => format!("{name}: {kind}: {}", printable::line(reason)),
        // Not reached: a pair is worse by its time or by its fault.
        (Err(_), Ok(_)) => name,
    }
}

/// `NVIDIA H100, vulkan, f16`, as far as known.
fn environment(key: &Key) -> String {
    let parts = [&key.device, &key.backend, &key.precision];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    printable::line(&parts.join(", "))
}

fn name(key: &Key) -> String {
    let name = match (key.kind, key.name.as_str()) {
        ("kernels", "") => "every kernel".to_owned(),
        (_, "") => "every network".to_owned(),
        ("kernels", case) => format!("{} of {case}", key.setting),
        (_, network) => format!("{network}, {}", key.setting),
    };
    format!("{} on {}", printable::line(&name), environment(key))
}

fn environments(rows: &[Row]) -> String {
    let mut environments: Vec<String> = rows.iter().map(|row| environment(&row.key)).collect();
    environments.dedup();
    environments.join("; ")
}
