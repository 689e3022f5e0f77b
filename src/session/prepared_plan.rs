//! A bound plan with the ring of buffers that the host maps: what goes to the device and comes back, for
//! several runs in submission.
//!
//! A lane has a buffer for every input and every output of a plan. Runs share the plan's memory on the
//! device, where they follow each other in the queue's order; only the host's side is there more than
//! once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use wgpu::{BufferUsages, MapMode};

use super::bound_plan::BoundPlan;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Submission};
use crate::tensor::Tensor;
use crate::util::sync::lock_ignoring_poison as lock;

/// Runs of one plan that may be in submission at once. More would only wait in the queue.
const IN_FLIGHT: usize = 3;

/// See the module.
pub(crate) struct PreparedPlan {
    pub plan: BoundPlan,
    lanes: Mutex<StagingSets>,
}

#[derive(Default)]
struct StagingSets {
    idle: Vec<StagingSet>,
    /// In the order in which they were submitted.
    busy: VecDeque<(Arc<Submission<Vec<Tensor>>>, StagingSet)>,
    /// How many there are.
    made: usize,
}

/// Buffers for one run. Between runs, those of inputs are mapped and those of outputs are not.
struct StagingSet {
    inputs: Vec<wgpu::Buffer>,
    outputs: Vec<wgpu::Buffer>,
}

impl StagingSet {
    fn new(gpu: &Gpu, inputs: &[GpuTensor], outputs: &[GpuTensor]) -> Self {
        let up = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let down = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let buffer = |label, tensor: &GpuTensor, usage, mapped| {
            gpu.buffer(label, tensor.bytes(), usage, mapped)
        };
        Self {
            inputs: (inputs.iter())
                .map(|tensor| buffer("input", tensor, up, true))
                .collect(),
            outputs: (outputs.iter())
                .map(|tensor| buffer("output", tensor, down, false))
                .collect(),
        }
    }

    /// The answers, once all is mapped.
    fn read(&self, gpu: &Gpu, outputs: &[GpuTensor]) -> Result<Vec<Tensor>> {
        let failed = |error: wgpu::MapRangeError| gpu.error("mapping a buffer", error);
        (self.outputs.iter().zip(outputs))
            .map(|(buffer, output)| {
                let view = buffer.get_mapped_range(..output.bytes()).map_err(failed)?;
                let data = bytemuck::pod_collect_to_vec(&view[..]);
                drop(view);
                buffer.unmap();
                Tensor::new(output.shape.clone(), data)
            })
            .collect()
    }
}

impl PreparedPlan {
    /// Without lanes: the first run makes one, and a host that records passes itself needs none.
    pub fn new(plan: BoundPlan) -> Self {
        Self {
            plan,
            lanes: Mutex::default(),
        }
    }

    /// Bytes of all buffers, with one lane before the first run.
    pub fn bytes(&self) -> u64 {
        let edges = self.plan.inputs.iter().chain(&self.plan.outputs);
        let lane = edges.map(|edge| Gpu::buffer_size(edge.bytes()));
        self.plan.bytes + lane.sum::<u64>() * lock(&self.lanes).made.max(1) as u64
    }

    /// Runs with these inputs, whose shapes are the plan's, and waits for the outputs. The device's turn is
    /// the caller's to take.
    pub fn run(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let submission = self.start(gpu, inputs)?;
        self.wait(gpu, &submission)
    }

    /// Waits for the outputs of a run. The device's turn is the caller's to take.
    pub fn wait(&self, gpu: &Gpu, submission: &Submission<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        submission.wait(gpu)?;
        self.collect_finished(gpu);
        submission.take()
    }

