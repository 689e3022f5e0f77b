//! Runs a graph with weights on a device.
//!
//! All buffers, bind groups and pipelines are made when a session is built or [prepared](Session::prepare) for
//! new input shapes. [`Session::run`] makes only the buffers that the host maps, once; a host that
//! [records](Session::encode) passes itself does not need those.
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
//! let outputs = session.run(&[Tensor::new(shape, vec![1.0; 16])?])?;
//! assert!((outputs[0].data()[5] - 1.0).abs() < 1e-6);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod bound_plan;
mod chunks;
mod context;
mod cpu_session;
mod finite;
mod gpu_session;
mod input;
mod internals;
mod matrix_check;
mod network_source;
#[cfg(feature = "onnx")]
mod onnx;
mod options;
mod prepared_plan;
mod profiler;
mod rebuild;
mod reference_session;
mod resident;
mod run;
mod staging;

use std::sync::Arc;
use std::time::Duration;

use crate::cpu::CpuDevice;
use crate::device::Device;
use crate::error::{CPU, Error, Result};
use crate::gpu::{Gpu, GpuTensor, Precision};
use crate::graph::Graph;
pub use crate::kernels::ConvAlgorithm;
use crate::passes::PassReport;
use crate::profile::Profile;
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;
pub use chunks::PassChunks;
pub use context::AssumedGpu;
use cpu_session::CpuSession;
pub use gpu_session::GpuSession;
pub use input::SessionInput;
use input::shapes_of;
pub(crate) use network_source::{Network, NetworkSource};
#[cfg(feature = "onnx")]
pub(crate) use onnx::OnnxSource;
pub use options::{ActivationMemory, LoadProgress, Loading, SessionOptions};
use reference_session::ReferenceSession;
pub use run::Run;

/// A network ready to run.
#[derive(Debug)]
pub struct Session {
    executor: Executor,
    warning: Option<String>,
}

#[derive(Debug)]
enum Executor {
    Gpu(Box<GpuSession>),
    Cpu(Box<CpuSession>),
    Reference(ReferenceSession),
}

impl Session {
    /// Checks `weights` against `graph`, uploads them, and prepares for inputs of `shapes`.
    ///
    /// # Errors
    /// [`Error::Weights`], which lists all tensors that are missing, have a wrong shape or type, or are too
    /// many (see [`Weights::check`]);
    /// [`Error::Node`] and [`Error::Inputs`] for shapes that do not fit; [`Error::Limit`],
    /// [`Error::OutOfMemory`], [`Error::Device`] and [`Error::DeviceLost`] where the device fails.
    pub fn new(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        options: &SessionOptions,
        shapes: &[Shape],
    ) -> Result<Self> {
        let weights = weights.into();
        let unused = weights.check(graph)?.warning(&weights, graph);
        let graph = graph.clone();
        let source = NetworkSource::Graph(Network { graph, weights });
        Self::from_source(device, source, options, shapes, unused)
    }

    /// A session for the networks of `source`, with what is to be said about its weights.
    pub(crate) fn from_source(
        device: &Device,
        source: impl Into<Arc<NetworkSource>>,
        options: &SessionOptions,
        shapes: &[Shape],
        about_weights: Option<String>,
    ) -> Result<Self> {
        let source = source.into();
        let (executor, warnings) = match device {
            Device::Gpu(gpu) => {
                let session = GpuSession::from_source(gpu, source, options);
                let mismatch = options.tuning.as_ref().and_then(|t| t.fits(gpu).err());
                let mismatch =
                    mismatch.map(|reason| format!("tuned kernels are not used: {reason}"));
                let prefers_matrices =
                    matches!(options.prefer, Some(ConvAlgorithm::Cooperative { .. }));
                let wrong = matrix_check::usable(gpu, options.precision).err();
                let wrong = wrong.map(|reason| {
                    format!(
                        "cooperative matrices are not used: the driver offers them, but {reason}"
                    )
                });
                let is_unavailable = prefers_matrices && !session.has_cooperative();
                let unavailable = (is_unavailable && wrong.is_none()).then(|| {
                    "cooperative matrices are not possible here: they need a device opened with \
                     them, and float16; other kernels were used"
                        .to_owned()
                });
                let unavailable = wrong.or(unavailable);
                (Executor::Gpu(Box::new(session)), [mismatch, unavailable])
            }
            Device::Cpu(cpu) => {
                let session = CpuSession::new(cpu, source, options);
                let executor = Executor::Cpu(Box::new(session));
                (executor, [float32_only("the CPU", options), None])
            }
            Device::Reference => {
                let session = ReferenceSession::new(source, shapes)?;
                let executor = Executor::Reference(session);
                (
                    executor,
                    [float32_only("the reference backend", options), None],
                )
            }
        };
        let warnings: Vec<String> = [about_weights]
            .into_iter()
            .chain(warnings)
            .flatten()
            .collect();
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let warning = (!warnings.is_empty()).then(|| warnings.join("\n"));
        let mut session = Self { executor, warning };
        session.prepare(shapes)?;
        Ok(session)
    }

