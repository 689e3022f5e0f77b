//! `shadernet bench compare`.

mod pairs;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use pairs::{Comparison, Key, Outcome, Pair, Row, Verdict, ms, ratio, rows, spread};
use serde_json::{Value, json};
use shadernet::Error;

use crate::{Failure, output};

/// Compare two results files, and tell what got slower
#[derive(Args)]
#[command(after_help = "\
Example:
  shadernet bench kernels --json before.json
  shadernet bench kernels --json after.json
  shadernet bench compare before.json after.json --tolerance 5

Kernels are paired by device, backend, precision, case and kernel, and networks by
device, backend, precision, network, batch and input. The ratio is B's time by
A's: of networks the median, of kernels the fastest round. What differs by less than
the spread of either (the larger) has not moved.

Exit code 3: something is worse: slower by more than the tolerance and by more than
its spread, or wrong or failed in B and not in A.")]
pub struct CompareArgs {
    /// Results before: what --json of `bench kernels` or `bench model` wrote
    #[arg(value_name = "A.json")]
    a: PathBuf,

    /// Results after
    #[arg(value_name = "B.json")]
    b: PathBuf,

    /// How much slower is still good
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent)]
    tolerance: f64,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=1e6).contains(&percent) => Ok(percent),
        _ => Err("expected a number of percent, such as 10".to_owned()),
    }
}

impl CompareArgs {
    pub fn execute(&self) -> Result<(), Failure> {
        let (a, b) = (rows(&self.a)?, rows(&self.b)?);
        let comparison = Comparison::new(a, b, self.tolerance);
        if comparison.pairs.is_empty() {
            // A gate that compared nothing must not open.
            return Err(Failure::Error(Error::file(
                &self.b,
                format!(
                    "nothing in it is of the same device, backend, precision and case as anything in \
                     {}: {} there, {} here",
                    self.a.display(),
                    places(&comparison.only_a),
                    places(&comparison.only_b),
                ),
            )));
        }
        match self.json {
            true => output::json_line(&self.as_json(&comparison))?,
            false => self.print(&comparison, &mut io::stdout().lock())?,
        }
        let worse = comparison
            .pairs
            .iter()
            .filter(|pair| pair.verdict == Verdict::Worse);
        for pair in worse {
            output::say(format_args!("worse: {}", told(pair)));
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
            let of = |pair: &Pair| {
                let key = &pair.key;
                (key.kind, place(key))
            };
            let group = of(first);
            let header = match group.0 {
                "kernels" => ["case", "kernel"],
                _ => ["network", "setting"],
            };
            let header = [
                header[0], header[1], "A ms", "B ms", "B/A", "spread", "moved",
            ];
            let mut table = output::table(&header);
            let mut last = String::new();
            while let Some(pair) = pairs.next_if(|pair| of(pair) == group) {
                let repeated = last == pair.key.what;
                last.clone_from(&pair.key.what);
                let what = if repeated {
                    String::new()
                } else {
                    last.clone()
                };
                table.add_row(cells(what, pair));
            }
            for i in 2..6 {
                if let Some(column) = table.column_mut(i) {
                    column.set_cell_alignment(comfy_table::CellAlignment::Right);
                }
            }
            writeln!(out, "{}\n\n{}\n", group.1, table.trim_fmt())?;
        }
        for (path, rows) in [(&self.a, &comparison.only_a), (&self.b, &comparison.only_b)] {
            for row in rows {
                writeln!(out, "only in {}: {}", path.display(), name(&row.key))?;
            }
        }
        let count = |verdict| comparison.count(verdict);
        writeln!(
            out,
            "{} pairs: {} worse (by more than {} % and their spread), {} slower, {} faster, {} the same",
            comparison.pairs.len(),
            count(Verdict::Worse),
            self.tolerance,
            count(Verdict::Slower),
            count(Verdict::Faster) + count(Verdict::Mended),
            count(Verdict::Same) + count(Verdict::Neither),
        )
    }

    fn as_json(&self, comparison: &Comparison) -> Value {
        let identity = |key: &Key| {
            let [what, setting] = match key.kind {
                "kernels" => ["case", "kernel"],
                _ => ["network", "setting"],
            };
            json!({
                "kind": key.kind,
                "device": key.device,
                "backend": key.backend,
                "precision": key.precision,
                what: key.what,
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
                    Err((what, why)) => line[fault] = json!(format!("{what}: {why}")),
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

fn cells(what: String, pair: &Pair) -> Vec<String> {
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
    let moved = match pair.verdict {
        Verdict::Same | Verdict::Neither => "",
        verdict => verdict.name(),
    };
    let setting = pair.key.setting.clone();
    let moved = moved.to_owned();
    vec![
        what,
        setting,
        time(&pair.a),
        time(&pair.b),
        ratio,
        spread,
        moved,
    ]
}

/// What happened to a pair that got worse.
fn told(pair: &Pair) -> String {
    let name = name(&pair.key);
    match (&pair.a, &pair.b) {
        (Ok(a), Ok(b)) => format!(
            "{name}: {:.3} ms, {:.2} times the {:.3} ms before",
            ms(b),
            ratio(a, b),
            ms(a),
        ),
        (_, Err((what, why))) => format!("{name}: {what}: {why}"),
        // It is worse by its time or by its fault.
        (Err(_), Ok(_)) => name,
    }
}

fn place(key: &Key) -> String {
    let parts = [&key.device, &key.backend, &key.precision];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}

fn name(key: &Key) -> String {
    let what = match (key.kind, key.what.as_str()) {
        ("kernels", "") => "every kernel".to_owned(),
        (_, "") => "every network".to_owned(),
        ("kernels", case) => format!("{} of {case}", key.setting),
        (_, network) => format!("{network}, {}", key.setting),
    };
    format!("{what} on {}", place(key))
}

fn places(rows: &[Row]) -> String {
    let mut places: Vec<String> = rows.iter().map(|row| place(&row.key)).collect();
    places.dedup();
    places.join("; ")
}
