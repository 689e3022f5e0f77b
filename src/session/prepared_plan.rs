//! A bound plan with the staging buffers that the host maps, for several runs in flight.
//!
//! A [`StagingSet`] has a buffer for each input and output of the plan. Runs share the plan's memory on the
//! device, where the queue executes them one after another; only the host's side exists once per run in flight.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use wgpu::{BufferUsages, MapMode};

use super::bound_plan::BoundPlan;
use crate::error::Result;
use crate::gpu::{Gpu, GpuTensor, Submission};
use crate::tensor::Tensor;
use crate::util::sync::lock_ignoring_poison as lock;

/// The maximum number of runs of one plan in flight. More would only wait in the queue.
const MAX_IN_FLIGHT: usize = 3;

const RUNNING: &str = "running";
const WAITING: &str = "waiting for the output";

/// A bound plan with its staging sets.
pub(crate) struct PreparedPlan {
    pub plan: BoundPlan,
    staging: Mutex<StagingPool>,
}

#[derive(Default)]
struct StagingPool {
    idle: Vec<StagingSet>,
    /// In the order of submission.
    in_flight: VecDeque<(Arc<Submission<Vec<Tensor>>>, StagingSet)>,
    /// How many sets exist: idle, in flight, or in use by a thread that is about to submit.
    count: usize,
}

/// Buffers for one run. Between runs, the inputs' are mapped and the outputs' are not.
struct StagingSet {
    inputs: Vec<wgpu::Buffer>,
    outputs: Vec<wgpu::Buffer>,
}

impl StagingSet {
    fn new(gpu: &Gpu, inputs: &[GpuTensor], outputs: &[GpuTensor]) -> Self {
        let upload = BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC;
        let download = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let buffer = |label, tensor: &GpuTensor, usage, mapped| {
            gpu.buffer(label, tensor.bytes(), usage, mapped)
        };
        Self {
            inputs: (inputs.iter())
                .map(|tensor| buffer("input", tensor, upload, true))
                .collect(),
            outputs: (outputs.iter())
                .map(|tensor| buffer("output", tensor, download, false))
                .collect(),
        }
    }

    /// The outputs, once all buffers are mapped.
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
    /// Without staging sets: the first run makes one, and a host that records passes itself needs none.
    pub fn new(plan: BoundPlan) -> Self {
        Self {
            plan,
            staging: Mutex::default(),
        }
    }

    /// Bytes of all buffers. Before the first run, one staging set is counted.
    pub fn bytes(&self) -> u64 {
        let edges = self.plan.inputs.iter().chain(&self.plan.outputs);
        let set: u64 = edges.map(|edge| Gpu::buffer_size(edge.bytes())).sum();
        self.plan.bytes + set * lock(&self.staging).count.max(1) as u64
    }

    /// Runs with `inputs`, whose shapes are the plan's, and waits for the outputs. The caller holds
    /// [`Gpu::gl_lock`].
    pub fn run(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let submission = self.start(gpu, inputs)?;
        self.wait(gpu, &submission)
    }

    /// Waits for the outputs of a run. The caller holds [`Gpu::gl_lock`].
    pub fn wait(&self, gpu: &Gpu, submission: &Submission<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        submission.wait(gpu)?;
        self.collect_finished(gpu);
        submission.take()
    }

    /// Submits a run with `inputs`. Waits for the oldest run where [`MAX_IN_FLIGHT`] are in flight.
    pub fn start(&self, gpu: &Gpu, inputs: &[Tensor]) -> Result<Arc<Submission<Vec<Tensor>>>> {
        let _span = tracing::debug_span!("run").entered();
        let set = self.acquire_set(gpu)?;
        let submitted = self.submit(gpu, &set, inputs);
        let mut staging = lock(&self.staging);
        match &submitted {
            Ok(submission) => staging.in_flight.push_back((submission.clone(), set)),
            // Dropped: whether its buffers are mapped is unknown.
            Err(_) => staging.count -= 1,
        }
        submitted
    }

