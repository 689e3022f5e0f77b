//! A value's shape and its position in a buffer.

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
        /// Elements from one pixel to the next.
        pub pixel_stride: u32,
        /// The first element in the buffer.
        pub offset: u32,
        /// Elements of four channels per pixel: `channels` / 4, rounded up.
        pub c4: u32,
        /// `batch` * `height` * `width`.
        pub pixels: u32,
    }
}

impl TensorView {
    /// A value at the start of a buffer of its own. `Graph::infer` has checked that the elements of
    /// `shape` can be counted in 32 bits.
    pub fn new(shape: &Shape) -> Self {
        let [batch, channels, height, width] = shape.nchw().map(|dim| dim as u32);
        let c4 = channels.div_ceil(4);
        Self {
            batch,
            height,
            width,
            channels,
            pixel_stride: c4,
            offset: 0,
            c4,
            pixels: batch * height * width,
        }
    }

    /// The same shape within a value whose pixels are `pixel_stride` elements apart, from `offset` on.
    pub fn within(self, pixel_stride: u32, offset: u32) -> Self {
        Self {
            pixel_stride,
            offset,
            ..self
        }
    }

    /// Whether its bytes in float32 are those of the NCHW tensor: one pixel per image, whole elements.
    pub fn is_nchw(&self) -> bool {
        let one_pixel = self.height == 1 && self.width == 1;
        let no_gaps = self.pixel_stride * 4 == self.channels || self.batch == 1;
        one_pixel && no_gaps
    }

    /// Bytes of a buffer that holds the value.
    pub fn bytes(&self, precision: Precision) -> u64 {
        let elements =
            u64::from(self.offset) + u64::from(self.pixels) * u64::from(self.pixel_stride);
        elements * precision.element_bytes()
    }

    /// Numbers of the same value as a NCHW tensor, without padding.
    pub fn unpadded_len(&self) -> u64 {
        u64::from(self.pixels) * u64::from(self.channels)
    }
}
