//! Answers that stay on the GPU: what a network has answered there made into classes, masks and boxes
//! there, for a host to draw or to read in a few bytes.
//!
//! | kernel | from | to |
//! | --- | --- | --- |
//! | [`ArgMax`] | logits `[N, C, H, W]` or `[N, C]` | a class for every pixel or image |
//! | [`TopK`] | logits or probabilities `[N, C]` | the k likeliest classes and their probabilities |
//! | [`MaskTexture`] | logits `[1, C, H, W]` | a host's texture: the colour of every texel's class |
//! | [`BoxList`] | the outputs of a YOLO network | the boxes that non-maximum suppression leaves |
//!
//! All answer as their twins in [`crate::vision`] do, but for rounding: where two classes are as likely
//! as each other to the last digits of float32, the two may decide differently.
//!
//! Each is made once for a device, which is when its pipelines are made. `encode` then adds dispatches
//! to the host's encoder: it submits nothing, waits for nothing and maps nothing. What an encoder holds
//! is not changed by later calls. The buffer of an answer is written anew by every call that answers as
//! many bytes, in the order in which encoders are submitted. Where the same buffers and textures come
//! again, nothing is made: each kernel keeps the last few, which so stay alive until others came, `clear`
//! is called, or it is dropped.
//!
//! ```
//! use shadernet::postprocess::TopK;
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet::gpu::GpuTensor;
//! use shadernet::wgpu;
//!
//! let Device::Gpu(gpu) = Device::open(&DeviceOptions::default())? else {
//!     return Ok(()); // No GPU here.
//! };
//! // What a session has answered for one image and four classes, say.
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
//! let likeliest = top_k.encode(&mut encoder, &logits, 2)?;
//! gpu.queue().submit([encoder.finish()]);
//! // `likeliest.buffer` now holds two pairs of a class and its probability.
//! assert_eq!(likeliest.bytes(), 16);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod arg_max;
mod box_list;
mod color_table;
mod kernel;
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
