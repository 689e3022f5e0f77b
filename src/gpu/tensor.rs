//! Tensors in a device's memory, as hosts see them.

use crate::tensor::Shape;

/// A float32 tensor in a buffer of the device: row-major and contiguous, maps as `[N, C, H, W]`.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    /// The buffer. Those that a session answers have the usages `STORAGE` and `COPY_SRC`.
    pub buffer: wgpu::Buffer,
    /// Where the tensor begins in it, in bytes: a multiple of 16.
    pub offset: u64,
    /// Its shape.
    pub shape: Shape,
}

impl GpuTensor {
    /// How many bytes it takes.
    pub fn bytes(&self) -> u64 {
        self.shape.len() as u64 * 4
    }

    /// The part of the buffer that holds it.
    pub fn slice(&self) -> wgpu::BufferSlice<'_> {
        self.buffer.slice(self.offset..self.offset + self.bytes())
    }
}
