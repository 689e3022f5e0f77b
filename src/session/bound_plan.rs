//! A plan bound to a device: buffers, bind groups, pipelines; encoding and reading back.

use std::collections::HashMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use wgpu::BufferUsages;

use super::ActivationMemory;
use super::resident::ResidentWeights;
use crate::error::Result;
use crate::gpu::{Gpu, Pipeline, PipelineKey};
use crate::kernels::Read;
use crate::passes::PassReport;
use crate::plan::{Answer, Place, Plan, Step, StepCost};
use crate::tensor::{Shape, Tensor};

/// A plan with its buffers, bind groups and pipelines.
pub(crate) struct BoundPlan {
    inputs: Vec<Edge>,
    outputs: Vec<Edge>,
    output_shapes: Vec<Shape>,
    pub(super) steps: Vec<BoundStep>,
    pub passes: Vec<PassReport>,
    pub memory: ActivationMemory,
    /// Of all its buffers, those that the host maps included.
    pub bytes: u64,
    /// Names of the weights that its steps read.
    pub weights: Vec<String>,
}

/// A tensor at the border: in device memory, where it may be part of a buffer, and in memory that
/// the host maps.
struct Edge {
    device: wgpu::Buffer,
    offset: u64,
    host: wgpu::Buffer,
    bytes: u64,
}

pub(super) struct BoundStep {
    /// The node's name.
    pub label: String,
    pub about: About,
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// What a step is, for people.
pub(super) struct About {
    pub kind: &'static str,
    pub kernel: &'static str,
    pub variant: String,
    pub output: Shape,
    pub cost: StepCost,
}

impl About {
    fn of(step: &Step) -> Self {
        let key = &step.dispatch.key;
        // What is 0 is not done.
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
    /// `pipelines` has one for every step, `weights` all that they read.
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
            // The caller has made one for every key of the plan.
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
                about: About::of(step),
                pipeline,
                bind_group,
                workgroups: step.dispatch.workgroups,
            });
        }
        let edges = inputs.iter().chain(&outputs);
        // An output that is read where it lies has no memory of its own on the device.
        let own = |edge: &Edge| {
            if slots.contains(&edge.device) {
                0
            } else {
                edge.device.size()
            }
        };
        let bytes = slots.iter().map(wgpu::Buffer::size).sum::<u64>()
            + edges.map(|edge| own(edge) + edge.host.size()).sum::<u64>()
            + uniforms.size();
        let names = plan.weights().map(|weight| weight.name.clone()).collect();
        Ok(Self {
            inputs,
            outputs,
            output_shapes: plan.outputs,
            steps,
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

    pub fn run(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
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

    /// Has the device compute the node `name` so many times, with whatever lies in memory, and
    /// answers how long it takes.
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

    /// How many dispatches a pass has.
    pub fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Everything that the device does in a pass.
    pub fn commands(&self, gpu: &Gpu) -> wgpu::CommandBuffer {
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
    pub(super) fn encode(&self, pass: &mut wgpu::ComputePass) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
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
