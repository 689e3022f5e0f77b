//! Families of GPUs, each compiled for by a process of its own: Mesa reads the family's name when it is loaded.

use std::io::{Seek, Write};
use std::process::Command;

use serde::Serialize;

use crate::error::Error;
use crate::module::Module;
use crate::pipeline::{self, Pipeline};
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

/// The rows of pipelines of several families, whose processes run at the same time.
///
/// # Errors
/// Where a family's process fails.
pub fn rows_of_all(
    families: &[&str],
    pipelines: &[Pipeline],
    wave32: bool,
) -> Result<Vec<Row>, Error> {
    std::thread::scope(|scope| {
        let start = |family| scope.spawn(move || rows(family, pipelines, wave32));
        let running: Vec<_> = families.iter().copied().map(start).collect();
        let mut all = Vec::new();
        for (thread, family) in running.into_iter().zip(families) {
            let rows = thread.join();
            all.extend(rows.map_err(|_| fault(family, "its thread panicked"))??);
        }
        Ok(all)
    })
}

/// The rows of pipelines.
///
/// # Errors
/// Where the family's process fails.
pub fn rows(family: &str, pipelines: &[Pipeline], wave32: bool) -> Result<Vec<Row>, Error> {
    rows_of(family, pipelines, wave32, "rows")
}

/// The rows of modules that are not of this engine.
///
/// # Errors
/// Where the family's process fails.
pub fn module_rows(family: &str, modules: &[Module]) -> Result<Vec<Row>, Error> {
    rows_of(family, modules, false, "module-rows")
}

fn rows_of<T: Serialize>(
    family: &str,
    inputs: &[T],
    wave32: bool,
    command: &str,
) -> Result<Vec<Row>, Error> {
    let json = |error: serde_json::Error| fault(family, &error.to_string());
    let input = serde_json::to_string(inputs).map_err(json)?;
    let output = own_process(family, wave32, &[command, family], input)?;
    serde_json::from_str(&output).map_err(json)
}

/// The machine code of a form of a shader.
///
/// # Errors
/// Where there is no such form, and where the family's process fails.
pub fn assembly(family: &str, shader: &str, form: &str, wave32: bool) -> Result<String, Error> {
    let of_shader = pipeline::all(shader)
        .into_iter()
        .filter(|it| it.shader == shader);
    let of_shader: Vec<_> = of_shader.collect();
    if of_shader.is_empty() {
        return Err(Error::UnknownShader(shader.to_owned()));
    }
    let chosen = of_shader.iter().find(|it| it.form() == form);
    let chosen = chosen.ok_or_else(|| Error::UnknownForm {
        name: shader.to_owned(),
        form: form.to_owned(),
        known: of_shader.iter().map(Pipeline::form).collect(),
    })?;
    let json = |error: serde_json::Error| fault(family, &error.to_string());
    own_process(
        family,
        wave32,
        &["own-assembly"],
        serde_json::to_string(chosen).map_err(json)?,
    )
}

fn fault(family: &str, message: &str) -> Error {
    Error::Family {
        family: family.to_owned(),
        message: message.to_owned(),
    }
}

/// What this program prints, given `input`, where Mesa is told the family.
fn own_process(family: &str, wave32: bool, args: &[&str], input: String) -> Result<String, Error> {
    let io = |source| Error::Io {
        what: "starting this program again".to_owned(),
        source,
    };
    let mut command = Command::new(std::env::current_exe().map_err(io)?);
    command.args(args).env("RADV_FORCE_FAMILY", family);
    if wave32 {
        command.env("RADV_PERFTEST", "cswave32");
    }
    // From a file, or both processes could wait for each other with full pipes.
    let mut file = tempfile::tempfile().map_err(io)?;
    file.write_all(input.as_bytes())
        .and_then(|()| file.rewind())
        .map_err(io)?;
    let output = command.stdin(file).output().map_err(io)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(fault(
            family,
            &format!("{}: {}", output.status, text.trim()),
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| fault(family, &error.to_string()))
}
