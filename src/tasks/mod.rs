//! Complete tasks with a model folder: image classification, by one network or by the mean over several networks and
//! crops ([`Ensemble`]), object detection, semantic segmentation, and vectors of images ([`Embedder`]).
//!
//! ```
//! use shadernet::device::Device;
//! use shadernet::model_folder::{default_detector, default_model};
//! use shadernet::tasks::{Classifier, Detector};
//! use shadernet::vision::decode;
//!
//! let folder = default_model()?.open()?;
//! let mut classifier = Classifier::new(&Device::cpu(), &folder, &Default::default())?;
//! let image = decode("tests/images/chelsea.png")?;
//! for p in classifier.classify(&image, 3)? {
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
//! Each task also has an `encode` for hosts with a wgpu device of their own. It records everything from a
//! texture to a result on the GPU ([`crate::postprocess`]) into the host's encoder. The first call makes
//! pipelines; `prepare_encode` makes them earlier. The texture is given as a view, or as a
//! [`crate::texture::TextureSource`] that states its mip level, format or color encoding where wgpu cannot
//! tell; [`crate::texture`] lists the formats.
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
//! // A texture that the host has drawn to.
//! let view = texture.create_view(&Default::default());
//! let mut encoder = gpu.device().create_command_encoder(&Default::default());
//! let top = classifier.encode(&mut encoder, &view, 5)?;
//! gpu.queue().submit([encoder.finish()]);
//! // 40 bytes in `top.buffer`: for a shader of the host, or to be read back and parsed.
//! assert_eq!(top.bytes(), 40);
//! # Ok::<(), shadernet::Error>(())
//! ```

mod classifier;
mod detector;
mod embedder;
mod ensemble;
mod image_model;
mod mask_strip;
mod row_buffer;
mod segmenter;
mod task_runner;
mod tile_axis;
mod tile_events;
mod tile_graph;
mod tile_layout;
mod tiled_segmenter;
mod view_mean;

pub use classifier::{Classifier, Prediction};
pub use detector::{Detection, Detector};
pub use embedder::Embedder;
pub use ensemble::{Average, Ensemble, EnsemblePreprocessing, EnsembleRun};
pub use segmenter::{SegmentSize, Segmenter};
pub use tile_events::{MaskRows, TileEvent, TileOptions, TilePlan};
pub use tiled_segmenter::TiledSegmenter;

pub(crate) use classifier::classifier_graph;
pub(crate) use image_model::{ImageModel, RunsNetwork, model_methods};

pub use crate::vision::DetectionOptions;
