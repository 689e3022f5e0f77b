//! A session on a GPU: plans bound to buffers, one a set of input shapes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::resident::ResidentWeights;
use super::{ActivationMemory, SessionOptions};
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Pipeline, PipelineKey, Precision};
use crate::graph::Graph;
use crate::kernels::{DeviceContext, Read};
use crate::passes::{PassOptions, PassReport};
use crate::plan::{self, Answer, ConvLayer, Place, Plan, Step};
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;
use wgpu::BufferUsages;

pub(crate) struct GpuSession {
    gpu: Gpu,
    graph: Graph,
    context: DeviceContext,
    passes: PassOptions,
    weights: ResidentWeights,
    /// Bound plans by input shapes, the one used last at the end.
    plans: Vec<(Vec<Shape>, BoundPlan)>,
}

/// Plans kept: a plan holds buffers, and pictures may come in any number of sizes.
const PLANS_KEPT: usize = 8;

impl GpuSession {
    pub fn new(gpu: &Gpu, graph: &Graph, weights: Arc<Weights>, options: &SessionOptions) -> Self {
        Self {
            gpu: gpu.clone(),
            graph: graph.clone(),
            context: DeviceContext {
                name: gpu.info().name.clone(),
                limits: gpu.limits().clone(),
                precision: options.precision,
                subgroup_size: gpu.subgroup_size(),
                is_software: gpu.info().device_type == wgpu::DeviceType::Cpu,
                cooperative: gpu
                    .cooperative()
                    .filter(|_| options.precision == Precision::F16),
                prefer: options.prefer,
                tuned: (options.tuning.as_ref())
                    .filter(|tuning| tuning.fits(gpu).is_ok())
                    .map(|tuning| Arc::new(tuning.tuned())),
            },
            passes: options.passes,
            weights: ResidentWeights::new(weights),
            plans: Vec::new(),
        }
    }

    /// Whether cooperative matrices can be used.
    pub fn has_cooperative(&self) -> bool {
        self.context.cooperative.is_some()
    }

    pub fn prepare(&mut self, shapes: &[Shape]) -> Result<&BoundPlan> {
        let known = self.plans.iter().position(|(known, _)| known == shapes);
        let entry = match known {
            Some(i) => self.plans.remove(i),
            None => {
                let plan = tracing::debug_span!("plan")
                    .in_scope(|| Plan::new(&self.graph, shapes, &self.passes, &self.context))?;
                let keys = pipeline_keys(&plan);
                // Drivers compile while weights are packed.
                let gpu = self.gpu.clone();
                let _turn = gpu.turn();
                let make = || gpu.pipelines(&keys);
                let weights = &mut self.weights;
                let mut upload = || weights.upload(&gpu, plan.weights());
                let (made, uploaded) = match gpu.takes_turns() {
                    true => (make(), upload()),
                    false => rayon::join(make, upload),
                };
                made?;
                uploaded?;
                // Before the new one's buffers are made, so that memory never holds one more.
                if self.plans.len() == PLANS_KEPT {
                    self.plans.remove(0);
                    // Kernels, and so the layouts of weights, may differ between shapes.
                    let kept = self.plans.iter().flat_map(|(_, plan)| &plan.weights);
                    let kept = kept.map(String::as_str);
                    let needed = kept.chain(plan.weights().map(|w| w.name.as_str()));
                    self.weights.keep(&needed.collect());
                }
                let bound = BoundPlan::new(&self.gpu, plan, &self.weights)?;
                (shapes.to_vec(), bound)
            }
        };
        self.plans.push(entry);
        // Just pushed.
        Ok(&self.plans[self.plans.len() - 1].1)
    }

    /// What passes did for the shapes used last.
    pub fn passes(&self) -> &[PassReport] {
        self.plans.last().map_or(&[], |(_, plan)| &plan.passes)
    }

    pub fn memory(&self) -> Option<ActivationMemory> {
        self.plans.last().map(|(_, plan)| plan.memory)
    }

    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
        let gpu = self.gpu.clone();
        let plan = self.prepare(&shapes)?;
        let _turn = gpu.turn();
        plan.run(&gpu, inputs)
    }

    /// See `Session::encode_only`.
    pub fn encode_only(&mut self, shapes: &[Shape]) -> Result<usize> {
        let gpu = self.gpu.clone();
        let plan = self.prepare(shapes)?;
        // Dropped: a command buffer that is never submitted costs the device nothing.
        gpu.scoped("encoding", || drop(plan.commands(&gpu)))?;
        Ok(plan.steps.len())
    }

    /// The convolutions that kernels can be chosen for, for inputs of these shapes.
    pub fn conv_layers(&self, shapes: &[Shape]) -> Result<Vec<ConvLayer>> {
        plan::conv_layers(&self.graph, shapes, &self.passes, &self.context)
    }

    /// Has the device compute the node `name` so many times, with whatever lies in memory, and
    /// answers how long it takes.
    pub fn time(&mut self, shapes: &[Shape], name: &str, times: usize) -> Result<Duration> {
        let gpu = self.gpu.clone();
        let plan = self.prepare(shapes)?;
        let _turn = gpu.turn();
        let steps: Vec<&BoundStep> = plan.steps.iter().filter(|s| s.label == name).collect();
        gpu.scoped("timing", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in 0..times {
                steps.iter().for_each(|step| step.encode(&mut pass));
            }
            drop(pass);
            let commands = encoder.finish();
            let start = Instant::now();
            gpu.queue().submit([commands]);
            let waited = gpu.device().poll(wgpu::PollType::wait_indefinitely());
            waited.map(|_| start.elapsed())
        })?
        .map_err(|error| gpu.error("timing", error))
    }

    /// See `Session::plan_only`.
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        Ok(Plan::new(&self.graph, shapes, &self.passes, &self.context)?
            .steps
            .len())
    }
}

