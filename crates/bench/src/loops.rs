//! How many iterations of a loop a device runs. Some drivers end loops early, without an error, and what the shader
//! has computed until then is the result.
//!
//! ```
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet_bench::loops::{known_limit, longest_loop};
//!
//! if let Some(adapter) = adapters(None).first() {
//!     let gpu = Gpu::open(adapter, &GpuOptions::new())?;
//!     let found = longest_loop(&gpu, 100_000)?;
//!     // Long sums are split where a limit is known.
//!     assert!(found == 100_000 || known_limit(&gpu).is_some_and(|known| known <= found.into()));
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

use wgpu::BufferUsages;

use shadernet::error::Result;
use shadernet::gpu::{Gpu, Precision};
use shadernet::internals::{LOOP_PROBE, LoopProbeParams, PipelineKey, max_loop_iterations};

/// How many of `iterations` of a loop the device runs.
///
/// # Errors
/// [`shadernet::Error::Device`] if the device fails.
pub fn longest_loop(gpu: &Gpu, iterations: u32) -> Result<u32> {
    let what = "probing the device's loops";
    let key = PipelineKey {
        shader: &LOOP_PROBE,
        precision: Precision::F32,
        constants: Vec::new(),
    };
    let pipeline = gpu.pipelines(&[key])?.swap_remove(0);
    let params = LoopProbeParams {
        iterations,
        // The random numbers begin after 0, which returns after all others.
        never: 0,
        unused: [0; 2],
    };
    let read = gpu.with_error_scopes(what, || {
        let uniform = gpu.buffer(
            what,
            16,
            BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            false,
        );
        gpu.queue()
            .write_buffer(&uniform, 0, bytemuck::bytes_of(&params));
        let input = gpu.buffer(what, 4, BufferUsages::STORAGE, false);
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let output = gpu.buffer(what, 4, usage, false);
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let read = gpu.buffer(what, 4, usage, false);
        let bindings = [&uniform, &input, &output].map(wgpu::Buffer::as_entire_binding);
        let bind_group = pipeline.bind_group(gpu, LOOP_PROBE.name, bindings);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&output, 0, &read, 0, 4);
        gpu.queue().submit([encoder.finish()]);
        read.slice(..).map_async(wgpu::MapMode::Read, |_| ());
        read
    })?;
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .map_err(|error| gpu.error(what, error))?;
    let bytes = (read.slice(..).get_mapped_range()).map_err(|error| gpu.error(what, error))?;
    let [count, ..] = *bytemuck::cast_slice::<u8, u32>(&bytes) else {
        return Ok(0);
    };
    Ok(count)
}

/// The iterations of all loops of an invocation together up to which the device's driver is known to run them;
/// `None` where no limit is known.
pub fn known_limit(gpu: &Gpu) -> Option<u64> {
    max_loop_iterations(gpu.info())
}
