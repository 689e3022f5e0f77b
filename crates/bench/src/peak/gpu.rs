//! Peaks of a GPU, by shaders that do nothing else.

use std::time::{Duration, Instant};

use wgpu::BufferUsages;

use shadernet::error::Result;
use shadernet::gpu::{Gpu, Precision, Shader};
use shadernet::internals::{
    PEAK_FMA, PEAK_MEMORY, PeakFmaParams, PeakMemoryParams, Pipeline, PipelineKey,
};

use super::Peak;

/// Invocations per workgroup, as in `shared/grid.wgsl`.
const WORKGROUP: u32 = 64;
/// Elements that an invocation of `peak_memory.wgsl` copies or reads. Which is fastest depends on the
/// device. The last is a multiple of the others.
const ELEMENTS_PER_INVOCATION: [u32; 3] = [4, 8, 32];
/// The largest x dimension of a dispatch; more workgroups are folded into y.
const MAX_WORKGROUPS_X: u32 = 32_768;
/// Size of the copy if the device can bind that much: larger than any cache.
const MAX_COPY_BYTES: u64 = 512 << 20;
/// Working set of the cache measurement. It fits a cache of any device, and is a power of two.
const CACHED_BYTES: u64 = 1 << 20;
/// Enough to occupy the largest GPU.
const INVOCATIONS: u32 = 1 << 20;
/// Loop iterations of `peak_fma.wgsl`: long enough to hide the cost of a dispatch, and short enough not to
/// reach a driver's timeout.
const FMA_ITERATIONS: u32 = 32;
const OPERATIONS_PER_ITERATION: u32 = 8 * 32 * 2;
/// Dispatches are batched until a batch takes this long.
const MIN_DURATION: Duration = Duration::from_millis(100);
/// The best of this many batches counts.
const REPETITIONS: usize = 5;
/// Batches of each candidate kernel, to find the fastest.
const CANDIDATE_REPETITIONS: usize = 2;

/// See [`Peak::measure`].
pub(super) fn measure(gpu: &Gpu) -> Result<Peak> {
    let limits = gpu.limits();
    let element = Precision::F32.element_bytes();
    let max_binding = limits.max_storage_buffer_binding_size;
    let max_elements = MAX_COPY_BYTES.min(max_binding).min(limits.max_buffer_size) / element;
    let largest = ELEMENTS_PER_INVOCATION[ELEMENTS_PER_INVOCATION.len() - 1];
    let per_workgroup = u64::from(WORKGROUP * largest);
    let elements = max_elements / per_workgroup * per_workgroup;
    let memory_buffers = buffers(gpu, elements)?;
    // Bytes per second of the fastest kernel that copies or only reads. Element indices are masked.
    let throughput = |mask: u32| -> Result<f64> {
        let params = PeakMemoryParams {
            elements: elements as u32,
            mask,
        };
        let mut fastest: Option<(f64, Kernel, f64)> = None;
        for (per_invocation, is_copy) in ELEMENTS_PER_INVOCATION
            .into_iter()
            .flat_map(|count| [(count, true), (count, false)])
        {
            let constants = vec![("COPY", u32::from(is_copy)), ("EACH", per_invocation)];
            let invocations = elements.div_ceil(u64::from(per_invocation));
            let kernel = Kernel::new(
                gpu,
                &PEAK_MEMORY,
                constants,
                &memory_buffers,
                invocations,
                &params,
            )?;
            let touched = elements * if is_copy { 2 } else { 1 };
            let bytes = (touched * element) as f64;
            let rate = bytes / kernel.seconds(CANDIDATE_REPETITIONS)?;
            if fastest.as_ref().is_none_or(|(best, ..)| rate > *best) {
                fastest = Some((rate, kernel, bytes));
            }
        }
        // Only the fastest is measured at length.
        match fastest {
            Some((rate, kernel, bytes)) => Ok(rate.max(bytes / kernel.seconds(REPETITIONS)?)),
            None => Ok(0.0),
        }
    };
    let bytes_per_second = throughput(u32::MAX)?;
    let cached_bytes_per_second =
        throughput((CACHED_BYTES / element) as u32 - 1)?.max(bytes_per_second);

    let invocations = u64::from(INVOCATIONS);
    let params = PeakFmaParams {
        turns: FMA_ITERATIONS,
        elements: INVOCATIONS,
        factor: 0.5,
        term: 0.5,
    };
    let fma_buffers = buffers(gpu, invocations)?;
    let kernel = Kernel::new(
        gpu,
        &PEAK_FMA,
        Vec::new(),
        &fma_buffers,
        invocations,
        &params,
    )?;
    let seconds = kernel.seconds(REPETITIONS)?;
    let operations = f64::from(INVOCATIONS) * f64::from(FMA_ITERATIONS * OPERATIONS_PER_ITERATION);
    Ok(Peak {
        operations_per_second: operations / seconds,
        bytes_per_second,
        cached_bytes_per_second,
    })
}

