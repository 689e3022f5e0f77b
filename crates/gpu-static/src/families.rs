//! Families of GPUs, each compiled for by a process of its own: Mesa reads the family's name when it is loaded.

use std::process::{Command, Stdio};

use crate::error::Error;
use crate::row::Row;

/// RDNA2, RDNA3, RDNA4 and GCN.
pub const FAMILIES: [&str; 4] = ["navi21", "navi31", "gfx1200", "vega10"];

/// `given`, or all.
pub fn chosen(given: &[String]) -> Vec<&str> {
    match given.is_empty() {
        true => FAMILIES.to_vec(),
        false => given.iter().map(String::as_str).collect(),
    }
}

/// The rows of a family, of the shaders whose names contain `part`.
///
/// # Errors
/// Where the family's process fails.
pub fn compile(family: &str, part: &str, wave32: bool) -> Result<Vec<Row>, Error> {
    let output = own_process(family, wave32, &["compile", family, part])?;
    serde_json::from_str(&output).map_err(|error| fault(family, &error.to_string()))
}

/// The machine code of a form of a shader.
///
/// # Errors
/// Where the family's process fails.
pub fn assembly(family: &str, shader: &str, form: &str, wave32: bool) -> Result<String, Error> {
    own_process(family, wave32, &["own-assembly", shader, form])
}

fn fault(family: &str, message: &str) -> Error {
    Error::Family {
        family: family.to_owned(),
        message: message.to_owned(),
    }
}

/// What this program prints where Mesa is told the family.
fn own_process(family: &str, wave32: bool, args: &[&str]) -> Result<String, Error> {
    let io = |source| Error::Io {
        what: "starting this program again".to_owned(),
        source,
    };
    let mut command = Command::new(std::env::current_exe().map_err(io)?);
    command
        .args(args)
        .env("RADV_FORCE_FAMILY", family)
        .stdin(Stdio::null());
    if wave32 {
        command.env("RADV_PERFTEST", "cswave32");
    }
    let output = command.output().map_err(io)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(fault(
            family,
            &format!("{}: {}", output.status, text.trim()),
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| fault(family, &error.to_string()))
}