    /// Submits a run with these inputs. Waits for the oldest in submission where there are [`IN_FLIGHT`].
    pub fn start(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Arc<Submission<Vec<Tensor>>>> {
        let _span = tracing::debug_span!("run").entered();
        let lane = self.take_lane(gpu)?;
        let submitted = self.submit(gpu, &lane, inputs);
        let mut lanes = lock(&self.lanes);
        match &submitted {
            Ok(submission) => lanes.busy.push_back((submission.clone(), lane)),
            // Its buffers may be in any lanes.
            Err(_) => lanes.made -= 1,
        }
        submitted
    }

    fn take_lane(&self, gpu: &Gpu) -> Result<StagingSet> {
        loop {
            let mut lanes = lock(&self.lanes);
            if let Some(lane) = lanes.idle.pop() {
                return Ok(lane);
            }
            // Rather than to look whether a run has come back just now: so what is held depends on how
            // many runs a caller has in submission, and not on how fast they are.
            if lanes.made < IN_FLIGHT {
                let make = || StagingSet::new(gpu, &self.plan.inputs, &self.plan.outputs);
                let lane = gpu.with_error_scopes("making buffers for another run", make)?;
                lanes.made += 1;
                return Ok(lane);
            }
            let oldest = lanes.busy.front().map(|(submission, _)| submission.clone());
            drop(lanes);
            if let Some(submission) = oldest {
                submission.wait(gpu)?;
            }
            self.collect_finished(gpu);
        }
    }

    fn submit(
        &self,
        gpu: &Gpu,
        lane: &StagingSet,
        inputs: &[Tensor],
    ) -> Result<Arc<Submission<Vec<Tensor>>>> {
        gpu.with_error_scopes("running", || {
            for (buffer, tensor) in lane.inputs.iter().zip(inputs) {
                let bytes = bytemuck::cast_slice(tensor.data());
                let mut view = buffer
                    .get_mapped_range_mut(..bytes.len() as u64)
                    .map_err(|error| gpu.error("mapping a buffer", error))?;
                view.copy_from_slice(bytes);
                drop(view);
                buffer.unmap();
            }
            self.plan.begin();
            let submission = gpu.queue().submit([self.commands(gpu, lane)]);
            let buffers = lane.inputs.len() + lane.outputs.len();
            let submission = Arc::new(Submission::new(Some(submission), buffers));
            // Inputs are mapped again for another run.
            let modes = (lane.inputs.iter().map(|buffer| (buffer, MapMode::Write)))
                .chain(lane.outputs.iter().map(|buffer| (buffer, MapMode::Read)));
            for (buffer, mode) in modes {
                let submission = submission.clone();
                buffer.map_async(mode, .., move |result| submission.mapped(result.is_ok()));
            }
            Ok(submission)
        })
        .flatten()
    }

    /// Everything that the device does in a run.
    fn commands(&self, gpu: &Gpu, lane: &StagingSet) -> wgpu::CommandBuffer {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for (tensor, host) in self.plan.inputs.iter().zip(&lane.inputs) {
            encoder.copy_buffer_to_buffer(host, 0, &tensor.buffer, tensor.offset, tensor.bytes());
        }
        self.plan.encode(&mut encoder);
        for (tensor, host) in self.plan.outputs.iter().zip(&lane.outputs) {
            encoder.copy_buffer_to_buffer(&tensor.buffer, tensor.offset, host, 0, tensor.bytes());
        }
        encoder.finish()
    }

    /// Encodes a run, and throws it away. Answers the number of dispatches.
    pub fn encode_only(&self, gpu: &Gpu) -> Result<usize> {
        let lane = self.take_lane(gpu)?;
        // A command buffer that is never submitted costs the device nothing.
        let encoded = gpu.with_error_scopes("encoding", || drop(self.commands(gpu, &lane)));
        lock(&self.lanes).idle.push(lane);
        encoded.map(|()| self.plan.steps.len())
    }

    /// Takes the answers of all runs that have come back to where their callers find them, and their
    /// lanes back.
    pub fn collect_finished(&self, gpu: &Gpu) {
        let mut lanes = lock(&self.lanes);
        while let Some(i) = (lanes.busy.iter()).position(|(submission, _)| submission.is_complete())
        {
            let Some((submission, lane)) = lanes.busy.remove(i) else {
                return;
            };
            let answers = match submission.has_failed() {
                true => Err(gpu.error("waiting for the answer", "a buffer was not mapped")),
                // A device that is lost by now refuses to unmap.
                false => gpu
                    .with_error_scopes("reading the answer", || lane.read(gpu, &self.plan.outputs))
                    .flatten(),
            };
            match answers.is_ok() {
                true => lanes.idle.push(lane),
                false => lanes.made -= 1,
            }
            submission.land(answers);
        }
    }
}