impl Drop for GpuSession {
    fn drop(&mut self) {
        let gpu = self.gpu.clone();
        let _turn = gpu.turn();
        self.plans.clear();
        self.weights.keep(&HashSet::new());
    }
}

/// A plan with its buffers, bind groups and pipelines.
pub(crate) struct BoundPlan {
    inputs: Vec<Edge>,
    outputs: Vec<Edge>,
    output_shapes: Vec<Shape>,
    steps: Vec<BoundStep>,
    passes: Vec<PassReport>,
    memory: ActivationMemory,
    /// Names of the weights that its steps read.
    weights: Vec<String>,
}

/// A tensor at the border: in device memory, where it may be part of a buffer, and in memory that
/// the host maps.
struct Edge {
    device: wgpu::Buffer,
    offset: u64,
    host: wgpu::Buffer,
    bytes: u64,
}

struct BoundStep {
    /// The node's name.
    label: String,
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl BoundPlan {
    fn new(gpu: &Gpu, plan: Plan, weights: &ResidentWeights) -> Result<Self> {
        let _span = tracing::debug_span!("bind").entered();
        let keys = pipeline_keys(&plan);
        let pipelines: HashMap<PipelineKey, Pipeline> =
            (keys.iter().cloned()).zip(gpu.pipelines(&keys)?).collect();
        gpu.scoped("making a session's buffers", || {
            Self::bind(gpu, plan, weights, &pipelines)
        })?
    }

    fn bind(
        gpu: &Gpu,
        plan: Plan,
        weights: &ResidentWeights,
        pipelines: &HashMap<PipelineKey, Pipeline>,
    ) -> Result<Self> {
        let slots: Vec<wgpu::Buffer> = (plan.slots.iter())
            .map(|&bytes| {
                let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
                gpu.buffer("values", bytes, usage, false)
            })
            .collect();
        let inputs: Vec<Edge> = plan.inputs.iter().map(|shape| input(gpu, shape)).collect();
        let outputs: Vec<Edge> = (plan.outputs.iter().zip(&plan.answers))
            .map(|(shape, answer)| output(gpu, shape, *answer, &slots))
            .collect();
        let (uniforms, offsets) = uniforms(gpu, &plan.steps)?;

        let place = |place: Place| match place {
            Place::Slot(i) => &slots[i],
            Place::Input(i) => &inputs[i].device,
            Place::Output(i) => &outputs[i].device,
        };
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (step, offset) in plan.steps.iter().zip(offsets) {
            // Made above, one for every key of the plan.
            let pipeline = pipelines[&step.dispatch.key].clone();
            let mut buffers = Vec::new();
            for read in &step.dispatch.reads {
                buffers.push(match read {
                    Read::Input(i) => place(step.inputs[*i]),
                    Read::Scratch(i) => place(step.scratch[*i]),
                    Read::Weight(weight) => weights.buffer(weight).ok_or_else(|| {
                        gpu.error("binding weights", format!("{weight:?} was not uploaded"))
                    })?,
                });
            }
            buffers.push(place(step.output));
            let mut entries = vec![wgpu::BindGroupEntry {
                binding: 0,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &uniforms,
                    offset,
                    size: wgpu::BufferSize::new(padded(step.dispatch.params.len())),
                }),
            }];
            entries.extend(
                (1..)
                    .zip(buffers)
                    .map(|(binding, buffer)| wgpu::BindGroupEntry {
                        binding,
                        resource: buffer.as_entire_binding(),
                    }),
            );
            let bind_group = gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&step.label),
                layout: &pipeline.layout,
                entries: &entries,
            });
            steps.push(BoundStep {
                label: step.label.clone(),
                pipeline,
                bind_group,
                workgroups: step.dispatch.workgroups,
            });
        }
        let names = plan.weights().map(|weight| weight.name.clone()).collect();
        Ok(Self {
            inputs,
            outputs,
            output_shapes: plan.outputs,
            steps,
            passes: plan.passes,
            weights: names,
            memory: ActivationMemory {
                bytes: plan.activation_bytes,
                workspace: plan.workspace_bytes,
                lower_bound: plan.lower_bound_bytes,
            },
        })
    }

    fn run(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let _span = tracing::debug_span!("run").entered();
        let failed = |error: wgpu::MapRangeError| gpu.error("mapping a buffer", error);
        for (edge, tensor) in self.inputs.iter().zip(inputs) {
            let mut view = edge
                .host
                .get_mapped_range_mut(..edge.bytes)
                .map_err(failed)?;
            view.copy_from_slice(bytemuck::cast_slice(tensor.data()));
            drop(view);
            edge.host.unmap();
        }
        gpu.scoped("running", || gpu.queue().submit([self.commands(gpu)]))?;
        // Inputs are mapped again for the next run while the answer is awaited.
        let (sender, mapped) = mpsc::channel();
        let modes = (self.inputs.iter().map(|edge| (edge, wgpu::MapMode::Write)))
            .chain(self.outputs.iter().map(|edge| (edge, wgpu::MapMode::Read)));
        for (edge, mode) in modes {
            let sender = sender.clone();
            edge.host.map_async(mode, ..edge.bytes, move |result| {
                // The receiver is gone only where the run has failed already.
                let _ = sender.send(result);
            });
        }
        drop(sender);
        gpu.scoped("waiting for the answer", || {
            gpu.device().poll(wgpu::PollType::wait_indefinitely())
        })?
        .map_err(|error| gpu.error("waiting for the answer", error))?;
        for result in mapped.try_iter() {
            result.map_err(|error| gpu.error("mapping a buffer", error))?;
        }
        (self.outputs.iter().zip(&self.output_shapes))
            .map(|(edge, shape)| {
                let view = edge.host.get_mapped_range(..edge.bytes).map_err(failed)?;
                let data = bytemuck::pod_collect_to_vec(&view[..]);
                drop(view);
                edge.host.unmap();
                Tensor::new(shape.clone(), data)
            })
            .collect()
    }

    /// Everything that the device does in a pass.
    fn commands(&self, gpu: &Gpu) -> wgpu::CommandBuffer {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for edge in &self.inputs {
            encoder.copy_buffer_to_buffer(&edge.host, 0, &edge.device, 0, edge.bytes);
        }
        self.encode(&mut encoder);
        for edge in &self.outputs {
            encoder.copy_buffer_to_buffer(&edge.device, edge.offset, &edge.host, 0, edge.bytes);
        }
        encoder.finish()
    }

    fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for step in &self.steps {
            step.encode(&mut pass);
        }
    }
}

