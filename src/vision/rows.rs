//! Images that are read row by row.

use image::RgbImage;

use crate::error::Result;

/// The rows of an image from top to bottom, upright and opaque, so that an image need not be in memory as a whole.
///
/// ```
/// use shadernet::vision::{RgbImage, RgbRows, RowSource};
///
/// let image = RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
/// let mut rows = RgbRows::new(&image);
/// let mut row = [0; 3];
/// rows.read_row(&mut row)?;
/// rows.read_row(&mut row)?;
/// assert_eq!(row, [4, 5, 6]);
/// # Ok::<(), shadernet::Error>(())
/// ```
pub trait RowSource {
    /// Width and height in pixels, neither of which is 0.
    fn dimensions(&self) -> (u32, u32);

    /// Writes the next row to `row`, `3 * width` bytes of RGB. It is called once for each row.
    ///
    /// # Errors
    /// Where the row cannot be read.
    fn read_row(&mut self, row: &mut [u8]) -> Result<()>;
}

/// The rows of an image in memory.
#[derive(Debug)]
pub struct RgbRows<'a> {
    image: &'a RgbImage,
    next: usize,
}

impl<'a> RgbRows<'a> {
    /// The rows of `image`.
    pub fn new(image: &'a RgbImage) -> Self {
        Self { image, next: 0 }
    }
}

impl RowSource for RgbRows<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.image.dimensions()
    }

    fn read_row(&mut self, row: &mut [u8]) -> Result<()> {
        let begin = self.next * row.len();
        if let Some(from) = self.image.as_raw().get(begin..begin + row.len()) {
            row.copy_from_slice(from);
        }
        self.next += 1;
        Ok(())
    }
}

impl<S: RowSource + ?Sized> RowSource for &mut S {
    fn dimensions(&self) -> (u32, u32) {
        (**self).dimensions()
    }

    fn read_row(&mut self, row: &mut [u8]) -> Result<()> {
        (**self).read_row(row)
    }
}
