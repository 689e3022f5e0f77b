//! The table of operators in docs/models.md is that of the code.
#![cfg(feature = "onnx")]

#[path = "common/place.rs"]
mod place;

use std::fmt::Write;
use std::fs;

use shadernet::onnx::{OnnxSupport, catalog};

const BEGIN: &str = "<!-- operators -->\n";
const END: &str = "<!-- end of operators -->\n";

/// `SHADERNET_WRITE_DOCS=1 cargo test --test onnx_docs` writes the table.
#[test]
fn the_table_of_operators_is_that_of_the_code() {
    let mut table = "| operator | computed | not supported |\n| --- | --- | --- |\n".to_owned();
    let mut missing = Vec::new();
    for entry in catalog() {
        let place = match entry.support {
            Some(OnnxSupport::Device) => "device",
            Some(_) => "import",
            None => {
                missing.push(entry.name);
                continue;
            }
        };
        writeln!(table, "| {} | {place} | {} |", entry.name, entry.limits).unwrap();
    }
    write!(table, "\nNot supported: {}.\n", missing.join(", ")).unwrap();
    let path = place::repository().join("docs/models.md");
    let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("SHADERNET_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(
        found == expected,
        "SHADERNET_WRITE_DOCS=1 cargo test --test onnx_docs writes the table"
    );
}
