//! Opens models with memory-mapped weights, so that the command takes little more memory than the weights
//! take on the device.
//!
//! Mapping asks that no process changes or truncates the file while this command runs. The command cannot
//! enforce that for a user's files; if it happens, its results are wrong or the operating system ends it
//! with `SIGBUS`. Nothing outside this process is affected, and it writes weights only under temporary
//! names that are renamed when complete.

use std::path::Path;

use shadernet::Result;
use shadernet::model_folder::{FoundModel, ModelFolder, ModelOptions};
use shadernet::onnx::OnnxModel;
use shadernet::weights::Weights;

/// Opens a model that was found, with what `options` say.
pub fn open_found(found: &FoundModel, options: &ModelOptions) -> Result<ModelFolder> {
    // SAFETY: as described above, a file that changes meanwhile concerns only this process.
    unsafe { found.open_mmap(options) }
}

/// Opens the safetensors file at `path`.
pub fn open_weights(path: &Path) -> Result<Weights> {
    // SAFETY: as in `open_found`.
    unsafe { Weights::open_mmap(path) }
}

/// Opens the ONNX file at `path`.
pub fn open_onnx(path: &Path) -> Result<OnnxModel> {
    // SAFETY: as in `open_found`.
    unsafe { OnnxModel::open_mmap(path) }
}
