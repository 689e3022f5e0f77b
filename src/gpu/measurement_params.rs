//! Uniform blocks of the shaders that measure a device. `shadernet-bench` dispatches them.

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

    /// Uniform block of `peak_fma`.
    pub struct PeakFmaParams for PEAK_FMA {
        /// Iterations of the loop.
        pub turns: u32,
        /// Elements, one per invocation.
        pub elements: u32,
        /// The factor of each multiply-add.
        pub factor: f32,
        /// The term of each multiply-add.
        pub term: f32,
    }

    /// Uniform block of `peak_memory`.
    pub struct PeakMemoryParams for PEAK_MEMORY {
        /// Elements of the buffers.
        pub elements: u32,
        /// Mask of element indices: all ones, or fewer bits to stay within a cache.
        pub mask: u32,
    }
}
