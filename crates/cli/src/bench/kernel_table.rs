//! The results of `bench kernels` as text.

use std::io::{self, Write};

use super::results::{Kernel, Kernels};
use crate::output;
use shadernet::printable::{self, name};

/// The kernels of one device as a table.
pub fn print(results: &Kernels, out: &mut impl Write) -> io::Result<()> {
    if let Some(reason) = &results.failed {
        return writeln!(out, "{}: {}", device(results), printable::line(reason));
    }
    let header = [
        "case", "kernel", "ms", "spread", "GFLOP/s", "GB/s", "FLOP/B", "bound",
    ];
    let mut table = output::table(&header);
    let mut methods = Vec::new();
    let mut previous = "";
    for row in &results.kernels {
        table.add_row(cells(row, row.case == previous));
        previous = &row.case;
        let method = row.method.as_str();
        if !method.is_empty() && !methods.contains(&method) {
            methods.push(method);
        }
    }
    table.right_align(2..7);
    let peak = |peak: Option<f64>| peak.unwrap_or_default();
    writeln!(
        out,
        "{}\n\n* selected by the heuristic; times of the fastest rounds, by {}\npeaks: {:.1} GFLOP/s, {:.1} GB/s ({:.1} GB/s in a cache)\non {}, {}",
        table,
        methods.join(" and "),
        peak(results.peak_gflop_per_second),
        peak(results.peak_gbyte_per_second),
        peak(results.cached_gbyte_per_second),
        device(results),
        name(&results.environment.driver),
    )
}

fn device(results: &Kernels) -> String {
    let environment = &results.environment;
    let [device, backend] = [&environment.device, &environment.backend].map(|text| name(text));
    format!("{device} ({backend})")
}

/// `is_same_case`: whether the row above is of the same case.
fn cells(row: &Kernel, is_same_case: bool) -> [String; 8] {
    let number = |value: Option<f64>, digits: usize, unit: &str| match value {
        Some(value) => format!("{value:.digits$}{unit}"),
        None => "–".to_owned(),
    };
    let bound = match (row.of_bound, row.fault.reason()) {
        (Some(share), _) => format!("{} {:.0} %", row.bound, share * 100.0),
        (None, Some((kind, _))) => kind.to_owned(),
        (None, None) => "–".to_owned(),
    };
    [
        match is_same_case {
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

/// The faults of a device, one line each. Kernels that exceed its limits are not faulty.
pub fn faults(results: &Kernels) -> Vec<String> {
    let device = device(results);
    let failed =
        (results.failed.iter()).map(|reason| format!("{device}: {}", printable::line(reason)));
    let kernels = results.kernels.iter().filter_map(|row| {
        let (kind, reason) = row.fault.reason().filter(|_| row.fault.is_fault())?;
        Some(format!(
            "{device}: {} of {}: {kind}: {}",
            name(&row.kernel),
            printable::line(&row.case),
            printable::line(reason)
        ))
    });
    failed.chain(kernels).collect()
}
