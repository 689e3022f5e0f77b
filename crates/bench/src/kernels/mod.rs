//! Kernels one by one: each way to compute an operator of a given shape, checked against the CPU twin
//! and timed.
//!
//! ```
//! use shadernet_bench::kernels::{BenchOptions, Case, VariantOutcome, cases, variants};
//! use shadernet::device::{Device, DeviceOptions};
//!
//! // The documented set, drawn from the networks; one's own are lines of the same form.
//! assert!(cases()?.len() > 30);
//! let case: Case = "conv2d 1x8x6x6 out=8 kernel=3 padding=1 relu".parse()?;
//!
//! if let Device::Gpu(gpu) = Device::open(&DeviceOptions::default())? {
//!     let options = BenchOptions { rounds: 1, ..Default::default() };
//!     for variant in variants(&gpu, &[case], &options, |_| {})?.concat() {
//!         assert!(matches!(variant.outcome, VariantOutcome::Timed(_)), "{}", variant.name);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod diverge;
mod measure;
mod shapes;
mod variant;

use std::path::Path;

pub use diverge::{Divergence, first_divergence};
pub use measure::variants;
pub use variant::{BenchOptions, BenchProgress, Measured, Variant, VariantOutcome};

use shadernet::error::{Error, Result};
use shadernet::graph::Graph;
use shadernet::tensor::Shape;

/// An operator with what is fused into it, and the shapes of its inputs. Made of a line of text
/// ([`str::parse`]): an operator, the input's shape, and settings, as in
/// `conv2d 1x64x56x56 out=64 kernel=3 padding=1 relu`.
#[derive(Clone, Debug)]
pub struct Case {
    /// The line.
    pub name: String,
    /// Its first word.
    pub operator: String,
    /// Inputs, the operator, and what passes fuse into it.
    pub graph: Graph,
    /// The shapes of the graph's inputs.
    pub inputs: Vec<Shape>,
}

/// The text of the documented set of shapes.
pub const SHAPES: &str = include_str!("shapes.txt");

/// The documented set: first layers, 3×3, 1×1, depthwise, fully connected and the rest, from
/// the networks of [`shadernet::zoo`].
///
/// # Errors
/// None: the file is part of the crate, and a test reads it.
pub fn cases() -> Result<Vec<Case>> {
    shapes::parse(Path::new("shapes.txt"), SHAPES)
}

/// Small cases with odd shapes, each operator and edge: what `shadernet doctor` checks.
///
/// # Errors
/// As [`cases`].
pub fn small_cases() -> Result<Vec<Case>> {
    shapes::parse(Path::new("small.txt"), include_str!("small.txt"))
}

/// The cases of a file of one's own.
///
/// # Errors
/// [`Error::Io`] and [`Error::File`], with the line and what is wrong with it.
pub fn cases_from_file(path: &Path) -> Result<Vec<Case>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    shapes::parse(path, &text)
}

#[cfg(test)]
mod tests;
