//! Uniform blocks of the shaders that only `shadernet-bench` dispatches, to measure a device.

use super::uniform::uniforms;

uniforms! {
    /// Uniform block of `loop_probe`.
    pub struct LoopProbeParams for LOOP_PROBE {
        /// Iterations of the loop.
        pub iterations: u32,
        /// A value of the loop's random numbers that ends it, and does not occur.
        pub never: u32,
        /// Padding.
        pub unused: [u32; 2],
    }

    /// Uniform block of `peak_memory`.
    pub struct PeakMemoryParams for PEAK_MEMORY {
        /// Elements of the buffers.
        pub elements: u32,
        /// Mask of element indices: all ones, or fewer bits to stay within a cache.
        pub mask: u32,
    }
}
