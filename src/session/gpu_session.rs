//! A session on a GPU: bound plans, one per set of input shapes.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::bound_plan::BoundPlan;
use super::chunks::PassChunks;
use super::input::shapes_of;
use super::network_source::{Network, NetworkSource};
use super::prepared_plan::PreparedPlan;
use super::resident::ResidentWeights;
use super::run::Run;
use super::{ActivationMemory, Loading, SessionInput, SessionOptions};
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, PipelineKey};
use crate::graph::Graph;
use crate::kernels::DeviceContext;
use crate::passes::PassReport;
use crate::plan::{self, ConvLayer, Plan};
use crate::profile::{Profile, StepProfile, TimingMethod};
use crate::tensor::{Shape, Tensor};
use crate::texture::Preprocessor;
use crate::tuning::Tuning;
use crate::weights::Weights;

/// A session on a GPU.
pub struct GpuSession {
    pub(super) gpu: Gpu,
    pub(super) source: Arc<NetworkSource>,
    context: DeviceContext,
    pub(super) options: SessionOptions,
    weights: ResidentWeights,
    /// Prepared plans by input shapes, the most recently used last.
    plans: Vec<(Vec<Shape>, Arc<PreparedPlan>)>,
    /// Made when the first textures are used.
    preprocessor: Option<Preprocessor>,
}

/// The maximum number of plans: a plan holds buffers, and images may come in any number of sizes.
const MAX_PLANS: usize = 8;

impl GpuSession {
    /// A session that is prepared for no shapes yet. Weights are not checked against the graph.
    pub fn new(gpu: &Gpu, graph: &Graph, weights: Arc<Weights>, options: &SessionOptions) -> Self {
        let graph = graph.clone();
        let source = NetworkSource::Graph(Network { graph, weights });
        Self::from_source(gpu, source, options)
    }

    /// As [`Self::new`], for the networks of `source`.
    pub(crate) fn from_source(
        gpu: &Gpu,
        source: impl Into<Arc<NetworkSource>>,
        options: &SessionOptions,
    ) -> Self {
        let context = DeviceContext::from_gpu(gpu, options);
        Self::with_context(gpu, source, options, context)
    }

    /// As [`Self::from_source`], for a device as `context` describes it.
    pub(super) fn with_context(
        gpu: &Gpu,
        source: impl Into<Arc<NetworkSource>>,
        options: &SessionOptions,
        context: DeviceContext,
    ) -> Self {
        Self {
            gpu: gpu.clone(),
            source: source.into(),
            context,
            options: options.clone(),
            weights: ResidentWeights::default(),
            plans: Vec::new(),
            preprocessor: None,
        }
    }

    /// The device of the session.
    pub fn device(&self) -> &Gpu {
        &self.gpu
    }

    /// Whether cooperative matrices can be used.
    pub fn has_cooperative(&self) -> bool {
        self.context.cooperative.is_some()
    }

    pub(super) fn prepare(&mut self, shapes: &[Shape]) -> Result<&Arc<PreparedPlan>> {
        const PREPARING: &str = "preparing a run";
        let known = self.plans.iter().position(|(known, _)| known == shapes);
        let entry = match known {
            Some(i) => {
                self.gpu.check_known_lost(PREPARING)?;
                self.plans.remove(i)
            }
            None => {
                self.gpu.check_lost(PREPARING)?;
                let network = self.source.network(shapes)?;
                let plan =
                    tracing::debug_span!("plan").in_scope(|| self.plan(&network.graph, shapes))?;
                // Before the new plan's buffers are made, so that memory never holds one plan more.
                if self.plans.len() == MAX_PLANS {
                    self.plans.remove(0);
                }
                let needed = plan.session_bytes();
                let bound = self
                    .bind(plan, &network.weights)
                    .map_err(|error| error.with_needed_bytes(needed));
                // A device that was lost meanwhile refuses nothing: see `Gpu::check_lost`.
                let bound = bound.and_then(|bound| {
                    self.gpu.check_lost(PREPARING)?;
                    Ok(bound)
                });
                // Kernels, and so the layouts of weights, may differ between shapes. Weights of a plan that
                // could not be bound are dropped.
                let kept = self.plans.iter().flat_map(|(_, ready)| &ready.plan.weights);
                let new = bound.iter().flat_map(|plan| &plan.weights);
                self.weights
                    .retain(&kept.chain(new).map(String::as_str).collect());
                (shapes.to_vec(), Arc::new(PreparedPlan::new(bound?)))
            }
        };
        self.plans.push(entry);
        // Just pushed.
        Ok(&self.plans[self.plans.len() - 1].1)
    }

