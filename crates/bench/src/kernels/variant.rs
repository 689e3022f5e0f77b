//! Implementations of a case and what is measured of them.

use crate::samples::Samples;
use shadernet::gpu::Precision;
use shadernet::profile::TimingMethod;
use shadernet::session::ConvAlgorithm;

/// Options of [`variants`](super::variants). Made with `Default`, and changed with the methods of the same
/// names as the fields:
///
/// ```
/// use shadernet::gpu::Precision;
/// use shadernet_bench::kernels::BenchOptions;
///
/// let options = BenchOptions::default().precision(Precision::F16).rounds(3);
/// assert_eq!((options.precision, options.rounds), (Precision::F16, 3));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BenchOptions {
    /// How values and weights are stored. Default: float32.
    pub precision: Precision,
    /// How many rounds each variant is timed; at least one is. Default: 10.
    pub rounds: usize,
    /// The convolution algorithms to try; all if empty, which is the default. Some take a software driver
    /// seconds to compile.
    pub only: Vec<ConvAlgorithm>,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            rounds: 10,
            only: Vec::new(),
        }
    }
}

impl BenchOptions {
    /// Sets [`precision`](Self::precision).
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets [`rounds`](Self::rounds).
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// Sets [`only`](Self::only).
    #[must_use]
    pub fn only(mut self, algorithms: impl IntoIterator<Item = ConvAlgorithm>) -> Self {
        self.only = algorithms.into_iter().collect();
        self
    }
}

/// One implementation of a case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Variant {
    /// The name of the convolution algorithm, or of the shaders if the case is not a convolution.
    pub name: String,
    /// Whether the kernel selection picks this variant.
    pub is_selected: bool,
    /// The measurement, or why there is none.
    pub outcome: VariantOutcome,
}

/// The outcome of checking and timing a variant.
#[derive(Clone, Debug)]
pub enum VariantOutcome {
    /// The output agrees with the reference backend's.
    Timed(Measurement),
    /// The output is wrong, so the variant was not timed. Holds how far off it is.
    Wrong(String),
    /// The device failed. Holds the error.
    Failed(String),
    /// The variant exceeds a limit of the device. Holds which one.
    Impossible(String),
}

/// The measurement of a variant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measurement {
    /// How it was timed.
    pub method: TimingMethod,
    /// Seconds of all dispatches together: one sample per round, the median of the round's passes.
    pub seconds: Samples,
    /// Multiplications and additions.
    pub operations: u64,
    /// Bytes read and written. Each value counts once for each dispatch that touches it.
    pub bytes: u64,
    /// The largest difference from the reference output, relative to its largest magnitude.
    pub error: f64,
    /// The shaders, in dispatch order.
    pub shaders: Vec<&'static str>,
}

/// The progress of [`variants`](super::variants).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BenchProgress<'a> {
    /// Checks and timing rounds completed, over all cases.
    pub completed: usize,
    /// Checks and timing rounds in total.
    pub total: usize,
    /// The name of the current case.
    pub case: &'a str,
    /// The name of the current variant.
    pub kernel: &'a str,
}
