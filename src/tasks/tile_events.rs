//! What a tiled segmentation is asked for, and what it reports.

use crate::vision::{cut_out, draw_classes};

/// How an image is divided into tiles.
///
/// ```
/// use shadernet::tasks::TileOptions;
///
/// assert_eq!(TileOptions::new().side(512).side, Some(512));
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct TileOptions {
    /// The longest side of a tile, in pixels of the network's input. Larger tiles share less of their margins, and take
    /// more memory. `None` for tiles whose values take a third of a gigabyte, or less where the device has less; the
    /// CPU's weights then take no more, either, where slower kernels allow that.
    pub side: Option<usize>,
}

impl TileOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::side`].
    #[must_use]
    pub fn side(mut self, side: impl Into<Option<usize>>) -> Self {
        self.side = side.into();
        self
    }
}

/// The tiles of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TilePlan {
    /// Height and width of a tile, in pixels of the network's input.
    pub tile: [usize; 2],
    /// The number of tiles, vertically and horizontally.
    pub tiles: [usize; 2],
    /// Why the mask differs from that of the whole image, in words that follow the network's name; `None` where it does
    /// not.
    pub inexact: Option<String>,
}

/// What is reported while an image is segmented.
#[derive(Debug)]
#[non_exhaustive]
pub enum TileEvent<'a> {
    /// The tiles, before the first.
    Plan(&'a TilePlan),
    /// A tile is computed.
    Progress {
        /// How many are completed.
        completed: usize,
        /// How many there are.
        total: usize,
    },
    /// Rows of the mask, in order, each once.
    Rows(MaskRows<'a>),
}

/// Rows of a mask; see [`Mask`](crate::vision::Mask).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MaskRows<'a> {
    /// The first of the rows.
    pub top: usize,
    /// Pixels of a row.
    pub width: usize,
    /// The class of each pixel, row-major.
    pub classes: &'a [u8],
    /// The probability of each class.
    pub probabilities: &'a [f32],
    /// The probability that each pixel is not of class 0, the background.
    pub foreground: &'a [f32],
    /// The image in these rows, three bytes of RGB for each pixel.
    pub image: &'a [u8],
}

impl MaskRows<'_> {
    /// The image in these rows with every pixel's class color drawn over it; see
    /// [`Mask::overlay`](crate::vision::Mask::overlay).
    pub fn overlay(&self, opacity: f32) -> Vec<u8> {
        let mut pixels = self.image.to_vec();
        draw_classes(&mut pixels, self.classes, opacity);
        pixels
    }

    /// The image in these rows with its foreground's probability as alpha, four bytes for each pixel; see
    /// [`Mask::cutout`](crate::vision::Mask::cutout).
    pub fn cutout(&self, classes: &[u8]) -> Vec<u8> {
        cut_out(self.image, self.classes, self.foreground, classes)
    }
}
