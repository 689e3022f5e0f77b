//! Cut-outs: a subject without its background, or before another.

use std::ops::Range;

use image::{Rgb, RgbImage, RgbaImage};

use super::composite::over;
use super::mask::Mask;
use super::resize::{Axis, Interpolation, resize_window};
use crate::error::{Error, Result};

impl Mask {
    /// `image` with its foreground's probability as alpha, so that outlines are soft. The colors are the image's.
    ///
    /// With `classes`, what is of other classes is transparent; where there are none, all but class 0 is cut out.
    ///
    /// ```
    /// use image::{Rgb, RgbImage};
    /// use shadernet::tensor::Tensor;
    /// use shadernet::vision::Mask;
    ///
    /// // One logit a pixel: surely background, undecided, surely foreground.
    /// let logits = Tensor::new([1, 1, 1, 3], vec![-9.0, 0.0, 9.0])?;
    /// let image = RgbImage::from_pixel(3, 1, Rgb([200, 100, 50]));
    /// let cutout = Mask::from_logits(&logits, 3, 1)?.cutout(&image, &[])?;
    /// assert_eq!(cutout.pixels().map(|pixel| pixel[3]).collect::<Vec<u8>>(), [0, 128, 255]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Inputs`] where the image does not have the mask's size.
    pub fn cutout(&self, image: &RgbImage, classes: &[u8]) -> Result<RgbaImage> {
        self.check_size(image)?;
        let pixels = cut_out(image.as_raw(), self.classes(), self.foreground(), classes);
        // `width * height` pixels of four bytes.
        let cutout = RgbaImage::from_raw(self.width(), self.height(), pixels);
        Ok(cutout.expect("a buffer of the image's size"))
    }
}

/// Pixels of RGB with alpha, where `keep` has their class, or is empty.
pub(crate) fn cut_out(rgb: &[u8], classes: &[u8], foreground: &[f32], keep: &[u8]) -> Vec<u8> {
    let masked = classes.iter().zip(foreground);
    (rgb.as_chunks::<3>().0.iter().zip(masked))
        .flat_map(|([r, g, b], (class, foreground))| {
            let alpha = match keep.is_empty() || keep.contains(class) {
                true => *foreground,
                false => 0.0,
            };
            // The cast to a byte saturates.
            [*r, *g, *b, (255.0 * alpha).round() as u8]
        })
        .collect()
}

/// What is behind a cut-out.
#[derive(Clone, Debug)]
pub enum Background {
    /// One color.
    Color(Rgb<u8>),
    /// An image, which is resized so that it covers the cut-out, and cropped around its center.
    Image(RgbImage),
}

impl Background {
    /// `cutout` before this background.
    ///
    /// ```
    /// use image::{Rgb, Rgba, RgbaImage};
    /// use shadernet::vision::Background;
    ///
    /// let cutout = RgbaImage::from_pixel(1, 1, Rgba([200, 0, 0, 128]));
    /// let composed = Background::Color(Rgb([0, 0, 100])).composite(&cutout)?;
    /// assert_eq!(composed.get_pixel(0, 0).0, [100, 0, 50]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Inputs`] where either image has no pixels.
    pub fn composite(&self, cutout: &RgbaImage) -> Result<RgbImage> {
        let (width, height) = cutout.dimensions();
        let pixels = self.composite_rows(cutout.as_raw(), [width, height], 0..height)?;
        // `width * height` pixels of three bytes.
        Ok(RgbImage::from_raw(width, height, pixels).expect("a buffer of the image's size"))
    }

    /// The `rows` of a cut-out of the width and height `size` before this background, three bytes for each pixel.
    /// `rgba` are those of the cut-out, four bytes for each pixel.
    ///
    /// # Errors
    /// [`Error::Inputs`] where either image has no pixels, or `rgba` is not of these rows.
    pub fn composite_rows(&self, rgba: &[u8], size: [u32; 2], rows: Range<u32>) -> Result<Vec<u8>> {
        let [width, height] = size.map(|side| side as usize);
        let pixels = width * rows.len();
        if rgba.len() != 4 * pixels || rows.end > size[1] || pixels == 0 {
            return Err(Error::Inputs(format!(
                "the {pixels} pixels of rows {} to {} of a cut-out of {width}x{height} were expected, found {} bytes",
                rows.start,
                rows.end,
                rgba.len()
            )));
        }
        let behind = match self {
            Self::Color(color) => color.0.repeat(pixels),
            Self::Image(image) => covering(image, [width, height], rows)?,
        };
        let behind = behind.as_chunks::<3>().0.iter();
        Ok((rgba.as_chunks::<4>().0.iter().zip(behind))
            .flat_map(|(&[r, g, b, alpha], behind)| {
                [
                    over(r, behind[0], alpha),
                    over(g, behind[1], alpha),
                    over(b, behind[2], alpha),
                ]
            })
            .collect())
    }
}

