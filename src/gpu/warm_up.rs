//! Lets drivers compile early.
//!
//! Some translate a pipeline not when it is made but when it is first dispatched: Mesa's software
//! drivers do, within the submission, and take up to two seconds for one. A dispatch of no workgroups
//! makes them do it while another thread packs weights; and the first run is like any other.

use wgpu::BufferUsages;

use super::{Gpu, Pipeline};

/// No less than any shader's uniform block, or an element of any of its arrays.
const BYTES: u64 = 1024;

/// Buffers for dispatches that read and write nothing.
pub(super) struct WarmUp {
    uniform: wgpu::Buffer,
    read: wgpu::Buffer,
    written: wgpu::Buffer,
}

impl WarmUp {
    pub fn new(gpu: &Gpu) -> Self {
        let buffer = |usage| gpu.buffer("warm-up", BYTES, usage, false);
        Self {
            uniform: buffer(BufferUsages::UNIFORM),
            read: buffer(BufferUsages::STORAGE),
            written: buffer(BufferUsages::STORAGE),
        }
    }

    /// Dispatches no workgroups of a pipeline whose shader reads so many buffers. The queue's order
    /// keeps it before whatever is submitted next.
    pub fn dispatch(&self, gpu: &Gpu, pipeline: &Pipeline, reads: u32) {
        let buffers = std::iter::once(&self.uniform)
            .chain((0..reads).map(|_| &self.read))
            .chain([&self.written]);
        let resources = buffers.map(wgpu::Buffer::as_entire_binding);
        let bind_group = pipeline.bind_group(gpu, "warm-up", resources);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(0, 0, 0);
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
    }
}
