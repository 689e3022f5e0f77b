//! Tensors in a device's memory.

use crate::tensor::Shape;

/// A float32 tensor in a buffer of the device: row-major and contiguous, feature maps as `[N, C, H, W]`.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    /// The buffer. Those of a session's outputs have the usages `STORAGE` and `COPY_SRC`.
    pub buffer: wgpu::Buffer,
    /// The tensor's offset in the buffer, in bytes: a multiple of 16.
    pub offset: u64,
    /// Its shape.
    pub shape: Shape,
}

impl GpuTensor {
    /// The tensor's size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.len() as u64 * 4
    }

    /// The part of the buffer that holds the tensor.
    pub fn slice(&self) -> wgpu::BufferSlice<'_> {
        self.buffer.slice(self.offset..self.offset + self.bytes())
    }
}