/// Input and output buffers. wgpu zero-initializes both before their first use.
fn buffers(gpu: &Gpu, elements: u64) -> Result<[wgpu::Buffer; 2]> {
    let bytes = elements * Precision::F32.element_bytes();
    gpu.with_error_scopes("creating buffers", || {
        ["input", "output"].map(|label| gpu.buffer(label, bytes, BufferUsages::STORAGE, false))
    })
}

/// A pipeline with its bind group and dispatch size.
struct Kernel<'a> {
    gpu: &'a Gpu,
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

impl<'a> Kernel<'a> {
    /// `buffers` are the input and the output.
    fn new(
        gpu: &'a Gpu,
        shader: &'static Shader,
        constants: Vec<(&'static str, u32)>,
        buffers: &[wgpu::Buffer; 2],
        invocations: u64,
        params: &impl bytemuck::Pod,
    ) -> Result<Self> {
        let key = PipelineKey {
            shader,
            precision: Precision::F32,
            constants,
        };
        let pipeline = gpu.pipelines(&[key])?.swap_remove(0);
        // The device's limits, or a constant, bound `invocations` to 32 bits.
        let workgroups = invocations.div_ceil(u64::from(WORKGROUP)) as u32;
        let bind_group = gpu.with_error_scopes("creating buffers", || {
            let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            let uniform = gpu.buffer("peak", 16, usage, false);
            gpu.queue()
                .write_buffer(&uniform, 0, bytemuck::bytes_of(params));
            let bindings = [&uniform].into_iter().chain(buffers);
            let bindings = bindings.map(wgpu::Buffer::as_entire_binding);
            pipeline.bind_group(gpu, shader.name, bindings)
        })?;
        Ok(Self {
            gpu,
            pipeline,
            bind_group,
            workgroups: [
                workgroups.min(MAX_WORKGROUPS_X),
                workgroups.div_ceil(MAX_WORKGROUPS_X),
            ],
        })
    }

    /// Seconds per dispatch in the fastest of `repetitions` batches.
    fn seconds(&self, repetitions: usize) -> Result<f64> {
        self.run(1)?;
        let mut dispatches = 1;
        let mut best = self.run(dispatches)?;
        while best < MIN_DURATION {
            dispatches *= 2;
            best = self.run(dispatches)?;
        }
        for _ in 1..repetitions {
            best = best.min(self.run(dispatches)?);
        }
        Ok(best.as_secs_f64() / f64::from(dispatches))
    }

    fn run(&self, dispatches: u32) -> Result<Duration> {
        let gpu = self.gpu;
        let start = Instant::now();
        gpu.with_error_scopes("measuring the device's peak", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bind_group, &[]);
            let [x, y] = self.workgroups;
            for _ in 0..dispatches {
                pass.dispatch_workgroups(x, y, 1);
            }
            drop(pass);
            gpu.queue().submit([encoder.finish()]);
            gpu.device().poll(wgpu::PollType::wait_indefinitely())
        })?
        .map_err(|error| gpu.error("measuring the device's peak", error))?;
        Ok(start.elapsed())
    }
}
