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

mod device;

pub use device::{CpuDevice, CpuOptions};
