//! The formats of results.

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

/// How results are printed.
#[derive(Args)]
pub struct FormatArgs {
    /// Print one JSON object per image, one per line, as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Print a header and one row per result, as --format csv
    #[arg(long, conflicts_with_all = ["json", "format"])]
    csv: bool,

    /// How results are printed: csv and tsv have a header and one row per result [default: text, or as the name of
    /// the results file says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
}

impl FormatArgs {
    /// The format of results that are written to `path`, or to standard output.
    pub fn format(&self, path: Option<&Path>) -> Format {
        self.format_or(Format::Text, path)
    }

    /// As [`Self::format`], with another default than text.
    pub fn format_or(&self, default: Format, path: Option<&Path>) -> Format {
        let extension = path.and_then(|path| path.extension()?.to_str());
        let by_name = || match extension.map(str::to_lowercase).as_deref() {
            Some("csv") => Format::Csv,
            Some("tsv") => Format::Tsv,
            Some("json" | "jsonl" | "ndjson") => Format::Json,
            _ => default,
        };
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => self.format.unwrap_or_else(by_name),
        }
    }
}

/// The file for results; `-` stands for standard output.
pub fn results_file(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path)
        .filter(|path| path.as_os_str() != "-")
}

/// A format of results.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Csv,
    Tsv,
}

impl Format {
    /// A row with its separators and line end, or `None` where this format has no rows.
    pub fn row<S: AsRef<str>>(
        self,
        cells: impl IntoIterator<Item = S>,
    ) -> io::Result<Option<Vec<u8>>> {
        let separator = match self {
            Self::Text | Self::Json => return Ok(None),
            Self::Csv => b',',
            Self::Tsv => b'\t',
        };
        let mut builder = csv::WriterBuilder::new();
        let mut writer = builder.delimiter(separator).from_writer(Vec::new());
        writer.write_record(cells.into_iter().map(|cell| cell.as_ref().to_owned()))?;
        let row = writer.into_inner().map_err(|error| error.into_error())?;
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let row = |format: Format, cells: &[&str]| {
            let row = format.row(cells).unwrap();
            row.map(|row| String::from_utf8(row).unwrap())
        };
        let cells = ["a b", "tabby, tabby cat", "5\" disk", ""];
        assert_eq!(
            row(Format::Csv, &cells).unwrap(),
            "a b,\"tabby, tabby cat\",\"5\"\" disk\",\n"
        );
        assert_eq!(
            row(Format::Tsv, &["a\tb", "c, d"]).unwrap(),
            "\"a\tb\"\tc, d\n"
        );
        assert_eq!(row(Format::Text, &cells), None);
    }
}
