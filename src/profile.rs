//! Where the time of a pass goes, step by step: [`Session::profile`](crate::session::Session::profile).
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
//! if let Device::Gpu(_) = device {
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
    /// The device wrote down when each step of whole passes began and ended.
    Timestamps,
    /// Each step was dispatched many times in one submission, and the host's clock read: the device
    /// has no timestamps. Caches are warmer than in a pass.
    WallClock,
}

impl TimingMethod {
    /// How steps are timed on `gpu`.
    pub(crate) fn of(gpu: &Gpu) -> Self {
        match gpu.has_timestamps() {
            true => Self::Timestamps,
            false => Self::WallClock,
        }
    }

    /// `timestamps` or `wall clock`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timestamps => "timestamps",
            Self::WallClock => "wall clock",
        }
    }
}

impl fmt::Display for TimingMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the time of a pass goes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// How steps were timed.
    pub method: TimingMethod,
    /// In the order in which they run.
    pub steps: Vec<StepProfile>,
    /// Seconds of a whole pass by the host's clock, input uploaded and answer read back: the mean of
    /// those made just before and after the passes that a step's time is the mean of.
    pub pass_seconds: f64,
}

/// A dispatch of a pass.
#[derive(Clone, Debug)]
pub struct StepProfile {
    /// The node that it computes, or a part of; `output.0`, … where an answer is unpacked.
    pub node: String,
    /// The node's operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shader: a file in `shaders/`.
    pub kernel: &'static str,
    /// The constants that the shader was specialized with, those that are 0 left out.
    pub variant: String,
    /// The shape of the node's answer.
    pub output: Shape,
    /// The mean over the middle half of the passes, ordered by what part the steps are of passes
    /// beside them: means add up to that of a pass, as medians do not.
    pub seconds: f64,
    /// Seconds from the beginning of the pass to that of the step, where it was timed by
    /// [`TimingMethod::Timestamps`]; else the sum of the steps before it.
    pub start_seconds: f64,
    /// Multiplications and additions of convolutions and fully connected layers, a pair counted as
    /// two: those that the kernel does, fewer than the layer's in Winograd's.
    pub operations: u64,
    /// Bytes read and written, each counted once however often it is touched.
    pub bytes: u64,
}

impl Profile {
    /// Seconds of all steps together.
    pub fn step_seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.seconds).sum()
    }
}
