//! Where a value lies in its buffer.

use bytemuck::{Pod, Zeroable};

use crate::gpu::Precision;
use crate::tensor::Shape;

/// `Map` of `shaders/shared/map.wgsl`, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub(crate) struct Map {
    pub batch: u32,
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    pub stride: u32,
    pub offset: u32,
    pub groups: u32,
    pub pixels: u32,
}

impl Map {
    /// A value of its own, in a buffer of its own. `Graph::infer` has bounded the elements of
    /// `shape` to 32 bits.
    pub fn new(shape: &Shape) -> Self {
        let [batch, channels, height, width] = shape.nchw().map(|dim| dim as u32);
        let groups = channels.div_ceil(4);
        Self {
            batch,
            height,
            width,
            channels,
            stride: groups,
            offset: 0,
            groups,
            pixels: batch * height * width,
        }
    }

    /// Bytes of a buffer that holds the value.
    pub fn bytes(&self, precision: Precision) -> u64 {
        let elements = u64::from(self.offset) + u64::from(self.pixels) * u64::from(self.stride);
        elements * precision.element_bytes()
    }

    /// Elements of the same value as users see it, NCHW without padding.
    pub fn unpadded_len(&self) -> u64 {
        u64::from(self.pixels) * u64::from(self.channels)
    }
}