/// Rows of `image`, resized so that it covers `width` by `height`, and cropped around its center.
fn covering(image: &RgbImage, [width, height]: [usize; 2], rows: Range<u32>) -> Result<Vec<u8>> {
    let (from_width, from_height) = image.dimensions();
    let (from_width, from_height) = (from_width as usize, from_height as usize);
    if from_width == 0 || from_height == 0 {
        return Err(Error::Inputs(format!(
            "a background with pixels was expected, found {from_width}x{from_height}"
        )));
    }
    let to_width = width.max((from_width * height).div_ceil(from_height));
    let to_height = height.max((from_height * width).div_ceil(from_width));
    let x = Axis {
        from: from_width,
        to: to_width,
        start: (to_width - width) / 2,
        len: width,
    };
    let y = Axis {
        from: from_height,
        to: to_height,
        start: (to_height - height) / 2 + rows.start as usize,
        len: rows.len(),
    };
    Ok(resize_window::<3>(
        image.as_raw(),
        x,
        y,
        Interpolation::Bicubic,
    ))
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;
    use crate::tensor::Tensor;

    /// Pixels of classes 0, 1 and 2, each nearly certain.
    fn mask() -> Mask {
        let logits = vec![9.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 9.0];
        Mask::from_logits(&Tensor::new([1, 3, 1, 3], logits).unwrap(), 3, 1).unwrap()
    }

    #[test]
    fn only_the_chosen_classes_are_cut_out() {
        let image = RgbImage::from_pixel(3, 1, Rgb([1, 2, 3]));
        let alpha = |classes: &[u8]| -> Vec<u8> {
            let cutout = mask().cutout(&image, classes).unwrap();
            assert!(cutout.pixels().all(|pixel| pixel.0[..3] == [1, 2, 3]));
            cutout.pixels().map(|pixel| pixel[3]).collect()
        };
        assert_eq!(alpha(&[]), [0, 255, 255]);
        assert_eq!(alpha(&[2]), [0, 0, 255]);
        assert!(mask().cutout(&RgbImage::new(2, 1), &[]).is_err());
    }

    #[test]
    fn backgrounds_cover_the_cutout() {
        let pixels = [Rgba([100, 100, 100, 255]), Rgba([0, 0, 0, 0])];
        let cutout = RgbaImage::from_fn(4, 2, |x, _| pixels[x as usize % 2]);
        let white = Background::Color(Rgb([255; 3])).composite(&cutout).unwrap();
        assert_eq!(white.get_pixel(0, 1).0, [100; 3]);
        assert_eq!(white.get_pixel(1, 1).0, [255; 3]);
        // Columns and rows of different colors: what is cut off is the same on both sides.
        for (width, height) in [(8, 2), (4, 6)] {
            let background = Background::Image(RgbImage::from_fn(width, height, |x, y| {
                Rgb([(width / 2 <= x).into(), (height / 2 <= y).into(), 7])
            }));
            let composed = background.composite(&cutout).unwrap();
            assert_eq!(composed.dimensions(), (4, 2));
            assert_eq!(composed.get_pixel(1, 0).0, [0, 0, 7]);
            assert_eq!(composed.get_pixel(3, 1).0, [1, 1, 7]);
            // The second row alone.
            let row = background.composite_rows(&cutout.as_raw()[16..], [4, 2], 1..2);
            assert_eq!(row.unwrap(), composed.as_raw()[12..]);
        }
        let empty = Background::Image(RgbImage::new(0, 0));
        assert!(empty.composite(&cutout).is_err());
        let short = Background::Color(Rgb([0; 3])).composite_rows(&[0; 4], [4, 2], 0..1);
        assert!(short.is_err());
    }
}
