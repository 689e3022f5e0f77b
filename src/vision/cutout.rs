//! Cut-outs: a subject without its background, or before another.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

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
        let mut cutout = RgbaImage::new(self.width(), self.height());
        let masked = self.classes().iter().zip(self.foreground());
        for ((pixel, Rgb([r, g, b])), (class, foreground)) in
            cutout.pixels_mut().zip(image.pixels()).zip(masked)
        {
            let alpha = match classes.is_empty() || classes.contains(class) {
                true => *foreground,
                false => 0.0,
            };
            // The cast to a byte saturates.
            *pixel = Rgba([*r, *g, *b, (255.0 * alpha).round() as u8]);
        }
        Ok(cutout)
    }
}

/// `cutout` before a background of its size.
fn composite(cutout: &RgbaImage, background: impl Fn(u32, u32) -> Rgb<u8>) -> RgbImage {
    RgbImage::from_fn(cutout.width(), cutout.height(), |x, y| {
        let Rgba([r, g, b, alpha]) = *cutout.get_pixel(x, y);
        let (behind, alpha) = (background(x, y), f32::from(alpha) / 255.0);
        let mix = |front: u8, behind: u8| {
            let mixed = f32::from(front) * alpha + f32::from(behind) * (1.0 - alpha);
            mixed.round() as u8
        };
        Rgb([mix(r, behind[0]), mix(g, behind[1]), mix(b, behind[2])])
    })
}

/// `cutout` before one color.
pub fn composite_color(cutout: &RgbaImage, color: Rgb<u8>) -> RgbImage {
    composite(cutout, |_, _| color)
}

/// `cutout` before `background`, which is resized so that it covers the cut-out, and cropped around its center.
///
/// # Errors
/// [`Error::Inputs`] where either has no pixels.
pub fn composite_image(cutout: &RgbaImage, background: &RgbImage) -> Result<RgbImage> {
    if cutout.is_empty() || background.is_empty() {
        return Err(Error::Inputs(format!(
            "images with pixels were expected; found a cut-out of {}x{} before a background of {}x{}",
            cutout.width(),
            cutout.height(),
            background.width(),
            background.height()
        )));
    }
    let size = |(width, height): (u32, u32)| [width as usize, height as usize];
    let ([width, height], from) = (size(cutout.dimensions()), size(background.dimensions()));
    let to_width = width.max((from[0] * height).div_ceil(from[1]));
    let to_height = height.max((from[1] * width).div_ceil(from[0]));
    let centered = |from: usize, to: usize, len: usize| Axis {
        from,
        to,
        start: (to - len) / 2,
        len,
    };
    let x = centered(from[0], to_width, width);
    let y = centered(from[1], to_height, height);
    let behind = resize_window::<3>(background.as_raw(), x, y, Interpolation::Bicubic);
    Ok(composite(cutout, |x, y| {
        let at = 3 * (y as usize * width + x as usize);
        Rgb([behind[at], behind[at + 1], behind[at + 2]])
    }))
}

#[cfg(test)]
mod tests {
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
        let white = composite_color(&cutout, Rgb([255; 3]));
        assert_eq!(white.get_pixel(0, 1).0, [100; 3]);
        assert_eq!(white.get_pixel(1, 1).0, [255; 3]);
        // Columns and rows of different colors: what is cut off is the same on both sides.
        for (width, height) in [(8, 2), (4, 6)] {
            let background = RgbImage::from_fn(width, height, |x, y| {
                Rgb([(width / 2 <= x).into(), (height / 2 <= y).into(), 7])
            });
            let composed = composite_image(&cutout, &background).unwrap();
            assert_eq!(composed.dimensions(), (4, 2));
            assert_eq!(composed.get_pixel(1, 0).0, [0, 0, 7]);
            assert_eq!(composed.get_pixel(3, 1).0, [1, 1, 7]);
        }
        assert!(composite_image(&cutout, &RgbImage::new(0, 0)).is_err());
    }

    #[test]
    fn half_of_each_is_mixed() {
        let cutout = RgbaImage::from_pixel(1, 1, Rgba([200, 0, 0, 128]));
        let mixed = composite_color(&cutout, Rgb([0, 0, 100]));
        assert_eq!(mixed.get_pixel(0, 0).0, [100, 0, 50]);
    }
}
