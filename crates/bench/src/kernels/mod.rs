//! Kernel benchmarks: every implementation of an operator on a given shape, checked against the reference
//! backend and timed.
//!
//! ```
//! use shadernet_bench::kernels::{BenchOptions, Case, VariantOutcome, cases, variants};
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//!
//! // The built-in cases, taken from the networks. Other cases are written the same way.
//! assert!(cases()?.len() > 30);
//! let case: Case = "conv2d 1x8x6x6 out=8 kernel=3 padding=1 relu".parse()?;
//!
//! if let Some(adapter) = adapters(None).first() {
//!     let gpu = Gpu::open(adapter, &GpuOptions::new())?;
//!     let options = BenchOptions::default().rounds(1);
//!     for variant in variants(&gpu, &[case], &options, |_| {})?.concat() {
//!         assert!(matches!(variant.outcome, VariantOutcome::Timed(_)), "{}", variant.name);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cpu;
mod diverge;
mod measure;
mod resampling;
mod shapes;
mod variant;

use std::path::Path;
use std::time::Duration;

pub use cpu::cpu_variants;
pub use diverge::{Divergence, first_divergence};
pub use measure::variants;
pub use shapes::ParseCaseError;
pub use variant::{BenchOptions, BenchProgress, Measurement, Variant, VariantOutcome};

use shadernet::error::Result;
use shadernet::graph::Graph;
use shadernet::internals::read_text_file;
use shadernet::tensor::Shape;

/// An operator, what is fused into it, and the shapes of its inputs.
///
/// Parsed from a line of text ([`str::parse`]): an operator, the input's shape and settings, as in
/// `conv2d 1x64x56x56 out=64 kernel=3 padding=1 relu`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The line, with single spaces.
    pub name: String,
    /// The operator: the line's first word.
    pub operator: String,
    /// Inputs, the operator, and the nodes that graph passes fuse into it.
    pub graph: Graph,
    /// The shapes of the graph's inputs.
    pub inputs: Vec<Shape>,
}

/// In each round a variant is timed for at least this long, over as many passes as that takes.
const MIN_ROUND: Duration = Duration::from_millis(20);
/// More than any shapes file needs; the built-in cases have 3 KB.
const MAX_BYTES: u64 = 1 << 20;

/// The text of the built-in cases.
pub const SHAPES: &str = include_str!("shapes.txt");

/// The built-in cases: stem convolutions, 3×3, 1×1, depthwise, fully connected layers and the other
/// operators, with shapes from the networks of [`shadernet::zoo`].
///
/// # Errors
/// None in practice: the file is part of the crate, and a test parses it.
pub fn cases() -> Result<Vec<Case>> {
    shapes::parse(Path::new("shapes.txt"), SHAPES)
}

/// Small cases with odd shapes that cover each operator and its edge cases. `shadernet doctor` checks these.
///
/// # Errors
/// As [`cases`].
pub fn small_cases() -> Result<Vec<Case>> {
    shapes::parse(Path::new("small.txt"), include_str!("small.txt"))
}

/// The cases of a file with one case per line. `#` starts a comment.
///
/// # Errors
/// [`shadernet::Error::Io`] if the file cannot be read; [`shadernet::Error::File`] where it is too large or not
/// text, and with the line's number if a line is not a case.
pub fn cases_from_file(path: &Path) -> Result<Vec<Case>> {
    shapes::parse(path, &read_text_file(path, "a shapes file", MAX_BYTES)?)
}

#[cfg(test)]
mod tests;
