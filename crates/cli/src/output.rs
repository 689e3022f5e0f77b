//! Writes to standard output and standard error: tables, JSON lines and messages.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};
use shadernet::tensor::Shape;
use shadernet::{Error, ErrorKind};

/// An empty table with a header. If it is too wide for the terminal, the last column is wrapped; cells are
/// not wrapped when the output is piped.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    let last = header.len().saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i == last { 0 } else { 2 }));
        if i != last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// Right-aligns the cells of `columns`.
pub fn right_align(table: &mut Table, columns: Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Prints `value` as one line of JSON.
pub fn json_line(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

/// Prints a line on standard error. Ignores errors: if the reader is gone (`2>&1 | head -1`), the command
/// continues. `eprintln!` would panic.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// An error with its causes and what to do, on standard error.
pub fn error(error: &Error) {
    say(format_args!("error: {}", error.report()));
    if let Some(tip) = tip(error) {
        say(format_args!("tip: {tip}"));
    }
}

/// Which of this command's flags and subcommands help with an error. The library does not know them.
fn tip(error: &Error) -> Option<&'static str> {
    match (error.kind(), error) {
        (ErrorKind::NoAdapter, _) => Some("`shadernet devices` lists the devices of this machine"),
        (ErrorKind::Limit | ErrorKind::OutOfMemory, _) => {
            Some("--precision f16 takes half the memory, and --backend cpu has no such limits")
        }
        (_, Error::UnknownName(unknown)) if unknown.kind == "architecture" => {
            Some("`shadernet models` lists the known architectures")
        }
        _ => None,
    }
}

/// Prints a warning of the library on standard error, if there is one.
pub fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        say(warning);
    }
}

/// Shapes in one line: `[1, 3, 224, 224] [1, 32]`.
pub fn shapes(shapes: &[Shape]) -> String {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    shapes.join(" ")
}

/// A number of bytes with its unit: `128 MiB`.
pub fn bytes(count: u64) -> String {
    let text = indicatif::BinaryBytes(count).to_string();
    text.replace(".00 ", " ")
}
