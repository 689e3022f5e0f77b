//! How networks of golden cases run: one at a time, and in which precisions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shadernet::device::Device;
use shadernet::gpu::{Backend, Precision};

/// One network at a time: the larger ones hold half a gigabyte of weights, and every one of them
/// uses all processors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The precisions in which a device runs the golden cases: both, except for the CPU and the reference backend, which
/// always compute in float32, OpenGL, which is slow, and a host's device, which tests limits.
pub fn precisions(name: &str, device: &Device) -> Vec<Precision> {
    let single = Precision::F32;
    match device.backend() {
        Backend::Cpu | Backend::Reference | Backend::Gl => vec![single],
        _ if name.starts_with("a host's") => vec![single],
        _ => vec![single, Precision::F16],
    }
}