    fn acquire_set(&self, gpu: &Gpu) -> Result<StagingSet> {
        loop {
            let mut staging = lock(&self.staging);
            if let Some(set) = staging.idle.pop() {
                return Ok(set);
            }
            // Made before looking for a run that has just finished, so that memory use depends on how many runs
            // a caller has in flight, and not on how fast they are.
            if staging.count < MAX_IN_FLIGHT {
                let make = || StagingSet::new(gpu, &self.plan.inputs, &self.plan.outputs);
                let set = gpu.with_error_scopes("making buffers for another run", make)?;
                staging.count += 1;
                return Ok(set);
            }
            let oldest = (staging.in_flight.front()).map(|(submission, _)| submission.clone());
            drop(staging);
            if let Some(submission) = oldest {
                submission.wait(gpu)?;
            }
            self.collect_finished(gpu);
        }
    }

    fn submit(
        &self,
        gpu: &Gpu,
        set: &StagingSet,
        inputs: &[Tensor],
    ) -> Result<Arc<Submission<Vec<Tensor>>>> {
        let submit = || {
            for (buffer, tensor) in set.inputs.iter().zip(inputs) {
                let bytes = bytemuck::cast_slice(tensor.data());
                let mut view = buffer
                    .get_mapped_range_mut(..bytes.len() as u64)
                    .map_err(|error| gpu.error("mapping a buffer", error))?;
                view.copy_from_slice(bytes);
                drop(view);
                buffer.unmap();
            }
            self.plan.begin();
            let submission = gpu.queue().submit([self.commands(gpu, set)]);
            let buffers = set.inputs.len() + set.outputs.len();
            let submission = Arc::new(Submission::new(Some(submission), buffers));
            // Inputs are mapped again for the next run.
            let modes = (set.inputs.iter().map(|buffer| (buffer, MapMode::Write)))
                .chain(set.outputs.iter().map(|buffer| (buffer, MapMode::Read)));
            for (buffer, mode) in modes {
                let submission = submission.clone();
                buffer.map_async(mode, .., move |result| submission.mapped(result.is_ok()));
            }
            Ok(submission)
        };
        let submission = gpu.with_error_scopes(RUNNING, submit).flatten()?;
        // On a lost device, submitting succeeds and does nothing, and mapping fails at once.
        match submission.has_failed() {
            true => Err(gpu.error(RUNNING, "a buffer was not mapped")),
            false => Ok(submission),
        }
    }

    /// All commands of a run.
    fn commands(&self, gpu: &Gpu, set: &StagingSet) -> wgpu::CommandBuffer {
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for (tensor, host) in self.plan.inputs.iter().zip(&set.inputs) {
            encoder.copy_buffer_to_buffer(host, 0, &tensor.buffer, tensor.offset, tensor.bytes());
        }
        self.plan.encode(&mut encoder);
        for (tensor, host) in self.plan.outputs.iter().zip(&set.outputs) {
            encoder.copy_buffer_to_buffer(&tensor.buffer, tensor.offset, host, 0, tensor.bytes());
        }
        encoder.finish()
    }

    /// Encodes a run and discards it. Returns the number of dispatches.
    pub fn encode_only(&self, gpu: &Gpu) -> Result<usize> {
        let set = self.acquire_set(gpu)?;
        // A command buffer that is never submitted costs the device nothing.
        let encoded = gpu.with_error_scopes("encoding", || drop(self.commands(gpu, &set)));
        lock(&self.staging).idle.push(set);
        encoded.map(|()| self.plan.steps.len())
    }

    /// Stores the outputs of all finished runs in their submissions, and makes their staging sets available
    /// again.
    pub fn collect_finished(&self, gpu: &Gpu) {
        let mut staging = lock(&self.staging);
        let finished = |staging: &StagingPool| {
            (staging.in_flight.iter()).position(|(submission, _)| submission.is_complete())
        };
        while let Some(i) = finished(&staging) {
            let Some((submission, set)) = staging.in_flight.remove(i) else {
                return;
            };
            let outputs = match submission.has_failed() {
                true => Err(gpu.error(WAITING, "a buffer was not mapped")),
                // Unmapping fails where the device has been lost since.
                false => gpu
                    .with_error_scopes("reading the output", || set.read(gpu, &self.plan.outputs))
                    .flatten(),
            };
            match outputs.is_ok() {
                true => staging.idle.push(set),
                false => staging.count -= 1,
            }
            submission.set_output(outputs);
        }
    }
}
