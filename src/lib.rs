//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
#![warn(missing_docs)]

pub mod device;
pub mod error;
pub mod gpu;
pub mod graph;
mod kernels;
pub mod model_folder;
mod nearest;
mod plan;
pub mod reference;
pub mod session;
pub mod tensor;
pub mod vision;
pub mod weights;
pub mod zoo;

pub use error::{Error, Result};

/// The wgpu that this crate is built on, for hosts that bring their own device.
pub use wgpu;
