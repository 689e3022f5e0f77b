//! The CPU backend: the threads that it computes with.
//!
//! ```
//! use shadernet::cpu::CpuOptions;
//! use shadernet::{Backend, Device, DeviceOptions};
//!
//! let options = DeviceOptions::new().backend(Backend::Cpu).cpu(CpuOptions::new().threads(2));
//! let device = Device::open(&options)?;
//! println!("running on {device}");
//! # Ok::<(), shadernet::Error>(())
//! ```

mod conv;
mod conv_weights;
mod copy;
mod depthwise;
mod device;
mod elementwise;
mod fallback;
mod grid_sample;
mod implicit_gemm;
mod kernel;
mod layer_norm;
mod map;
mod memory;
mod outline;
mod packed;
mod pass;
mod plan;
mod pointwise;
mod pool;
mod prologue;
mod report;
mod select;
mod simd;
mod sweep;
mod tile;
mod upsample;
mod weight_limit;
mod why;
mod winograd;
mod winograd_transform;
mod workers;

pub use device::{CpuDevice, CpuOptions};
pub(crate) use outline::Outline;
pub(crate) use packed::PackedWeights;
pub(crate) use plan::CpuPlan;
pub(crate) use report::report;
pub(crate) use workers::Helpers;
