//! How networks of golden cases are run: one at a time, in which precisions, and how near they must come.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shadernet::device::Device;
use shadernet::gpu::{Backend, Precision};

/// The largest error allowed, in the largest magnitude of an output.
pub const TOLERANCE: f64 = 2e-4;

/// The same for float16, whose numbers have 11 bits.
pub const TOLERANCE_F16: f64 = 2e-2;

/// One network at a time: the larger ones hold half a gigabyte of weights, and every one of them
/// uses all processors anyway.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The precisions in which a device runs the goldens, and the errors allowed: both, but for the CPU,
/// which computes in float32 whatever is asked for, OpenGL, which takes long, and a host's device, where
/// it is limits that matter.
pub fn precisions(name: &str, device: &Device) -> Vec<(Precision, f64)> {
    let single = (Precision::F32, TOLERANCE);
    match device.backend() {
        Backend::Cpu | Backend::Gl => vec![single],
        _ if name.starts_with("a host's") => vec![single],
        _ => vec![single, (Precision::F16, TOLERANCE_F16)],
    }
}