    /// What the user should know about how the session runs, one line each: tensors of the weights that the
    /// network does not use, and options that could not be followed.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// The reports of the graph passes for the input shapes used last: what each pass changed, and what it
    /// refused and why. Empty on the reference backend, which computes the graph as it was built.
    pub fn passes(&self) -> &[PassReport] {
        match &self.executor {
            Executor::Gpu(session) => session.passes(),
            Executor::Cpu(session) => session.passes(),
            Executor::Reference(_) => &[],
        }
    }

    /// Memory for values, for the input shapes used last; `None` on the reference backend, which allocates and frees
    /// values one by one.
    pub fn memory(&self) -> Option<ActivationMemory> {
        match &self.executor {
            Executor::Gpu(session) => session.memory(),
            Executor::Cpu(session) => session.memory(),
            Executor::Reference(_) => None,
        }
    }

    /// The algorithms of the convolutions that have several, by node, for inputs of `shapes`. Empty on the
    /// reference backend.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn kernels(&self, shapes: &[Shape]) -> Result<Vec<(String, ConvAlgorithm)>> {
        match &self.executor {
            Executor::Gpu(session) => {
                let layers = session.conv_layers(shapes)?;
                let kernels = layers.into_iter();
                Ok(kernels.map(|l| (l.node.name, l.choice.selected)).collect())
            }
            Executor::Cpu(..) => Ok(Vec::new()),
            Executor::Reference(_) => Ok(Vec::new()),
        }
    }

    /// Bytes of all GPU buffers of the session: weights, values, inputs and outputs for all shapes that it is
    /// prepared for, and the buffers that the host maps; `None` on the reference backend. Running needs no further
    /// memory.
    pub fn device_bytes(&self) -> Option<u64> {
        match &self.executor {
            Executor::Gpu(session) => Some(session.device_bytes()),
            Executor::Cpu(session) => Some(session.device_bytes()),
            Executor::Reference(_) => None,
        }
    }

    /// Makes the resources for running with inputs of `shapes`, unless they exist. All shapes share the
    /// weights; the resources of the 8 sets of shapes used last are kept.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn prepare(&mut self, shapes: &[Shape]) -> Result<()> {
        match &mut self.executor {
            Executor::Gpu(session) => session.prepare(shapes).map(drop),
            Executor::Cpu(session) => session.prepare(shapes),
            Executor::Reference(session) => session.reference(shapes)?.check(shapes),
        }
    }

    /// Computes the outputs for `inputs`, NCHW, in the graph's order, and waits for them.
    ///
    /// Prepares for the inputs' shapes first where that was not done before.
    ///
    /// # Errors
    /// As [`Self::prepare`], and [`Error::Device`] where the device fails.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match &mut self.executor {
            Executor::Gpu(session) => session.run(inputs),
            Executor::Cpu(session) => session.run(inputs),
            Executor::Reference(session) => session.reference(&shapes_of(inputs))?.run(inputs),
        }
    }

    /// As [`Self::run`], without waiting: submits the run and returns a future that any executor can drive. Up
    /// to three runs of the same shapes can be in flight; this call waits for the oldest before it submits a
    /// fourth. Runs begin in the order of submission; on the CPU, several are computed at once.
    ///
    /// ```
    /// # use shadernet::{device::Device, session::Session, tensor::Tensor, weights::Weights};
    /// # let graph = shadernet::zoo::build("mlp", &shadernet::zoo::ZooOptions::default())?;
    /// # let weights = Weights::generated(&graph, 1.0);
    /// # let input = shadernet::weights::generate::generated_input([1, 1, 28, 28]);
    /// # let shapes = [input.shape().clone()];
    /// # let mut session = Session::new(&Device::cpu(), &graph, weights, &Default::default(), &shapes)?;
    /// let run = session.run_async(&[input])?;
    /// // … other work; then `run.await` in an async function, or:
    /// let outputs = run.wait()?;
    /// # assert_eq!(outputs[0].shape().dims()[0], 1);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_async(&mut self, inputs: &[Tensor]) -> Result<Run> {
        match &mut self.executor {
            Executor::Gpu(session) => session.start(inputs),
            Executor::Cpu(session) => session.start(inputs),
            Executor::Reference(session) => {
                let reference = session.reference(&shapes_of(inputs))?.clone();
                let inputs = inputs.to_vec();
                let cpu = CpuDevice::default();
                Ok(Run::on_threads_of(&cpu, move || reference.run(&inputs)))
            }
        }
    }

    /// Records a pass into the host's encoder, without submitting or waiting. The returned buffers hold the
    /// outputs once the host's submission is done, until this session runs again on inputs of the same shapes.
    /// Commands in the same or a later submission see them, because a queue executes submissions in order.
    ///
    /// Prepares for the inputs' shapes first where that was not done before, which takes long.
    ///
    /// # Errors
    /// As [`Self::run`], [`Error::Inputs`] for a buffer that cannot be read, and [`Error::Device`] on
    /// the CPU and the reference backend, which have no encoder.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
    ) -> Result<Vec<GpuTensor>> {
        self.gpu("recording a pass")?.encode(encoder, inputs)
    }

    /// Begins a pass that is recorded in chunks of about `max` of measured GPU time each, so that a large
    /// network runs over several frames while the user interface is drawn. This call records the copies of the
    /// inputs; [`PassChunks::encode`] records the chunks, usually one per frame. Chunks consist of whole
    /// dispatches, so that one may take longer than `max`: see [`PassChunks::longest`].
    ///
    /// The first call for inputs of new shapes times the steps, see [`Self::prepare_chunks`].
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_chunks(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
        max: Duration,
    ) -> Result<PassChunks> {
        let session = self.gpu("recording a pass in chunks")?;
        session.encode_chunks(encoder, inputs, max)
    }

    /// Makes the resources for texture inputs, which the first [`Self::encode`] with textures would make.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn prepare_textures(&mut self) -> Result<()> {
        self.gpu("preparing for textures")?.prepare_textures()
    }

    /// Releases the texture views that are cached for reuse, of which there are up to 8: for a host that has
    /// resized its textures and wants the old ones' memory back at once. Recorded passes stay valid.
    pub fn clear_textures(&mut self) {
        if let Executor::Gpu(session) = &mut self.executor {
            session.clear_textures();
        }
    }

    /// Prepares for inputs of `shapes`, and times the steps in a few passes over whatever values are in memory,
    /// as the first [`Self::encode_chunks`] would. Uses timestamps where the device has them, and the host's
    /// clock otherwise, which takes longer. Where a software device's timestamps do not add up, times are
    /// estimated instead.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn prepare_chunks(&mut self, shapes: &[Shape]) -> Result<()> {
        self.gpu("timing steps")?.prepare_chunks(shapes)
    }

    /// The session's GPU.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU and the reference backend.
    pub(crate) fn device_for(&mut self, context: &str) -> Result<&Gpu> {
        Ok(self.gpu(context)?.device())
    }

    /// The GPU session, or an error about `context` on the others.
    fn gpu(&mut self, context: &str) -> Result<&mut GpuSession> {
        match &mut self.executor {
            Executor::Gpu(session) => Ok(session),
            Executor::Cpu(..) => Err(no_dispatches(CPU, context)),
            Executor::Reference(_) => Err(no_dispatches("the reference backend", context)),
        }
    }

    /// Times each dispatch of a pass in `rounds` passes, and a whole pass before and after each of them. The
    /// rounds are ordered by the share of the pass that the dispatches take together; times are means over the
    /// middle half of them, so that outliers are left out and the times add up. Uses the device's timestamps
    /// where it has them ([`wgpu::Features::TIMESTAMP_QUERY`]), and the host's clock over many dispatches of
    /// each step otherwise; [`Profile::method`] says which.
    ///
    /// # Errors
    /// As [`Self::run`], and [`Error::Device`] on the CPU and the reference backend, which have no dispatches.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        match &mut self.executor {
            Executor::Cpu(session) => session.profile(inputs, rounds),
            _ => self.gpu("timing steps")?.profile(inputs, rounds),
        }
    }
}

/// The error of `device`, which is not a GPU, for what only a GPU does.
fn no_dispatches(device: &str, context: &str) -> Error {
    Error::Device {
        device: device.to_owned(),
        context: context.to_owned(),
        source: "it has no dispatches; use a GPU, or a software Vulkan driver".into(),
    }
}

/// The warning of `device`, which has no float16, where that was asked for.
fn float32_only(device: &str, options: &SessionOptions) -> Option<String> {
    (options.precision == Precision::F16)
        .then(|| format!("{device} computes in float32; float16 was not used"))
}
