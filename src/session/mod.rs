//! Runs a graph with weights on a device.
//!
//! Everything that running needs (buffers, bind groups, pipelines) is made when a session is built
//! or [prepared](Session::prepare) for new input shapes; [`Session::run`] makes nothing but, once, the
//! buffers that the host maps, which a host that [records](Session::encode) passes itself never needs.
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
mod chunks;
mod context;
mod gpu_session;
mod input;
mod options;
mod prepared_plan;
mod profiler;
mod resident;
mod run;
mod staging;

use std::sync::Arc;
use std::time::Duration;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, Precision};
use crate::graph::Graph;
pub use crate::kernels::ConvAlgorithm;
use crate::passes::PassReport;
use crate::profile::Profile;
use crate::reference::Reference;
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;
pub use chunks::PassChunks;
pub use gpu_session::GpuSession;
pub use input::SessionInput;
pub use options::{ActivationMemory, LoadProgress, Loading, SessionOptions};
pub use run::Run;

/// A network ready to run.
pub struct Session {
    engine: Engine,
    warning: Option<String>,
}

enum Engine {
    Gpu(Box<GpuSession>),
    Cpu(Arc<Reference>),
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
        let (engine, warning) = match device {
            Device::Gpu(gpu) => {
                let session = GpuSession::new(gpu, graph, weights, options);
                let misfit = options.tuning.as_ref().and_then(|t| t.fits(gpu).err());
                let misfit = misfit.map(|reason| format!("tuned kernels are not used: {reason}"));
                let prefers_matrices =
                    matches!(options.prefer, Some(ConvAlgorithm::Cooperative { .. }));
                let without = (prefers_matrices && !session.has_cooperative()).then(|| {
                    "cooperative matrices are not possible here: they need a device opened with \
                     them, and float16; other kernels were used"
                        .to_owned()
                });
                let notices: Vec<String> = [misfit, without].into_iter().flatten().collect();
                let warning = (!notices.is_empty()).then(|| notices.join("; "));
                if let Some(warning) = &warning {
                    tracing::warn!("{warning}");
                }
                (Engine::Gpu(Box::new(session)), warning)
            }
            Device::Cpu { .. } => (
                Engine::Cpu(Arc::new(Reference::new(graph, &weights)?)),
                (options.precision == Precision::F16)
                    .then(|| "the CPU computes in float32; float16 was not used".to_owned()),
            ),
        };
        let mut session = Self { engine, warning };
        session.prepare(shapes)?;
        Ok(session)
    }

    /// What the user should be told about how the session runs.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
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
    pub fn kernels(&self, shapes: &[Shape]) -> Result<Vec<(String, ConvAlgorithm)>> {
        match &self.engine {
            Engine::Gpu(session) => {
                let layers = session.conv_layers(shapes)?;
                let kernels = layers.into_iter();
                Ok(kernels.map(|l| (l.node.name, l.choice.selected)).collect())
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

    /// As [`Self::run`], without waiting: submits the run and answers a future that any executor can
    /// drive. Up to three runs of the same shapes are in submission at once; a fourth waits for the oldest
    /// here. They are computed in the order in which they were submitted.
    ///
    /// ```
    /// # use shadernet::{device::Device, session::Session, tensor::Tensor, weights::Weights};
    /// # let graph = shadernet::zoo::build("mlp", &shadernet::zoo::ZooOptions::default())?;
    /// # let weights = Weights::generated(&graph, 1.0);
    /// # let input = shadernet::weights::generate::generated_input([1, 1, 28, 28]);
    /// # let shapes = [input.shape().clone()];
    /// # let mut session = Session::new(&Device::cpu(), &graph, weights, &Default::default(), &shapes)?;
    /// let run = session.run_async(&[input])?;
    /// // … the caller goes on, and then, in an async function, `run.await`; or:
    /// let outputs = run.wait()?;
    /// # assert_eq!(outputs[0].shape().dims()[0], 1);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_async(&mut self, inputs: &[Tensor]) -> Result<Run> {
        match &mut self.engine {
            Engine::Gpu(session) => Ok(session.start(inputs)?.watched()),
            Engine::Cpu(reference) => {
                let (reference, inputs) = (reference.clone(), inputs.to_vec());
                Ok(Run::on_a_thread(move || reference.run(&inputs)))
            }
        }
    }

    /// Records a pass into the host's encoder. Nothing is submitted, and nothing waits: the outputs are
    /// in the answered buffers when the host's submission is done, until this session runs again on
    /// inputs of the same shapes. Whoever reads them in the same or a later submission sees them, for
    /// a queue's submissions are done in order.
    ///
    /// Shapes not prepared before are prepared first, which takes long.
    ///
    /// # Errors
    /// As [`Self::run`], [`Error::Inputs`] for a buffer that cannot be read, and [`Error::Device`] on
    /// the CPU twin, which has no encoder.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
    ) -> Result<Vec<GpuTensor>> {
        self.gpu("recording a pass")?.encode(encoder, inputs)
    }

    /// Begins a pass that is recorded in pieces which take the device about `max` each, by its own
    /// measurements, so that a large network runs over several frames while the interface goes on
    /// being drawn. Records how the inputs get in; [`PassChunks::encode`] records the pieces, one a frame
    /// as a rule. Pieces are made of whole dispatches: [`PassChunks::longest`] tells what the longest takes.
    ///
    /// The first for inputs of new shapes times the steps, see [`Self::prepare_chunks`].
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn encode_chunks(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
        max: Duration,
    ) -> Result<PassChunks> {
        let session = self.gpu("recording a pass in pieces")?;
        session.encode_chunks(encoder, inputs, max)
    }

    /// Makes what textures need to become inputs, where [`Self::encode`] would make it for the first.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn prepare_textures(&mut self) -> Result<()> {
        self.gpu("preparing for textures")?.prepare_textures()
    }

    /// Lets go of the textures that inputs were read from lately, of which 8 views are kept for when they
    /// come again: for a host that has resized its textures and wants the old ones' memory back at once.
    /// What was recorded stays valid.
    pub fn clear_textures(&mut self) {
        if let Engine::Gpu(session) = &mut self.engine {
            session.clear_textures();
        }
    }

    /// Prepares for inputs of `shapes`, and times the steps of a pass over whatever lies in memory, in
    /// a few passes: what [`Self::encode_chunks`] would do when it is called first. By timestamps where
    /// the device has them, else by the host's clock, which takes longer. Of a software device's
    /// timestamps that do not add up, nothing is believed, and times are estimated.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn prepare_chunks(&mut self, shapes: &[Shape]) -> Result<()> {
        self.gpu("timing steps")?.prepare_chunks(shapes)
    }

    /// Moves to another device, after the first was lost or for any other reason: reads the weights again
    /// from where they came from, and prepares for the same shapes. The answers are those of a session
    /// that was made there. Where it fails, the session is left as it was. On the CPU twin, nothing is
    /// ever lost, and nothing is done.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        match &mut self.engine {
            Engine::Gpu(session) => session.restore(gpu),
            Engine::Cpu(_) => Ok(()),
        }
    }

    /// The GPU that it is on.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin.
    pub(crate) fn device_for(&mut self, context: &str) -> Result<&Gpu> {
        Ok(self.gpu(context)?.device())
    }

    /// The session, where it is on a GPU.
    fn gpu(&mut self, context: &str) -> Result<&mut GpuSession> {
        match &mut self.engine {
            Engine::Gpu(session) => Ok(session),
            Engine::Cpu(_) => Err(Error::Device {
                device: "the CPU reference implementation".to_owned(),
                context: context.to_owned(),
                message: "it has no dispatches; use a GPU, or a software Vulkan driver".to_owned(),
            }),
        }
    }

    /// Where the time of a pass goes: every dispatch, timed in `rounds` passes, medians. By the
    /// device's timestamps where it has them ([`wgpu::Features::TIMESTAMP_QUERY`]), else by the host's
    /// clock over many dispatches of each; [`Profile::method`] says which.
    ///
    /// # Errors
    /// As [`Self::run`], and [`Error::Device`] on the CPU twin, which has no dispatches.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        self.gpu("timing steps")?.profile(inputs, rounds)
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
