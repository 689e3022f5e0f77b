//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
//!
//! A [`Device`] runs networks, and a [`Session`] is a network that is ready to run on a device. A trained
//! network is a [`ModelFolder`], for [`Classifier`], [`Detector`], [`Segmenter`] and [`Explainer`]. Any other
//! network is a [`Graph`], from [`zoo`] or a [`GraphBuilder`], with [`Weights`].
//!
//! An app with its own wgpu device starts with [`Gpu::from_wgpu`]; `docs/embedding.md` in the repository
//! continues from there.
//!
//! ```
//! use shadernet::weights::generate::generated_input;
//! use shadernet::zoo::{self, ZooOptions};
//! use shadernet::{Device, DeviceOptions, Session, SessionOptions, Weights};
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! let graph = zoo::build("resnet18", &ZooOptions::classes(10))?;
//! // Random weights; `Weights::open` reads a safetensors file.
//! let weights = Weights::generated(&graph, 1.0);
//! let input = generated_input([1, 3, 64, 64]);
//!
//! let options = SessionOptions::default();
//! let mut session = Session::new(&device, &graph, weights, &options, &[input.shape().clone()])?;
//! let outputs = session.run(&[input])?;
//! assert_eq!(outputs[0].shape().dims(), [1, 10]);
//! # Ok::<(), shadernet::Error>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod accuracy;
pub mod cpu;
pub mod darknet;
pub mod device;
pub mod error;
pub mod explain;
pub mod gpu;
pub mod graph;
mod kernels;
pub mod model_folder;
#[cfg(feature = "onnx")]
pub mod onnx;
pub mod output_file;
pub mod passes;
pub mod plan;
pub mod postprocess;
pub mod printable;
pub mod profile;
pub mod reference;
pub mod session;
pub mod tasks;
pub mod tensor;
pub mod texture;
pub mod tuning;
mod util;
pub mod vision;
pub mod weights;
pub mod zoo;

pub use device::{Device, DeviceOptions};
pub use error::{Error, ErrorKind, Result};
pub use explain::Explainer;
pub use gpu::{Backend, Gpu, GpuOptions, GpuTensor, Precision};
pub use graph::{Graph, GraphBuilder};
pub use model_folder::ModelFolder;
pub use session::{ConvAlgorithm, PassChunks, Run, Session, SessionInput, SessionOptions};
pub use tasks::{Classifier, Detector, Segmenter};
pub use tensor::{Shape, Tensor};
pub use weights::Weights;

/// The version of rayon whose pools [`cpu::CpuOptions::pool`] takes.
pub use rayon;
/// The version of wgpu that this crate is built on, for hosts that bring their own device.
pub use wgpu;

/// Internals for `shadernet-bench` and the command. Not covered by semantic versioning.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::gpu::compute_units::PeakFmaParams;
    pub use crate::gpu::measurement_params::{LoopProbeParams, PeakMemoryParams};
    pub use crate::gpu::{LOOP_PROBE, PEAK_FMA, PEAK_MEMORY, Pipeline, PipelineKey};
    pub use crate::graph::internals::*;
    pub use crate::kernels::shader_forms::forms;
    pub use crate::kernels::{Choice, max_loop_iterations};
    pub use crate::plan::ConvLayer;
    pub use crate::session::GpuSession;
    pub use crate::util::memory::check_memory;
    pub use crate::util::read::{read_file, read_text_file};

    /// The data of a pipeline cache file that was written for the adapter and version `identity`.
    pub fn decode_pipeline_file<'a>(identity: &str, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        crate::gpu::pipeline_file::decode(identity, bytes)
    }

    /// The last line of a tuning file whose other lines are `body`.
    pub fn checksum_line(body: &str) -> String {
        crate::gpu::device_file::checksum_line(body)
    }
}

/// The README's example, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The examples of the guide to other models, compiled as tests.
#[cfg(all(doctest, feature = "onnx", feature = "codecs"))]
#[doc = include_str!("../docs/models.md")]
struct Models;

/// The examples of the embedding guide, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