    fn plan(&self, graph: &Graph, shapes: &[Shape]) -> Result<Plan> {
        Plan::new(graph, shapes, &self.options.passes, &self.context)
    }

    /// Makes the pipelines, weights and buffers of `plan`.
    fn bind(&mut self, plan: Plan, source: &Weights) -> Result<BoundPlan> {
        let keys = plan.pipeline_keys();
        // The driver compiles while weights are packed.
        let gpu = self.gpu.clone();
        let _gl_lock = gpu.gl_lock();
        let progress = self.options.progress.as_ref();
        let make = || {
            gpu.pipelines_with_progress(&keys, &|completed, total| {
                if let Some(progress) = progress {
                    progress.report(Loading::Pipelines { completed, total });
                }
            })
        };
        let weights = &mut self.weights;
        let mut upload = || weights.upload(&gpu, source, plan.weights(), progress);
        let (made, uploaded) = match gpu.needs_serialized_access() {
            true => (make(), upload()),
            false => rayon::join(make, upload),
        };
        let pipelines = keys.iter().cloned().zip(made?).collect();
        uploaded?;
        gpu.with_error_scopes("making a session's buffers", || {
            BoundPlan::new(&gpu, plan, &self.weights, &pipelines)
        })
        .flatten()
    }

    /// See `Session::restore`.
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        self.rebuild(gpu, &self.options.clone())
    }

    /// See `Session::retune`.
    pub fn retune(&mut self, tuning: Arc<Tuning>) -> Result<()> {
        self.rebuild(&self.gpu.clone(), &self.options.clone().tuning(tuning))
    }

    /// Makes everything again on a device, for the shapes that this session is prepared for.
    fn rebuild(&mut self, gpu: &Gpu, options: &SessionOptions) -> Result<()> {
        let mut new = Self::from_source(gpu, self.source.clone(), options);
        for (shapes, _) in &self.plans {
            new.prepare(shapes)?;
        }
        *self = new;
        Ok(())
    }

    /// The reports of the graph passes for the shapes used last.
    pub fn passes(&self) -> &[PassReport] {
        self.plans
            .last()
            .map_or(&[], |(_, ready)| &ready.plan.passes)
    }

    /// Bytes of all buffers of the session.
    pub fn device_bytes(&self) -> u64 {
        let plans = self.plans.iter().map(|(_, ready)| ready.bytes());
        self.weights.bytes() + plans.sum::<u64>()
    }

    /// See `Session::memory`.
    pub fn memory(&self) -> Option<ActivationMemory> {
        self.plans.last().map(|(_, ready)| ready.plan.memory)
    }

    /// See `Session::run`.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(&shapes_of(inputs))?;
        let _gl_lock = gpu.gl_lock();
        ready.run(&gpu, inputs)
    }

    /// See `Session::run_async`.
    pub fn start(&mut self, inputs: &[Tensor]) -> Result<Run> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(&shapes_of(inputs))?;
        let _gl_lock = gpu.gl_lock();
        let submission = ready.start(&gpu, inputs)?;
        Ok(Run::new(&gpu, ready, submission))
    }

    /// See `Session::encode`.
    pub fn encode(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
    ) -> Result<Vec<GpuTensor>> {
        let shapes = inputs
            .iter()
            .map(SessionInput::shape)
            .collect::<Result<Vec<_>>>()?;
        let ready = self.prepare(&shapes)?.clone();
        self.gpu.check_lost("recording a pass")?;
        let _gl_lock = self.gpu.gl_lock();
        (ready.plan).encode_inputs(&self.gpu, encoder, inputs, &mut self.preprocessor)?;
        ready.plan.encode(encoder);
        Ok(ready.plan.outputs.clone())
    }

    /// See `Session::encode_chunks`.
    pub fn encode_chunks(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
        max: Duration,
    ) -> Result<PassChunks> {
        let shapes = inputs
            .iter()
            .map(SessionInput::shape)
            .collect::<Result<Vec<_>>>()?;
        self.prepare_chunks(&shapes)?;
        let ready = self.prepare(&shapes)?.clone();
        self.gpu.check_lost("recording a pass in chunks")?;
        let _gl_lock = self.gpu.gl_lock();
        let plan = &ready.plan;
        let pass = plan.encode_inputs(&self.gpu, encoder, inputs, &mut self.preprocessor)?;
        let seconds = plan.step_seconds.get().map_or(&[][..], Vec::as_slice);
        Ok(PassChunks::new(&self.gpu, &ready, pass, seconds, max))
    }

    /// See `Session::prepare_textures`.
    pub fn prepare_textures(&mut self) -> Result<()> {
        let _gl_lock = self.gpu.gl_lock();
        SessionInput::preprocessor(&self.gpu, &mut self.preprocessor).map(drop)
    }

    /// See `Session::clear_textures`.
    pub fn clear_textures(&mut self) {
        if let Some(preprocessor) = &mut self.preprocessor {
            preprocessor.clear();
        }
    }

    /// See `Session::prepare_chunks`.
    pub fn prepare_chunks(&mut self, shapes: &[Shape]) -> Result<()> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(shapes)?;
        let _gl_lock = gpu.gl_lock();
        ready.plan.measure_steps(&gpu)
    }

    /// See `Session::profile`.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(&shapes_of(inputs))?;
        let _gl_lock = gpu.gl_lock();
        ready.profile(&gpu, inputs, rounds)
    }

    /// How steps are timed.
    pub fn method(&self) -> TimingMethod {
        TimingMethod::of(&self.gpu)
    }

    /// The steps of a pass over whatever values are in memory, each timed.
    pub fn timed_pass(&mut self, shapes: &[Shape]) -> Result<Vec<StepProfile>> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(shapes)?;
        let _gl_lock = gpu.gl_lock();
        ready.plan.timed_pass(&gpu)
    }

    /// See `Session::encode_only`.
    pub fn encode_only(&mut self, shapes: &[Shape]) -> Result<usize> {
        let gpu = self.gpu.clone();
        self.prepare(shapes)?.encode_only(&gpu)
    }

    /// The convolutions that have several algorithms, for inputs of these shapes.
    pub fn conv_layers(&self, shapes: &[Shape]) -> Result<Vec<ConvLayer>> {
        let graph = self.source.network(shapes)?.graph;
        plan::conv_layers(&graph, shapes, &self.options.passes, &self.context)
    }

    /// The pipelines for inputs of these shapes, none of them made.
    pub fn pipeline_keys(&self, shapes: &[Shape]) -> Result<Vec<PipelineKey>> {
        let graph = self.source.network(shapes)?.graph;
        Ok(self.plan(&graph, shapes)?.pipeline_keys())
    }

    /// Makes pipelines on several threads, for sessions that will need them.
    pub fn compile(gpu: &Gpu, keys: &[PipelineKey]) -> Result<()> {
        let _gl_lock = gpu.gl_lock();
        gpu.pipelines(keys).map(drop)
    }

    /// Computes the node `name` `times` times, with whatever values are in memory, and returns how long that
    /// takes.
    pub fn time(&mut self, shapes: &[Shape], name: &str, times: usize) -> Result<Duration> {
        let gpu = self.gpu.clone();
        let ready = self.prepare(shapes)?;
        let _gl_lock = gpu.gl_lock();
        ready.plan.time(&gpu, name, times)
    }

    /// See `Session::shaders`.
    pub fn shaders(&self, shapes: &[Shape]) -> Result<Vec<(String, String)>> {
        let plan = self.plan(&self.source.network(shapes)?.graph, shapes)?;
        let steps = plan.steps.into_iter().map(|step| {
            let key = step.dispatch.key;
            let constants = key.constants.iter();
            let constants = constants.map(|(name, value)| format!(" {name}={value}"));
            let shader = key.shader.name.to_owned() + &constants.collect::<String>();
            (step.label, shader)
        });
        Ok(steps.collect())
    }

    /// See `Session::plan_only`.
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        let graph = self.source.network(shapes)?.graph;
        Ok(self.plan(&graph, shapes)?.steps.len())
    }
}

impl fmt::Debug for GpuSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shapes: Vec<&[Shape]> = self.plans.iter().map(|(shapes, _)| &shapes[..]).collect();
        f.debug_struct("GpuSession")
            .field("device", &self.gpu.info().name)
            .field("graph", &self.source.name())
            .field("options", &self.options)
            .field("prepared", &shapes)
            .finish_non_exhaustive()
    }
}

impl Drop for GpuSession {
    fn drop(&mut self) {
        let gpu = self.gpu.clone();
        let _gl_lock = gpu.gl_lock();
        self.plans.clear();
        self.preprocessor = None;
        self.weights.retain(&HashSet::new());
    }
}
