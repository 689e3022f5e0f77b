//! A host's textures as a network's input: resized, cropped, normalized and laid out `[N, C, H, W]` on the GPU,
//! without a copy through the CPU.
//!
//! [`Preprocessor::encode`] computes for a texture what [`crate::vision::Preprocessing::apply`] computes for an
//! image with the same pixels, with Pillow's filters in Pillow's fixed-point arithmetic, which networks were
//! trained with. For 8-bit formats the results are bit-identical. [`crate::vision::Preprocessing::image_transform`]
//! says which part of the texture is visible to the network and where it lies, as for images.
//!
//! **Formats.** `Rgba8Unorm` and `Bgra8Unorm`, with and without `Srgb`, `Rgba16Float` and `R8Unorm`, which is
//! grayscale: its one channel stands for all three.
//!
//! **Color encoding.** Networks read images as files store them, encoded as sRGB. A shader that reads an `Srgb`
//! view gets linear values, so they are encoded again. `Rgba16Float` is taken as linear, as renderers use it;
//! `Rgba8Unorm`, `Bgra8Unorm` and `R8Unorm` are taken as encoded. [`TextureSource::color_encoding`] states
//! otherwise. Values below 0 or above 1 are clamped, not tone-mapped; NaN is black. Encoding every texel that is
//! read is most of the cost on a software driver: a host whose texture is `Srgb` may pass a view without it
//! (`view_formats`), and state its format with [`TextureSource::format`].
//!
//! **Alpha is ignored**: a render target is opaque, and only the host knows what lies under one that is not.
//!
//! **Cost.** Each image takes one dispatch without intermediate memory: an invocation reads all texels that its
//! four pixels of the input depend on. With bicubic downscaling, each visible texel is read seven times, so that
//! the cost grows with the area of the texture: at 1920 x 1080, some 500 texels per invocation; at 16384 x
//! 16384, two thousand million in total, which takes a software driver seconds. It is one kernel on purpose: two
//! would read less, but need intermediate memory, of the texture's height by the input's width. A host with
//! larger textures can pass a smaller mip level, with [`TextureSource::mip_level`].
//!
//! ```
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet::texture::{Preprocessor, TextureInput};
//! use shadernet::vision::Preprocessing;
//! use shadernet::wgpu;
//!
//! // A host has a device of its own. This example opens the first adapter.
//! let Some(adapter) = adapters(None).into_iter().next() else {
//!     return Ok(());
//! };
//! let gpu = Gpu::open(&adapter, &GpuOptions::default())?;
//! let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
//!     label: Some("frame"),
//!     size: wgpu::Extent3d { width: 320, height: 240, depth_or_array_layers: 1 },
//!     mip_level_count: 1,
//!     sample_count: 1,
//!     dimension: wgpu::TextureDimension::D2,
//!     format: wgpu::TextureFormat::Rgba8Unorm,
//!     usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
//!     view_formats: &[],
//! });
//! let view = texture.create_view(&Default::default());
//!
//! // The input of a network, [1, 3, 224, 224] of float32.
//! let preprocessing = Preprocessing::default();
//! let input = gpu.device().create_buffer(&wgpu::BufferDescriptor {
//!     label: Some("input"),
//!     size: 4 * 3 * 224 * 224,
//!     usage: wgpu::BufferUsages::STORAGE,
//!     mapped_at_creation: false,
//! });
//!
//! let mut preprocessor = Preprocessor::new(&gpu)?;
//! let mut encoder = gpu.device().create_command_encoder(&Default::default());
//! // ... the host draws its frame ...
//! preprocessor.encode(&mut encoder, &[TextureInput::new(&view, &preprocessing)], &input)?;
//! gpu.queue().submit([encoder.finish()]);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod input;
mod preprocessor;
mod source;
mod tables;

pub use input::TextureInput;
pub use preprocessor::Preprocessor;
pub use source::{ColorEncoding, TextureSource};
#[cfg(test)]
pub(crate) use tables::uniforms;
