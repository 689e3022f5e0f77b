//! Shaders that compute wrong results on purpose, for tests of what finds them out.
//!
//! The library has this only with its feature `fault-injection`. This function always exists, so that the command
//! is the same code with the feature, as its tests are built, and without it, as it is released.

use shadernet::gpu::Gpu;

/// Makes the shader called `shader` store values that are too large by a quarter, on `gpu` and in pipelines that
/// are made afterwards. Returns whether that is possible: not without the feature `fault-injection`.
#[must_use]
pub fn inject_fault(gpu: &Gpu, shader: &str) -> bool {
    #[cfg(feature = "fault-injection")]
    gpu.inject_fault(shader);
    let _ = (gpu, shader);
    cfg!(feature = "fault-injection")
}
