//! Writes to standard output and standard error: tables, JSON lines and messages.
//!
//! Whatever is not JSON is escaped here, since labels, paths and adapters' names are foreign text. Names are
//! also shortened: in the cells of a [`Table`] and in messages here, elsewhere by [`printable::name`].

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle};
use shadernet::tensor::Shape;
use shadernet::{Error, ErrorKind, printable};

/// Standard output for text.
pub fn stdout() -> impl Write {
    Escaping(io::stdout().lock())
}

/// Standard output for text of this command's own.
pub fn raw_stdout() -> impl Write {
    io::stdout().lock()
}

/// Escapes the text that is written to it.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // `write!` writes whole strings, so nothing is lost.
        let text = printable::escape(&String::from_utf8_lossy(bytes));
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A table whose cells are escaped and shortened, as messages are.
pub struct Table(comfy_table::Table);

impl Table {
    pub fn add_row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.0.add_row(row(cells));
    }

    /// Leaves a column out of the text.
    pub fn hide(&mut self, column: usize) {
        if let Some(column) = self.0.column_mut(column) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }

    /// Right-aligns the cells of `columns`.
    pub fn right_align(&mut self, columns: Range<usize>) {
        for column in columns {
            if let Some(column) = self.0.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
}

impl fmt::Display for Table {
    /// Without spaces at the ends of lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.trim_fmt())
    }
}

fn row<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> Vec<String> {
    let cells = cells.into_iter();
    cells.map(|cell| printable::line(cell.as_ref())).collect()
}

/// An empty table with a header. If it is too wide for the terminal, the last column is wrapped; cells are
/// not wrapped when the output is piped.
pub fn table(header: &[&str]) -> Table {
    let mut table = comfy_table::Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(rule))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(row(header));
    let last = header.len().saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i == last { 0 } else { 2 }));
        if i != last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    Table(table)
}

/// Prints `value` as one line of JSON.
pub fn json_line(value: &impl serde::Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)?;
    out.flush()
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on, nothing but results and errors is printed.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether nothing but results and errors is printed.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a notice on standard error, unless [`is_quiet`].
pub fn note(line: impl fmt::Display) {
    if !is_quiet() {
        say(line);
    }
}

/// Prints a line on standard error. Ignores errors: if the reader is gone (`2>&1 | head -1`), the command
/// continues. `eprintln!` would panic.
pub fn say(line: impl fmt::Display) {
    let line = printable::lines(&line.to_string());
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
        (_, Error::UnknownName(unknown)) => match unknown.kind {
            "architecture" => Some("`shadernet models` lists the known architectures and models"),
            "layer" => Some("--layer '?' lists the layers"),
            _ => None,
        },
        _ => None,
    }
}

/// Prints a warning of the library as a notice, if there is one.
pub fn warn(warning: Option<&str>) {
    if let Some(warning) = warning {
        note(warning);
    }
}

/// Shapes in one line: `[1, 3, 224, 224] [1, 32]`.
pub fn shapes(shapes: &[Shape]) -> String {
    let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
    shapes.join(" ")
}

/// A number of things: `1 pair`, `2 pairs`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// A number of bytes with its unit: `128 MiB`.
pub fn bytes(count: u64) -> String {
    let text = indicatif::BinaryBytes(count).to_string();
    text.replace(".00 ", " ")
}
