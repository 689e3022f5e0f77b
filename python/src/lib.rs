//! The native half of the Python package `shadernet`: what its classes in Python stand on.
//!
//! Names, shapes and types are checked in Python as far as a message is better there; everything that computes is
//! here, and runs without the interpreter's lock. Errors of the library become the exceptions of `shadernet.errors`.

#![allow(
    missing_debug_implementations,
    reason = "Python's classes are printed by Python"
)]

mod arrays;
mod batches;
mod classifier;
mod detector;
mod device;
mod embedder;
mod errors;
mod explainer;
mod images;
mod model;
mod process;
mod segmenter;
mod session;
mod sync;
mod tasks;
mod values;

use pyo3::prelude::*;

/// See the package's modules.
#[pymodule]
mod _shadernet {
    #[pymodule_export]
    use super::classifier::Classifier;
    #[pymodule_export]
    use super::detector::Detector;
    #[pymodule_export]
    use super::device::{Device, adapters};
    #[pymodule_export]
    use super::embedder::Embedder;
    #[pymodule_export]
    use super::explainer::Explainer;
    #[pymodule_export]
    use super::segmenter::Segmenter;
    #[pymodule_export]
    use super::session::Session;

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
