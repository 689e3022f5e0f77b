//! Rows as JSON and as a table.

use std::io::Write;
use std::path::Path;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use shadernet::output_file;

use crate::error::Error;
use crate::row::Row;

/// Writes rows to a file, whole or not at all.
///
/// # Errors
/// Where it cannot be written.
pub fn write<T: serde::Serialize>(path: &Path, rows: &[T]) -> Result<(), Error> {
    let io = |error: serde_json::Error| Error::Io {
        what: path.display().to_string(),
        source: error.into(),
    };
    let text = serde_json::to_vec(rows).map_err(io)?;
    output_file::write(path, &text).map_err(Error::Write)
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<Vec<Row>, Error> {
    let io = |source| Error::Io {
        what: path.display().to_string(),
        source,
    };
    let text = std::fs::read_to_string(path).map_err(io)?;
    serde_json::from_str(&text).map_err(|source| Error::Json {
        path: path.to_owned(),
        source,
    })
}

/// Prints rows to the process that asked for them.
///
/// # Errors
/// Where that has ended.
pub fn print(rows: &[Row]) -> Result<(), Error> {
    let io = |source| Error::Io {
        what: "standard output".to_owned(),
        source,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, rows).map_err(|error| io(error.into()))?;
    out.flush().map_err(io)
}

/// An empty table, whose columns from `numbers` on are aligned to the right.
pub fn empty(header: &[&str], numbers: usize) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(TableStyle::new().header_separator(rule));
    table.set_header(header);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A readable table. Without `all`, of the forms that differ in their tile or precision.
pub fn table(rows: &[Row], all: bool) -> String {
    let header = [
        "family",
        "shader",
        "form",
        "spills",
        "scratch",
        "VGPRs",
        "LDS",
        "waves",
        "loop",
        "fma",
        "matrix",
        "share",
        "loads",
        "LDS loads",
        "divisions",
        "branches",
        "barriers",
    ];
    let mut table = empty(&header, 3);
    for row in rows.iter().filter(|row| all || is_basic(&row.form)) {
        let hot = &row.hottest_loop;
        let widths = |counts: &std::collections::BTreeMap<u32, usize>| {
            let parts = counts.iter().map(|(bits, count)| format!("{count}×{bits}"));
            parts.collect::<Vec<_>>().join(" ")
        };
        let share = match row.loop_fma {
            0 => String::new(),
            _ => format!("{:.0} %", 100.0 * row.fma_share()),
        };
        table.add_row([
            row.family.clone(),
            row.shader.clone(),
            row.form.clone(),
            (row.spilled_vgprs + row.spilled_sgprs).to_string(),
            row.scratch_bytes.to_string(),
            row.vgprs.to_string(),
            row.workgroup_bytes.to_string(),
            format!("{}×{}", row.waves_per_simd, row.subgroup_size),
            row.loop_instructions.to_string(),
            row.loop_fma.to_string(),
            row.loop_matrix.to_string(),
            share,
            widths(&hot.loads),
            widths(&hot.workgroup_loads),
            hot.divisions.to_string(),
            hot.branches.to_string(),
            hot.barriers.to_string(),
        ]);
    }
    table.trim_fmt()
}

/// Whether only the tile, or a size that the shader is made for, is other than the default.
fn is_basic(form: &str) -> bool {
    let sizes = [
        "M_PER_INVOCATION",
        "M_MATRICES",
        "N_MATRICES",
        "SUBGROUP_SIZE",
        "MATRIX_SIZE",
        "PADDED_TAPS",
        "PADDED_CHANNELS",
        "TILE",
        "KERNEL",
        "GROUPS",
        "TEAM",
        "TILE_M",
        "N4_PER_INVOCATION",
        "K_STEP_C4",
        "K_SLICES",
        "PADDED",
        "TILE_N",
    ];
    form.split(' ').skip(1).all(|constant| {
        let (name, value) = constant.split_once('=').unwrap_or((constant, ""));
        sizes.contains(&name) || value == "0"
    })
}
