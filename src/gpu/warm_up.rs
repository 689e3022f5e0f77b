//! Makes drivers compile pipelines early.
//!
//! Some drivers compile a pipeline not when it is made but when it is first dispatched. Mesa's software drivers
//! do, during the submission, and take up to two seconds per pipeline. A dispatch of no workgroups makes them
//! do it while another thread packs weights, so that the first run takes no longer than the others.

use std::sync::OnceLock;

use wgpu::BufferUsages;

use super::{Bindings, Gpu, Pipeline, WriteTarget};

/// At least the size of any shader's uniform block, and of an element of any of its arrays.
const BYTES: u64 = 1024;

/// Resources for dispatches that read and write nothing.
pub(super) struct WarmUp {
    uniform: wgpu::Buffer,
    read: wgpu::Buffer,
    written: wgpu::Buffer,
    /// Made for the first shader that reads one.
    texture: OnceLock<wgpu::TextureView>,
    written_texture: OnceLock<wgpu::TextureView>,
}

impl WarmUp {
    pub fn new(gpu: &Gpu) -> Self {
        let buffer = |usage| gpu.buffer("warm-up", BYTES, usage, false);
        Self {
            uniform: buffer(BufferUsages::UNIFORM),
            read: buffer(BufferUsages::STORAGE),
            written: buffer(BufferUsages::STORAGE),
            texture: OnceLock::new(),
            written_texture: OnceLock::new(),
        }
    }

    /// Dispatches no workgroups of a pipeline whose shader has these bindings. The queue executes it before
    /// later submissions.
    pub fn dispatch(&self, gpu: &Gpu, pipeline: &Pipeline, bindings: Bindings) {
        let sampled = || {
            let make = || texture(gpu, wgpu::TextureUsages::TEXTURE_BINDING);
            wgpu::BindingResource::TextureView(self.texture.get_or_init(make))
        };
        let written = match bindings.writes {
            WriteTarget::Buffer => self.written.as_entire_binding(),
            WriteTarget::Texture => {
                let make = || texture(gpu, wgpu::TextureUsages::STORAGE_BINDING);
                wgpu::BindingResource::TextureView(self.written_texture.get_or_init(make))
            }
        };
        let resources = std::iter::once(self.uniform.as_entire_binding())
            .chain((0..bindings.reads).map(|_| self.read.as_entire_binding()))
            .chain((0..bindings.textures).map(|_| sampled()))
            .chain([written]);
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

/// A texture of one texel.
fn texture(gpu: &Gpu, usage: wgpu::TextureUsages) -> wgpu::TextureView {
    let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: Some("warm-up"),
        size: wgpu::Extent3d::default(),
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}
