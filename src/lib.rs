//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
//!
//! A [`device::Device`] is where networks run; a [`session::Session`] is a network ready to run there.
//! A trained network comes from a [`model_folder::ModelFolder`] and answers in words through
//! [`tasks::Classifier`]; any other is a [`graph::Graph`] (from [`zoo`], or built by hand) with
//! [`weights::Weights`].
//!
//! An app with a wgpu device of its own begins at [`gpu::Gpu::from_wgpu`]; `docs/embedding.md` in the
//! repository is the way from there.
//!
//! ```
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet::session::{Session, SessionOptions};
//! use shadernet::weights::{Weights, generate::generated_input};
//! use shadernet::zoo::{self, ZooOptions};
//!
//! let device = Device::open(&DeviceOptions::default())?;
//! let graph = zoo::build("resnet18", &ZooOptions::classes(10))?;
//! // Made-up weights; `Weights::open` reads a safetensors file.
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
pub mod darknet;
pub mod device;
pub mod error;
pub mod explain;
pub mod gpu;
pub mod graph;
mod kernels;
pub mod model_folder;
pub mod passes;
pub mod plan;
pub mod postprocess;
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

pub use error::{Error, Result};

/// The wgpu that this crate is built on, for hosts that bring their own device.
pub use wgpu;

/// What `shadernet-bench` needs of the engine's internals. Semantic versioning does not cover it.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::gpu::{PEAK_FMA, PEAK_MEMORY, Pipeline, PipelineKey};
    pub use crate::kernels::Choice;
    pub use crate::plan::ConvLayer;
    pub use crate::session::GpuSession;
}

/// The README's program, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The walk through embedding, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
