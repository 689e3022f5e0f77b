//! Runs a graph with weights on a device.
//!
//! Everything that running needs (buffers, bind groups, pipelines) is made when a session is built
//! or [prepared](Session::prepare) for new input shapes; [`Session::run`] makes nothing.
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::graph::{Conv2d, GraphBuilder};
//! use shadernet::session::{Session, SessionOptions};
//! use shadernet::tensor::{Shape, Tensor};
//! use shadernet::weights::Weights;
//!
//! let mut b = GraphBuilder::new("blur");
//! let x = b.image_input("input", 1);
//! let x = b.conv2d("conv", x, Conv2d::new(1, 1, 3).padding(1).bias(false));
//! b.output(x);
//! let graph = b.build()?;
//!
//! let kernel = Tensor::new([1, 1, 3, 3], vec![1.0 / 9.0; 9])?;
//! let weights = Weights::from_tensors("blur", [("conv.weight".to_owned(), kernel)]);
//!
//! let shape = Shape::from([1, 1, 4, 4]);
//! let options = SessionOptions::default();
//! let mut session = Session::new(&Device::cpu(), &graph, weights, &options, &[shape.clone()])?;
//! let answers = session.run(&[Tensor::new(shape, vec![1.0; 16])?])?;
//! assert!((answers[0].data()[5] - 1.0).abs() < 1e-6);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod bound_plan;
mod context;
mod gpu_session;
mod profiler;
mod resident;
mod staging;

use std::sync::Arc;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::graph::Graph;
pub use crate::kernels::ConvKernel;
use crate::passes::{PassOptions, PassReport};
use crate::profile::Profile;
use crate::reference::Reference;
use crate::tensor::{Shape, Tensor};
use crate::tuning::Tuning;
use crate::weights::Weights;
pub(crate) use gpu_session::GpuSession;

/// How a session stores values and weights.
#[derive(Clone, Debug, Default)]
pub struct SessionOptions {
    /// float32 or float16. The CPU twin computes in float32 either way; [`Session::notice`] says so.
    pub precision: Precision,
    /// The graph passes that run. The CPU twin computes the graph as it was built either way.
    pub passes: PassOptions,
    /// A convolution kernel to use wherever it can be, in place of the rule's choice: to compare
    /// kernels, and to test them.
    pub prefer: Option<ConvKernel>,
    /// Kernels chosen by timing them on this device. A tuning of another device, driver or version is
    /// ignored, and [`Session::notice`] says so.
    pub tuning: Option<Arc<Tuning>>,
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

/// A network ready to run.
pub struct Session {
    engine: Engine,
    notice: Option<String>,
}

enum Engine {
    Gpu(Box<GpuSession>),
    Cpu(Box<Reference>),
}

impl Session {
    /// Checks `weights` against `graph`, uploads them and prepares for inputs of `shapes`.
    ///
    /// # Errors
    /// [`crate::Error::Weights`] listing every tensor that is missing, misshapen or of a wrong
    /// type; [`crate::Error::Node`] and [`crate::Error::Inputs`] for shapes that do not fit;
    /// [`crate::Error::Limit`] and [`crate::Error::Device`] for what the device cannot do.
    pub fn new(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        options: &SessionOptions,
        shapes: &[Shape],
    ) -> Result<Self> {
        let weights = weights.into();
        let unused = weights.check(graph)?.unused;
        if !unused.is_empty() {
            let source = weights.source();
            tracing::warn!("{source}: tensors that the network does not use: {unused:?}");
        }
        let (engine, notice) = match device {
            Device::Gpu(gpu) => {
                let session = GpuSession::new(gpu, graph, weights, options);
                let misfit = options.tuning.as_ref().and_then(|t| t.fits(gpu).err());
                let misfit = misfit.map(|reason| format!("tuned kernels are not used: {reason}"));
                let prefers_matrices =
                    matches!(options.prefer, Some(ConvKernel::Cooperative { .. }));
                let without = (prefers_matrices && !session.has_cooperative()).then(|| {
                    "cooperative matrices are not possible here: they need a device opened with \
                     them, and float16; other kernels were used"
                        .to_owned()
                });
                let notices: Vec<String> = [misfit, without].into_iter().flatten().collect();
                let notice = (!notices.is_empty()).then(|| notices.join("; "));
                if let Some(notice) = &notice {
                    tracing::warn!("{notice}");
                }
                (Engine::Gpu(Box::new(session)), notice)
            }
            Device::Cpu { .. } => (
                Engine::Cpu(Box::new(Reference::new(graph, &weights)?)),
                (options.precision == Precision::F16)
                    .then(|| "the CPU computes in float32; float16 was not used".to_owned()),
            ),
        };
        let mut session = Self { engine, notice };
        session.prepare(shapes)?;
        Ok(session)
    }

