//! The results of `bench kernels` for people.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::output;

/// The kernels of one device as a table; `results` is as `bench kernels` makes it.
pub fn print(results: &Value, out: &mut impl Write) -> io::Result<()> {
    let device = format!("{} ({})", text(results, "device"), text(results, "backend"));
    if let Some(reason) = results["failed"].as_str() {
        return writeln!(out, "{device}: {reason}");
    }
    let header = [
        "case", "kernel", "ms", "spread", "GFLOP/s", "GB/s", "FLOP/B", "bound",
    ];
    let mut table = output::table(&header);
    let mut methods = Vec::new();
    let mut before = "";
    for row in rows(results) {
        let case = text(row, "case");
        let mark = if row["rule"] == true { " *" } else { "" };
        let mut cells = vec![
            if case == before {
                String::new()
            } else {
                case.to_owned()
            },
            format!("{}{mark}", text(row, "kernel")),
        ];
        before = case;
        let number = |key: &str, digits: usize| match row[key].as_f64() {
            Some(value) => format!("{value:.digits$}"),
            None => "–".to_owned(),
        };
        let method = text(row, "method");
        if !method.is_empty() && !methods.contains(&method) {
            methods.push(method);
        }
        cells.extend([
            number("median_ms", 3),
            match row["spread_percent"].as_f64() {
                Some(spread) => format!("{spread:.1} %"),
                None => "–".to_owned(),
            },
            number("gflop_per_second", 1),
            number("gbyte_per_second", 1),
            number("intensity", 1),
            match row["of_bound"].as_f64() {
                Some(share) => format!("{} {:.0} %", text(row, "bound"), share * 100.0),
                None => match fault(row) {
                    Some((what, _)) => what.to_owned(),
                    None => "–".to_owned(),
                },
            },
        ]);
        table.add_row(cells);
    }
    for i in 2..7 {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let peak = |key: &str| results[key].as_f64().unwrap_or_default();
    writeln!(
        out,
        "{}\n\n* the rule's choice; medians, by {}\npeaks: {:.1} GFLOP/s, {:.1} GB/s ({:.1} GB/s in a cache)\non {device}, {}",
        table.trim_fmt(),
        methods.join(" and "),
        peak("peak_gflop_per_second"),
        peak("peak_gbyte_per_second"),
        peak("cached_gbyte_per_second"),
        text(results, "driver"),
    )
}

/// What went wrong on a device, a line each.
pub fn faults(results: &Value) -> Vec<String> {
    let place = format!("{} ({})", text(results, "device"), text(results, "backend"));
    let device = results["failed"].as_str();
    let device = device.map(|reason| format!("{place}: {reason}"));
    let kernels = rows(results).filter_map(|row| {
        let (what, reason) = fault(row)?;
        let name = format!("{} of {}", text(row, "kernel"), text(row, "case"));
        (what != IMPOSSIBLE).then(|| format!("{place}: {name}: {what}: {reason}"))
    });
    device.into_iter().chain(kernels).collect()
}

/// No fault of the kernel: the device does not allow as much.
const IMPOSSIBLE: &str = "beyond a limit";

/// Why a row has no time.
fn fault(row: &Value) -> Option<(&'static str, &str)> {
    let kinds = [
        ("wrong", "wrong answer"),
        ("failed", "refused"),
        ("impossible", IMPOSSIBLE),
    ];
    (kinds.into_iter()).find_map(|(key, what)| Some((what, row[key].as_str()?)))
}

fn rows(results: &Value) -> impl Iterator<Item = &Value> {
    results["kernels"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