impl BoundStep {
    fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// The pipelines that a plan's steps need, each once.
fn pipeline_keys(plan: &Plan) -> Vec<PipelineKey> {
    let keys: HashSet<&PipelineKey> = plan.steps.iter().map(|s| &s.dispatch.key).collect();
    keys.into_iter().cloned().collect()
}

fn input(gpu: &Gpu, shape: &Shape) -> Edge {
    let bytes = shape.len() as u64 * 4;
    let device_usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    let host_usage = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
    Edge {
        device: gpu.buffer("input", bytes, device_usage, false),
        offset: 0,
        // Inputs stay mapped between runs.
        host: gpu.buffer("input", bytes, host_usage, true),
        bytes,
    }
}

fn output(gpu: &Gpu, shape: &Shape, answer: Answer, slots: &[wgpu::Buffer]) -> Edge {
    let bytes = shape.len() as u64 * 4;
    let (device, offset) = match answer {
        Answer::Slot { slot, offset } => (slots[slot].clone(), offset),
        Answer::Unpacked => {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            (gpu.buffer("output", bytes, usage, false), 0)
        }
    };
    let host_usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    Edge {
        device,
        offset,
        host: gpu.buffer("output", bytes, host_usage, false),
        bytes,
    }
}

/// Uniform blocks are filled up to 16 bytes, as WGSL counts their size.
fn padded(len: usize) -> u64 {
    (len as u64).next_multiple_of(16)
}

/// The parameters of all steps in one buffer, and where each step's begin.
fn uniforms(gpu: &Gpu, steps: &[Step]) -> Result<(wgpu::Buffer, Vec<u64>), Error> {
    let alignment = u64::from(gpu.limits().min_uniform_buffer_offset_alignment);
    let mut bytes = Vec::new();
    let mut offsets = Vec::with_capacity(steps.len());
    for step in steps {
        offsets.push(bytes.len() as u64);
        bytes.extend_from_slice(&step.dispatch.params);
        let end = padded(bytes.len()).next_multiple_of(alignment);
        bytes.resize(end as usize, 0);
    }
    let usage = BufferUsages::UNIFORM;
    let buffer = gpu.buffer("parameters", bytes.len() as u64, usage, true);
    let mut view = buffer
        .get_mapped_range_mut(..bytes.len() as u64)
        .map_err(|error| gpu.error("uploading parameters", error))?;
    view.copy_from_slice(&bytes);
    drop(view);
    buffer.unmap();
    Ok((buffer, offsets))
}