    /// What the user should be told about how the session runs.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// What each graph pass did, and did not do and why, for the input shapes used last. Nothing on
    /// the CPU, which computes the graph as it was built.
    pub fn passes(&self) -> &[PassReport] {
        match &self.engine {
            Engine::Gpu(session) => session.passes(),
            Engine::Cpu(_) => &[],
        }
    }

    /// Memory for values on the GPU for the input shapes used last; `None` on the CPU, which makes and
    /// frees values one by one.
    pub fn memory(&self) -> Option<ActivationMemory> {
        match &self.engine {
            Engine::Gpu(session) => session.memory(),
            Engine::Cpu(_) => None,
        }
    }

    /// The kernels of the convolutions that there is a choice for, by node, for inputs of `shapes`; none
    /// on the CPU.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn kernels(&self, shapes: &[Shape]) -> Result<Vec<(String, ConvKernel)>> {
        match &self.engine {
            Engine::Gpu(session) => {
                let layers = session.conv_layers(shapes)?;
                let kernels = layers.into_iter();
                Ok(kernels.map(|l| (l.node.name, l.choice.rule)).collect())
            }
            Engine::Cpu(_) => Ok(Vec::new()),
        }
    }

    /// Bytes of all buffers that the session holds on the GPU: weights, values, inputs and outputs for
    /// all shapes that it is prepared for, and what the host reads and writes; `None` on the CPU. It is
    /// the most that a pass takes too, as [`Self::run`] makes nothing.
    pub fn device_bytes(&self) -> Option<u64> {
        match &self.engine {
            Engine::Gpu(session) => Some(session.device_bytes()),
            Engine::Cpu(_) => None,
        }
    }

    /// Makes what running with inputs of `shapes` needs, unless it was made before. Weights are
    /// shared by all shapes; what was made is kept for the 8 sets of shapes used last.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn prepare(&mut self, shapes: &[Shape]) -> Result<()> {
        match &mut self.engine {
            Engine::Gpu(session) => session.prepare(shapes).map(drop),
            Engine::Cpu(reference) => reference.graph().infer(shapes).map(drop),
        }
    }

    /// The outputs for `inputs`, NCHW, in the graph's order. Waits for the answer.
    ///
    /// Shapes not prepared before are prepared first.
    ///
    /// # Errors
    /// As [`Self::prepare`], and [`crate::Error::Device`] where the device fails.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match &mut self.engine {
            Engine::Gpu(session) => session.run(inputs),
            Engine::Cpu(reference) => reference.run(inputs),
        }
    }

    /// Where the time of a pass goes: every dispatch, timed in `rounds` passes, medians. By the
    /// device's timestamps where it has them ([`wgpu::Features::TIMESTAMP_QUERY`]), else by the host's
    /// clock over many dispatches of each; [`Profile::method`] says which.
    ///
    /// # Errors
    /// As [`Self::run`], and [`Error::Device`] on the CPU twin, which has no dispatches.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        match &mut self.engine {
            Engine::Gpu(session) => session.profile(inputs, rounds),
            Engine::Cpu(_) => Err(Error::Device {
                device: "the CPU reference implementation".to_owned(),
                context: "profiling".to_owned(),
                message: "it has no dispatches to time; use a GPU, or a software Vulkan driver"
                    .to_owned(),
            }),
        }
    }

    /// What the CPU does in a pass apart from copying tensors: encodes its commands, and throws
    /// them away. Answers the number of dispatches, 0 on the CPU twin. For the benches, which hold
    /// it to a bound; [`Self::run`] hides it behind the device's time.
    #[doc(hidden)]
    pub fn encode_only(&mut self, shapes: &[Shape]) -> Result<usize> {
        match &mut self.engine {
            Engine::Gpu(session) => session.encode_only(shapes),
            Engine::Cpu(_) => Ok(0),
        }
    }

    /// The dispatches of a pass for inputs of `shapes`, in order: a node's name, and its shader's with
    /// the shader's constants. Nothing on the CPU. For tests that ask for certain kernels.
    #[doc(hidden)]
    pub fn shaders(&self, shapes: &[Shape]) -> Result<Vec<(String, String)>> {
        match &self.engine {
            Engine::Gpu(session) => session.shaders(shapes),
            Engine::Cpu(_) => Ok(Vec::new()),
        }
    }

    /// Plans for inputs of `shapes` as [`Self::prepare`] does where they are new, and throws the
    /// plan away. Answers as [`Self::encode_only`], and is for the same.
    #[doc(hidden)]
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        match &self.engine {
            Engine::Gpu(session) => session.plan_only(shapes),
            Engine::Cpu(_) => Ok(0),
        }
    }
}
