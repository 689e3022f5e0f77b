//! Ways to compute a case, and what is found out about them.

use crate::samples::Samples;
use shadernet::gpu::Precision;
use shadernet::profile::TimingMethod;
use shadernet::session::ConvAlgorithm;

/// How [`variants`](super::variants) times.
#[derive(Clone, Debug)]
pub struct BenchOptions {
    /// How values and weights are stored.
    pub precision: Precision,
    /// How often each variant is timed.
    pub rounds: usize,
    /// Which convolution kernels are tried; all where it is empty. Software drivers take seconds to
    /// compile some.
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

/// A way to compute a case.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The convolution kernel's name where there is a choice of them, else the shader's.
    pub name: String,
    /// Whether it is what the rule chooses.
    pub is_rule: bool,
    /// How it did.
    pub outcome: VariantOutcome,
}

/// How a variant did.
#[derive(Clone, Debug)]
pub enum VariantOutcome {
    /// It answered as the CPU twin does.
    Timed(Measured),
    /// It answered otherwise, and was not timed: how far off it was.
    Wrong(String),
    /// The device refused it: why.
    Failed(String),
    /// A limit of the device is in the way: which.
    Impossible(String),
}

/// What was measured of a variant.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How it was timed.
    pub method: TimingMethod,
    /// Seconds of all dispatches together: of each round the median pass.
    pub seconds: Samples,
    /// Multiplications and additions that it does.
    pub operations: u64,
    /// Bytes of what it reads and writes, each counted once by each dispatch that touches it.
    pub bytes: u64,
    /// The largest difference from the twin's answer, as a share of its largest magnitude.
    pub error: f64,
    /// The shaders, in the order of the dispatches.
    pub shaders: Vec<&'static str>,
}

/// How far [`variants`](super::variants) has come.
#[derive(Clone, Copy, Debug)]
pub struct BenchProgress<'a> {
    /// Checks and timings done, all cases together.
    pub done: usize,
    /// Of so many.
    pub of: usize,
    /// The case that has its turn now.
    pub case: &'a str,
    /// The variant's name.
    pub kernel: &'a str,
}
