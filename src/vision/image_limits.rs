//! The largest images that are taken, so that a file or a setting cannot ask for all memory.

/// The longest side of an image, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// The most pixels of an image, width times height.
pub const MAX_PIXELS: u64 = 100_000_000;
