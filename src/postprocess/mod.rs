//! Postprocessing on the GPU: a network's outputs become classes, masks and boxes without leaving the GPU, for a
//! host to draw, or to read back in a few bytes.
//!
//! | kernel | input | output |
//! | --- | --- | --- |
//! | [`ArgMax`] | logits `[N, C, H, W]` or `[N, C]` | the top class of every pixel or image |
//! | [`TopK`] | logits or probabilities `[N, C]` | the top k classes and their probabilities |
//! | [`MaskTexture`] | logits `[1, C, H, W]` | a host's texture with the color of every texel's class |
//! | [`BoxList`] | the outputs of a YOLO network | the boxes that non-maximum suppression leaves |
//!
//! All compute what their reference implementations in [`crate::vision`] compute, up to rounding: where the
//! logits of two classes are equal to the last digits of float32, the two may decide differently.
//!
//! Each kernel is made once per device, which compiles its pipelines. `encode` then adds dispatches to the
//! host's encoder: it submits nothing, waits for nothing and maps nothing. Later calls do not change what an
//! encoder has recorded. Calls whose results have the same size write the same buffer, in the order in which
//! their encoders are submitted. Calls with the same buffers and textures allocate nothing: each kernel caches
//! the last few bind groups, which keep their buffers and textures alive until they are evicted, `clear` is
//! called, or the kernel is dropped.
//!
//! ```
//! use shadernet::postprocess::TopK;
//! use shadernet::gpu::{Gpu, GpuOptions, GpuTensor, adapters};
//! use shadernet::wgpu;
//!
//! let adapters = adapters(None);
//! let Some(adapter) = adapters.first() else {
//!     return Ok(()); // No GPU here.
//! };
//! let gpu = Gpu::open(adapter, &GpuOptions::new())?;
//! // For example, a session's output for one image and four classes.
//! let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
//!     label: None,
//!     size: 16,
//!     usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
//!     mapped_at_creation: false,
//! });
//! let bytes: Vec<u8> = [0.5_f32, 3.0, -1.0, 2.0].into_iter().flat_map(f32::to_le_bytes).collect();
//! gpu.queue().write_buffer(&buffer, 0, &bytes);
//! let logits = GpuTensor { buffer, offset: 0, shape: [1, 4].into() };
//!
//! let mut top_k = TopK::new(&gpu, true)?;
//! let mut encoder = gpu.device().create_command_encoder(&Default::default());
//! let top = top_k.encode(&mut encoder, &logits, 2)?;
//! gpu.queue().submit([encoder.finish()]);
//! // `top.buffer` now holds two pairs of a class and its probability.
//! assert_eq!(top.bytes(), 16);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod arg_max;
mod box_list;
mod color_table;
mod compute_kernel;
mod mask_texture;
mod top_k;

pub use arg_max::{ArgMax, ClassMap};
pub use box_list::{BoxList, BoxListOutput, ImagePlacement};
pub use color_table::ColorTable;
pub use mask_texture::{MapRegion, MaskTexture};
pub use top_k::{ClassScore, TopClasses, TopK};

/// The uniform blocks of the kernels here.
#[cfg(test)]
pub(crate) fn uniforms() -> Vec<crate::gpu::uniform::UniformBlock> {
    [
        arg_max::uniforms(),
        box_list::uniforms(),
        mask_texture::uniforms(),
        top_k::uniforms(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
