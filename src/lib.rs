//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
#![warn(missing_docs)]

pub mod error;
pub mod graph;
pub mod tensor;

pub use error::{Error, Result};
