//! How a session runs, and what it tells of itself while it is made.

use std::fmt;
use std::sync::Arc;

use crate::gpu::Precision;
use crate::kernels::ConvAlgorithm;
use crate::passes::PassOptions;
use crate::tuning::Tuning;

/// How a session stores values and weights.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// float32 or float16. The CPU twin computes in float32 either way;
    /// [`Session::warning`](super::Session::warning) says so.
    pub precision: Precision,
    /// The graph passes that run. The CPU twin computes the graph as it was built either way.
    pub passes: PassOptions,
    /// A convolution kernel to use wherever it can be, in place of the rule's choice: to compare
    /// kernels, and to test them.
    pub prefer: Option<ConvAlgorithm>,
    /// Kernels chosen by timing them on this device. A tuning of another device, driver or version is
    /// ignored, and [`Session::warning`](super::Session::warning) says so.
    pub tuning: Option<Arc<Tuning>>,
    /// Is told how far making a session is, and later preparing for other shapes: the session keeps it for
    /// as long as it lives, and with it, say, the sender of a channel.
    pub progress: Option<LoadProgress>,
}

/// A function that is told how far making a session is, from any thread, and should be quick. A host
/// makes its sessions on a thread of its own, and has this tell its window.
#[derive(Clone)]
pub struct LoadProgress(Arc<dyn Fn(Loading) + Send + Sync>);

impl LoadProgress {
    /// Calls `tell` at every step.
    pub fn new(tell: impl Fn(Loading) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, loading: Loading) {
        (self.0)(loading);
    }
}

impl fmt::Debug for LoadProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoadProgress")
    }
}

/// How far making a session is. Pipelines are compiled on some threads while weights are packed on
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loading {
    /// Pipelines compiled, those that the device did not have yet.
    Pipelines {
        /// How many are completed.
        completed: usize,
        /// How many there are.
        total: usize,
    },
    /// Bytes of weights on their way to the device.
    Weights {
        /// How many are completed.
        completed: u64,
        /// How many there are.
        total: u64,
    },
}

/// Memory that the values of a network take on a GPU, weights, inputs and outputs aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivationMemory {
    /// Bytes of the buffers that values take turns in.
    pub bytes: u64,
    /// Bytes beyond those, for what kernels keep between their dispatches, such as Winograd's.
    pub workspace: u64,
    /// Bytes of the largest set of values that must be alive at once: what no plan can go below.
    pub lower_bound: u64,
}
