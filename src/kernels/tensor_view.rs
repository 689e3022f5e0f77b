//! Where a value lies in its buffer.

use crate::gpu::Precision;
use crate::gpu::uniform::uniforms;
use crate::tensor::Shape;

uniforms! {
    /// `TensorView` of `shaders/shared/tensor_view.wgsl`, field by field.
    #[derive(PartialEq, Eq)]
    pub(crate) struct TensorView {
        pub batch: u32,
        pub height: u32,
        pub width: u32,
        pub channels: u32,
        pub stride: u32,
        pub offset: u32,
        pub groups: u32,
        pub pixels: u32,
    }
}

impl TensorView {
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

    /// The same shape within a value whose pixels are `stride` elements apart, from `offset` on.
    pub fn within(self, stride: u32, offset: u32) -> Self {
        Self {
            stride,
            offset,
            ..self
        }
    }

    /// Whether it is, in float32, byte for byte what users see: one pixel an image, whole elements.
    pub fn is_planar(&self) -> bool {
        let one_pixel = self.height == 1 && self.width == 1;
        let no_gaps = self.stride * 4 == self.channels || self.batch == 1;
        one_pixel && no_gaps
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
