//! A value's shape and its position in a buffer, as the kernels of the CPU see them.

use crate::kernels::TensorView;

/// A value in NHWC order. All lengths are in floats. Between pixels there may be other values, or padding to four
/// channels, whose content is undefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// From one pixel to the next.
    pub stride: usize,
    /// The first element in the buffer.
    pub offset: usize,
}

impl Map {
    /// Views count in elements of four channels.
    pub fn new(view: &TensorView) -> Self {
        Self {
            batch: view.batch as usize,
            height: view.height as usize,
            width: view.width as usize,
            channels: view.channels as usize,
            stride: view.pixel_stride as usize * 4,
            offset: view.offset as usize * 4,
        }
    }

    /// Pixels of the batch.
    pub fn pixels(&self) -> usize {
        self.batch * self.height * self.width
    }

    /// Whether nothing but padding lies between pixels, so that the value can be read as one row.
    pub fn is_dense(&self) -> bool {
        self.stride == self.channels.next_multiple_of(4)
    }
}
