//! Models by their path or name.

use std::path::Path;

use pyo3::prelude::*;
use shadernet::error::UnknownName;
use shadernet::model_folder::find_model;
use shadernet::{ErrorKind, ModelFolder, Precision, Result};

use crate::errors::{exception, to_python};

/// `work` with the model at `path`, without the interpreter's lock: a folder, a file, or one of those that
/// `shadernet models` lists.
pub fn with_folder<T: Send>(
    py: Python<'_>,
    path: &Path,
    work: impl FnOnce(&ModelFolder) -> Result<T> + Send,
) -> PyResult<T> {
    let found = py.detach(|| {
        let folder = match path.exists() {
            true => ModelFolder::open(path),
            false => find_model(path)?.open(),
        }?;
        work(&folder)
    });
    found.map_err(|error| match error.kind() {
        ErrorKind::InvalidFile if !path.exists() => {
            exception(py, "MissingFileError", &error.report().to_string())
        }
        _ => to_python(py, &error),
    })
}

/// A precision by NumPy's name.
pub fn to_precision(py: Python<'_>, name: &str) -> PyResult<Precision> {
    match name {
        "float32" => Ok(Precision::F32),
        "float16" => Ok(Precision::F16),
        _ => {
            let error = UnknownName::new("precision", name, ["float32", "float16"]);
            Err(to_python(py, &error.into()))
        }
    }
}
