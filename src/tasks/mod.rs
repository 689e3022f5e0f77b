//! What people do with a trained network: a model folder on a device, pictures in, answers out.
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::model_folder::{default_detector, default_model};
//! use shadernet::tasks::{Classifier, Detector};
//! use shadernet::vision::decode;
//!
//! let folder = default_model()?.open()?;
//! let mut classifier = Classifier::new(&Device::cpu(), &folder, &Default::default())?;
//! let picture = decode("tests/images/chelsea.png")?;
//! for p in classifier.classify(&picture, 3)? {
//!     println!("{:5.1} % {}", 100.0 * p.probability, p.label);
//! }
//!
//! let folder = default_detector()?.open()?;
//! let mut detector = Detector::new(&Device::cpu(), &folder, &Default::default())?;
//! for d in detector.detect(&decode("tests/images/coffee.png")?, &Default::default())? {
//!     println!("{:5.1} % {} at {:?}", 100.0 * d.score, d.label, d.corners);
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```
//!
//! Each has an `encode` besides, for hosts with a device of their own: from a texture to an answer that
//! stays on the GPU ([`crate::postprocess`]), recorded into the host's encoder. The first call makes pipelines,
//! which `prepare_encode` does before. What they are shown is a view, or a [`crate::texture::TextureSource`] where the
//! host has more to say of it: its level, its format, its light. [`crate::texture`] has the formats.
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet::model_folder::default_model;
//! use shadernet::tasks::Classifier;
//! use shadernet::wgpu;
//!
//! let Some(adapter) = adapters(None).into_iter().next() else {
//!     return Ok(());
//! };
//! // `Gpu::from_wgpu` for a host's device.
//! let gpu = Gpu::open(&adapter, &GpuOptions::default())?;
//! let folder = default_model()?.open()?;
//! let mut classifier = Classifier::new(&Device::from(gpu.clone()), &folder, &Default::default())?;
//! # let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
//! #     label: None,
//! #     size: wgpu::Extent3d { width: 320, height: 240, depth_or_array_layers: 1 },
//! #     mip_level_count: 1,
//! #     sample_count: 1,
//! #     dimension: wgpu::TextureDimension::D2,
//! #     format: wgpu::TextureFormat::Rgba8Unorm,
//! #     usage: wgpu::TextureUsages::TEXTURE_BINDING,
//! #     view_formats: &[],
//! # });
//! // A texture that the host has drawn.
//! let view = texture.create_view(&Default::default());
//! let mut encoder = gpu.device().create_command_encoder(&Default::default());
//! let likeliest = classifier.encode(&mut encoder, &view, 5)?;
//! gpu.queue().submit([encoder.finish()]);
//! // 40 bytes in `likeliest.buffer`: for a shader of the host's, or to be read back and parsed.
//! assert_eq!(likeliest.bytes(), 40);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod classifier;
mod detector;
mod on_gpu;
mod segmenter;

pub use classifier::{Classifier, Prediction};
pub use detector::{Detection, Detector};
pub use segmenter::{SegmentSize, Segmenter};

pub use crate::vision::DetectionOptions;
