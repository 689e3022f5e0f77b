//! A plan bound to a device: its buffers, bind groups and pipelines, and encoding.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wgpu::BufferUsages;

use super::ActivationMemory;
use super::resident::ResidentWeights;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Pipeline, PipelineKey};
use crate::kernels::Read;
use crate::passes::PassReport;
use crate::plan::{BufferRef, OutputLocation, Plan, Step, StepCost};
use crate::tensor::Shape;

/// A plan with its buffers, bind groups and pipelines.
pub(crate) struct BoundPlan {
    /// The buffers that the first steps read.
    pub inputs: Vec<GpuTensor>,
    /// The buffers that hold the outputs after the last step.
    pub outputs: Vec<GpuTensor>,
    pub(super) steps: Vec<BoundStep>,
    pub passes: Vec<PassReport>,
    pub memory: ActivationMemory,
    /// Bytes of all buffers.
    pub bytes: u64,
    /// Names of the weights that the steps read.
    pub weights: Vec<String>,
    /// The number of passes that were begun. A pass in chunks must not continue after another was begun, which
    /// writes to the same memory.
    passes_begun: AtomicU64,
    /// The duration of each step in seconds, once measured.
    pub(super) step_seconds: OnceLock<Vec<f64>>,
}

pub(super) struct BoundStep {
    /// The node's name.
    pub label: String,
    pub info: StepInfo,
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// A description of a step, for profiles.
pub(super) struct StepInfo {
    pub kind: &'static str,
    pub kernel: &'static str,
    pub variant: String,
    pub output: Shape,
    pub cost: StepCost,
}

impl StepInfo {
    fn from_step(step: &Step) -> Self {
        let key = &step.dispatch.key;
        // A constant of 0 switches something off.
        let constants = key.constants.iter().filter(|(_, value)| *value != 0);
        let constants: Vec<String> = constants.map(|(name, v)| format!("{name}={v}")).collect();
        Self {
            kind: step.kind,
            kernel: key.shader.name,
            variant: constants.join(" "),
            output: step.shape.clone(),
            cost: step.cost,
        }
    }
}

impl BoundPlan {
    /// `pipelines` must hold the pipeline of each step, and `weights` all weights that they read.
    pub fn new(
        gpu: &Gpu,
        plan: Plan,
        weights: &ResidentWeights,
        pipelines: &HashMap<PipelineKey, Pipeline>,
    ) -> Result<Self> {
        let _span = tracing::debug_span!("bind").entered();
        let slots: Vec<wgpu::Buffer> = (plan.slots.iter())
            .map(|&bytes| {
                let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
                gpu.buffer("values", bytes, usage, false)
            })
            .collect();
        let inputs: Vec<GpuTensor> = plan.inputs.iter().map(|shape| input(gpu, shape)).collect();
        let outputs: Vec<GpuTensor> = (plan.outputs.iter().zip(&plan.output_locations))
            .map(|(shape, location)| output(gpu, shape, *location, &slots))
            .collect();
        let (uniforms, offsets) = uniforms(gpu, &plan.steps)?;

        let place = |place: BufferRef| match place {
            BufferRef::Slot(i) => &slots[i],
            BufferRef::Input(i) => &inputs[i].buffer,
            BufferRef::Output(i) => &outputs[i].buffer,
        };
        let mut steps = Vec::with_capacity(plan.steps.len());
        for (step, offset) in plan.steps.iter().zip(offsets) {
            // The caller has made a pipeline for each key of the plan.
            let pipeline = pipelines[&step.dispatch.key].clone();
            let mut buffers = Vec::new();
            for read in &step.dispatch.reads {
                buffers.push(match read {
                    Read::Input(i) => place(step.inputs[*i]),
                    Read::Workspace(i) => place(step.workspace[*i]),
                    Read::Weight(weight) => weights.buffer(weight).ok_or_else(|| {
                        gpu.error("binding weights", format!("{weight:?} was not uploaded"))
                    })?,
                });
            }
            buffers.push(place(step.output));
            let uniform = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &uniforms,
                offset,
                size: wgpu::BufferSize::new(padded(step.dispatch.params.len())),
            });
            let buffers = buffers.into_iter().map(wgpu::Buffer::as_entire_binding);
            let resources = std::iter::once(uniform).chain(buffers);
            let bind_group = pipeline.bind_group(gpu, &step.label, resources);
            steps.push(BoundStep {
                label: step.label.clone(),
                info: StepInfo::from_step(step),
                pipeline,
                bind_group,
                workgroups: step.dispatch.workgroups,
            });
        }
        let edges = inputs.iter().chain(&outputs);
        // An output that is read directly from a slot has no memory of its own.
        let own = edges.filter(|edge| !slots.contains(&edge.buffer));
        let bytes = slots.iter().map(wgpu::Buffer::size).sum::<u64>()
            + own.map(|edge| edge.buffer.size()).sum::<u64>()
            + uniforms.size();
        let names = plan.weights().map(|weight| weight.name.clone()).collect();
        Ok(Self {
            inputs,
            outputs,
            steps,
            passes_begun: AtomicU64::new(0),
            step_seconds: OnceLock::new(),
            passes: plan.passes,
            weights: names,
            bytes,
            memory: ActivationMemory {
                bytes: plan.activation_bytes,
                workspace: plan.workspace_bytes,
                lower_bound: plan.lower_bound_bytes,
            },
        })
    }

    /// Computes the node `name` `times` times, with whatever values are in memory, and returns how long that
    /// takes.
    pub fn time(&self, gpu: &Gpu, name: &str, times: usize) -> Result<Duration> {
        let steps: Vec<&BoundStep> = self.steps.iter().filter(|s| s.label == name).collect();
        self.time_steps(gpu, &steps, times)
    }

    pub(super) fn time_steps(
        &self,
        gpu: &Gpu,
        steps: &[&BoundStep],
        times: usize,
    ) -> Result<Duration> {
        gpu.with_error_scopes("timing", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            for _ in 0..times {
                steps.iter().for_each(|step| step.encode(&mut pass));
            }
            drop(pass);
            let commands = encoder.finish();
            let start = Instant::now();
            let submission_index = Some(gpu.queue().submit([commands]));
            // Only for this submission, and not for those that a host submits meanwhile.
            let waited = gpu.device().poll(wgpu::PollType::Wait {
                submission_index,
                timeout: None,
            });
            waited.map(|_| start.elapsed())
        })?
        .map_err(|error| gpu.error("timing", error))
    }

    /// Begins a pass. Call it before recording the inputs. Returns the number of the pass, for
    /// [`Self::is_latest`].
    pub fn begin(&self) -> u64 {
        self.passes_begun.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no other pass was begun after `pass`.
    pub fn is_latest(&self, pass: u64) -> bool {
        self.passes_begun.load(Ordering::Relaxed) == pass
    }

    /// Records all steps.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        self.encode_steps(encoder, 0..self.steps.len());
    }

    /// Records a range of steps.
    pub fn encode_steps(&self, encoder: &mut wgpu::CommandEncoder, steps: std::ops::Range<usize>) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for step in &self.steps[steps] {
            step.encode(&mut pass);
        }
    }
}

