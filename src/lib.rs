//! Shadernet runs convolutional networks on the GPU through WGSL compute shaders.
#![warn(missing_docs)]

pub mod error;
pub mod graph;
mod nearest;
pub mod reference;
pub mod tensor;
pub mod weights;
pub mod zoo;

pub use error::{Error, Result};
