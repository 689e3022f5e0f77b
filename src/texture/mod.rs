//! A host's textures as a network's input: resized, cropped, normalised and laid out `[N, C, H, W]` on
//! the GPU, without a copy through the CPU.
//!
//! What [`crate::vision::Preprocessing::apply`] makes of a picture, [`Preprocessor::encode`] makes of a
//! texture with the same pixels, to the bit where they are 8-bit ones: with Pillow's filters in Pillow's
//! fixed point, which networks were trained on. What is seen of the texture and where it lies is said by
//! [`crate::vision::Preprocessing::image_transform`], as it is for pictures.
//!
//! **Formats.** `Rgba8Unorm` and `Bgra8Unorm`, with and without `Srgb`, `Rgba16Float` and `R8Unorm`, which is
//! grey: its one channel stands for all three.
//!
//! **ColorEncoding.** Networks see pictures as files hold them, encoded as sRGB. A shader that reads an `Srgb` view
//! gets linear light, so it is encoded again; `Rgba16Float` is taken as linear light, as renderers have it;
//! `Rgba8Unorm`, `Bgra8Unorm` and `R8Unorm` are taken as they are, as encoded. Where a host has it otherwise,
//! [`TextureSource::color_encoding`] says so. What is below 0 or above 1 is clamped, not tone-mapped; NaN is black.
//! Encoding every texel that is read is most of the cost on a software driver: a host whose texture is
//! `Srgb` may give a view without (`view_formats`), and say so with [`TextureSource::format`].
//!
//! **Alpha is ignored**: a render target is opaque, and only the host knows what is behind one that is not.
//!
//! **Cost.** One dispatch an image and nothing in between: an invocation reads all the texels that its four
//! pixels of the input depend on. Bicubic and made much smaller, each texel that is seen is read seven times,
//! so that the cost grows with the area of the texture: at 1920 x 1080, some 500 texels an invocation; at
//! 16384 x 16384, two thousand million in all, which takes a software driver seconds. It is one kernel on
//! purpose: two would read less, but need memory in between, of the texture's height by the input's width. A
//! host with larger textures has smaller levels of them, which [`TextureSource::mip_level`] takes.
//!
//! ```
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet::texture::{Preprocessor, TextureInput};
//! use shadernet::vision::Preprocessing;
//! use shadernet::wgpu;
//!
//! // A host has its own device; here, the first there is.
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