impl BoundStep {
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

fn input(gpu: &Gpu, shape: &Shape) -> GpuTensor {
    let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
    GpuTensor {
        buffer: gpu.buffer("input", shape.len() as u64 * 4, usage, false),
        offset: 0,
        shape: shape.clone(),
    }
}

fn output(gpu: &Gpu, shape: &Shape, location: OutputLocation, slots: &[wgpu::Buffer]) -> GpuTensor {
    let (buffer, offset) = match location {
        OutputLocation::Slot { slot, offset } => (slots[slot].clone(), offset),
        OutputLocation::Unpacked => {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            let bytes = shape.len() as u64 * 4;
            (gpu.buffer("output", bytes, usage, false), 0)
        }
    };
    GpuTensor {
        buffer,
        offset,
        shape: shape.clone(),
    }
}

/// The size of a uniform block: WGSL rounds it up to 16 bytes.
fn padded(len: usize) -> u64 {
    (len as u64).next_multiple_of(16)
}

/// A buffer with the parameters of all steps, and the offset of each step's.
fn uniforms(gpu: &Gpu, steps: &[Step]) -> Result<(wgpu::Buffer, Vec<u64>)> {
    let alignment = u64::from(gpu.limits().min_uniform_buffer_offset_alignment);
    let mut bytes = Vec::new();
    let mut offsets = Vec::with_capacity(steps.len());
    for step in steps {
        offsets.push(bytes.len() as u64);
        bytes.extend_from_slice(&step.dispatch.params);
        let end = padded(bytes.len()).next_multiple_of(alignment);
        bytes.resize(end as usize, 0);
    }
    let buffer = gpu.filled("parameters", &bytes, BufferUsages::UNIFORM)?;
    Ok((buffer, offsets))
}
