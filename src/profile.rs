//! The times of a pass and its steps: [`Session::profile`](crate::session::Session::profile).
//!
//! ```
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet::graph::{Conv2d, GraphBuilder};
//! use shadernet::session::{Session, SessionOptions};
//! use shadernet::tensor::{Shape, Tensor};
//! use shadernet::weights::Weights;
//!
//! let mut b = GraphBuilder::new("one layer");
//! let x = b.image_input("input", 4);
//! let x = b.conv2d("conv", x, Conv2d::new(4, 8, 3).padding(1));
//! b.output(x);
//! let graph = b.build()?;
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! let shape = Shape::from([1, 4, 8, 8]);
//! let weights = Weights::generated(&graph, 1.0);
//! let options = SessionOptions::default();
//! let mut session = Session::new(&device, &graph, weights, &options, &[shape.clone()])?;
//! // The reference backend has no steps to time.
//! if !matches!(device, Device::Reference) {
//!     let profile = session.profile(&[Tensor::zeros(shape)], 3)?;
//!     assert!(profile.steps.iter().any(|step| step.node == "conv"));
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

use std::fmt;

use crate::gpu::Gpu;
use crate::tensor::Shape;

/// How steps were timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimingMethod {
    /// The device wrote timestamps at the begin and end of each step, in whole passes.
    Timestamps,
    /// Each step was dispatched many times in one submission, and timed by the host's clock, because the device
    /// has no timestamps. Caches are warmer than in a pass.
    WallClock,
    /// The CPU backend read the clock at the begin of each step, in whole passes.
    StepClock,
}

impl TimingMethod {
    /// How steps are timed on `gpu`.
    pub(crate) fn of(gpu: &Gpu) -> Self {
        match gpu.has_timestamps() {
            true => Self::Timestamps,
            false => Self::WallClock,
        }
    }

    /// `timestamps`, `wall clock` or `step clock`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "timestamps",
            Self::WallClock => "wall clock",
            Self::StepClock => "step clock",
        }
    }
}

impl fmt::Display for TimingMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The times of a pass and its steps.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// How steps were timed.
    pub method: TimingMethod,
    /// The steps in execution order.
    pub steps: Vec<StepProfile>,
    /// Seconds of a whole pass by the host's clock, with uploading inputs and reading outputs: the mean of the
    /// passes just before and after the timed passes that [`StepProfile::seconds`] is the mean of.
    pub pass_seconds: f64,
}

/// A dispatch of a pass, or a step on the CPU.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepProfile {
    /// The node that it computes, or a part of; `output.0`, … where an output is unpacked.
    pub node: String,
    /// The node's operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shader: the name of a file in `shaders/`. On the CPU, the kernel, as in
    /// [`PlannedStep::shader`](crate::plan::PlannedStep::shader).
    pub kernel: &'static str,
    /// The constants that the shader was specialized with, without those that are 0; empty on the CPU.
    pub variant: String,
    /// The shape of the node's output.
    pub output: Shape,
    /// Seconds: the mean over the middle half of the timed passes, ordered by the share that the steps together
    /// take of the whole passes before and after. Means of steps add up to the mean of a pass, which medians
    /// do not.
    pub seconds: f64,
    /// Seconds from the begin of the pass to that of the step, where timed by
    /// [`TimingMethod::Timestamps`]; otherwise the sum of the steps before it.
    pub start_seconds: f64,
    /// Multiplications and additions of convolutions and fully connected layers, a multiply-add counted as
    /// two. Those that the kernel performs, which for Winograd are fewer than the layer's.
    pub operations: u64,
    /// Bytes read and written, each counted once.
    pub bytes: u64,
}

impl Profile {
    /// The sum of the steps' seconds.
    pub fn step_seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.seconds).sum()
    }
}
