//! Options of a session, and the progress and memory that it reports.

use std::fmt;
use std::sync::Arc;

use crate::gpu::Precision;
use crate::kernels::ConvAlgorithm;
use crate::passes::PassOptions;
use crate::tuning::Tuning;

/// How a session runs its network.
///
/// ```
/// use shadernet::gpu::Precision;
/// use shadernet::passes::PassOptions;
/// use shadernet::session::SessionOptions;
///
/// let options = SessionOptions::new().precision(Precision::F16).passes(PassOptions::none());
/// assert_eq!(options.precision, Precision::F16);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// How values and weights are stored: float32 or float16. The reference backend computes in float32
    /// either way, and [`Session::warning`](super::Session::warning) says so.
    pub precision: Precision,
    /// The graph passes that run, on a GPU and on the CPU. The reference backend computes the graph as it was built.
    pub passes: PassOptions,
    /// A convolution algorithm to use wherever it is possible, instead of the heuristic's selection: to
    /// compare and test algorithms.
    pub prefer: Option<ConvAlgorithm>,
    /// Algorithms selected by timing them on this device. A tuning of another device, driver or version is
    /// ignored, and [`Session::warning`](super::Session::warning) says so.
    pub tuning: Option<Arc<Tuning>>,
    /// On the CPU, about the most bytes that weights may take in memory. Winograd's transformed weights are four times as
    /// large as a file's; where all of them do not fit, the largest are left out, and their layers are computed by
    /// slower products. `None` for no limit.
    pub weight_bytes: Option<u64>,
    /// Called with the progress of making the session, and later of preparing it for other shapes. The session
    /// owns the function, and what it captures, for as long as it lives.
    pub progress: Option<LoadProgress>,
}

impl SessionOptions {
    /// The defaults: float32, all passes, the heuristic's selection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::precision`].
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Sets [`Self::passes`].
    #[must_use]
    pub fn passes(mut self, passes: PassOptions) -> Self {
        self.passes = passes;
        self
    }

    /// Sets [`Self::prefer`].
    #[must_use]
    pub fn prefer(mut self, algorithm: impl Into<Option<ConvAlgorithm>>) -> Self {
        self.prefer = algorithm.into();
        self
    }

    /// Sets [`Self::tuning`].
    #[must_use]
    pub fn tuning(mut self, tuning: impl Into<Option<Arc<Tuning>>>) -> Self {
        self.tuning = tuning.into();
        self
    }

    /// Sets [`Self::weight_bytes`].
    #[must_use]
    pub fn weight_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.weight_bytes = bytes.into();
        self
    }

    /// Sets [`Self::progress`].
    #[must_use]
    pub fn progress(mut self, progress: impl Into<Option<LoadProgress>>) -> Self {
        self.progress = progress.into();
        self
    }
}

/// A function that is called with the progress of making a session. It is called from any thread, and should
/// be quick. A host can make its sessions on a thread of their own, and send the progress to its window.
#[derive(Clone)]
pub struct LoadProgress(Arc<dyn Fn(Loading) + Send + Sync>);

impl LoadProgress {
    /// Calls `report` at every step.
    pub fn new(report: impl Fn(Loading) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    pub(crate) fn report(&self, loading: Loading) {
        (self.0)(loading);
    }
}

impl fmt::Debug for LoadProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoadProgress")
    }
}

/// The progress of making a session. Pipelines are compiled on some threads while weights are packed on
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loading {
    /// Compiled pipelines. Those that the device already has are not counted.
    Pipelines {
        /// How many are completed.
        completed: usize,
        /// How many there are.
        total: usize,
    },
    /// Bytes of weights that were uploaded to the device.
    Weights {
        /// How many are completed.
        completed: u64,
        /// How many there are.
        total: u64,
    },
}

/// GPU memory for the values of a network. Weights, inputs and outputs are not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActivationMemory {
    /// Bytes of the buffers that values share.
    pub bytes: u64,
    /// Bytes beyond those for what kernels keep between their dispatches, such as Winograd's transformed
    /// tiles.
    pub workspace: u64,
    /// Bytes of the largest set of values that are alive at the same time: the minimum for any plan.
    pub lower_bound: u64,
}
