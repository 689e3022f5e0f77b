//! The results of `bench kernels` for people.

use std::io::{self, Write};

use super::results::{Kernel, Kernels};
use crate::output;

/// The kernels of one device as a table.
pub fn print(results: &Kernels, out: &mut impl Write) -> io::Result<()> {
    if let Some(reason) = &results.failed {
        return writeln!(out, "{}: {reason}", device(results));
    }
    let header = [
        "case", "kernel", "ms", "spread", "GFLOP/s", "GB/s", "FLOP/B", "bound",
    ];
    let mut table = output::table(&header);
    let mut methods = Vec::new();
    let mut before = "";
    for row in &results.kernels {
        table.add_row(cells(row, row.case == before));
        before = &row.case;
        let method = row.method.as_str();
        if !method.is_empty() && !methods.contains(&method) {
            methods.push(method);
        }
    }
    for i in 2..7 {
        if let Some(column) = table.column_mut(i) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let peak = |peak: Option<f64>| peak.unwrap_or_default();
    writeln!(
        out,
        "{}\n\n* the rule's choice; the fastest rounds, by {}\npeaks: {:.1} GFLOP/s, {:.1} GB/s ({:.1} GB/s in a cache)\non {}, {}",
        table.trim_fmt(),
        methods.join(" and "),
        peak(results.peak_gflop_per_second),
        peak(results.peak_gbyte_per_second),
        peak(results.cached_gbyte_per_second),
        device(results),
        results.place.driver,
    )
}

fn device(results: &Kernels) -> String {
    format!("{} ({})", results.place.device, results.place.backend)
}

/// `is_more`: of the case of the row above.
fn cells(row: &Kernel, is_more: bool) -> [String; 8] {
    let number = |value: Option<f64>, digits: usize, unit: &str| match value {
        Some(value) => format!("{value:.digits$}{unit}"),
        None => "–".to_owned(),
    };
    let bound = match (row.of_bound, row.fault.told()) {
        (Some(share), _) => format!("{} {:.0} %", row.bound, share * 100.0),
        (None, Some((what, _))) => what.to_owned(),
        (None, None) => "–".to_owned(),
    };
    [
        match is_more {
            true => String::new(),
            false => row.case.clone(),
        },
        format!("{}{}", row.kernel, if row.rule { " *" } else { "" }),
        number(row.time.min_ms, 3, ""),
        number(row.time.spread_percent, 1, " %"),
        number(row.gflop_per_second, 1, ""),
        number(row.gbyte_per_second, 1, ""),
        number(row.intensity, 1, ""),
        bound,
    ]
}

/// What went wrong on a device, a line each; not what its limits do not allow, which is no fault.
pub fn faults(results: &Kernels) -> Vec<String> {
    let place = device(results);
    let failed = results.failed.iter().map(|why| format!("{place}: {why}"));
    let kernels = results.kernels.iter().filter_map(|row| {
        let (what, reason) = row.fault.told().filter(|_| row.fault.is_fault())?;
        Some(format!(
            "{place}: {} of {}: {what}: {reason}",
            row.kernel, row.case
        ))
    });
    failed.chain(kernels).collect()
}
