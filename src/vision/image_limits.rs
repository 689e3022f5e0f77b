//! Limits of image sizes, so that a file or an option cannot use up all memory.

/// The longest side of an image, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The largest number of pixels of an image, width times height.
pub const MAX_PIXELS: u64 = 100_000_000;
