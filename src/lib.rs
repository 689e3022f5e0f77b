//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
#![warn(missing_docs)]

pub mod error;
pub mod graph;
pub mod model_folder;
pub mod tensor;
pub mod vision;

pub use error::{Error, Result};
