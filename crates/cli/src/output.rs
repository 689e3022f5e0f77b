//! Standard output and standard error.

use std::fmt;
use std::io::{self, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle};
use shadernet::{Error, ErrorKind};

/// An empty table with a header, as wide as the terminal allows; cells are not wrapped when piped.
/// Where it is too wide for the terminal, the last column gives way.
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

/// Prints `value` as one line of JSON.
pub fn json_line(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

/// A line on standard error. Where nobody reads it any more (`2>&1 | head -1`), the work goes on;
/// `eprintln!` would panic.
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

/// Bytes for people: `128 MiB`.
pub fn bytes(count: u64) -> String {
    let text = indicatif::BinaryBytes(count).to_string();
    text.replace(".00 ", " ")
}
