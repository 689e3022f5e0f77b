//! From a segmentation network's logits to a class for each pixel, and that to colours.

use image::{Rgb, RgbImage};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The class of every pixel of a picture, row by row. With one logit a pixel there are two classes:
/// 0, not it, and 1, it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height` classes.
    pub classes: Vec<u8>,
    /// The probability of each pixel's class; NaN where the network answered NaN.
    pub probabilities: Vec<f32>,
}

impl Mask {
    /// The likeliest class of every pixel of a picture of `width` and `height`, from logits
    /// `[1, C, h, w]` that lie over the whole picture. Logits are interpolated (bilinear, edges
    /// aligned) before they are compared, so that outlines are smooth.
    ///
    /// One channel is a sigmoid against a half, more are a softmax (Ronneberger et al. 2015).
    ///
    /// # Errors
    /// [`Error::Inputs`] where the logits are no such map, or have more than 256 channels: a class
    /// is a byte, as in an indexed picture.
    ///
    /// ```
    /// use shadernet::tensor::Tensor;
    /// use shadernet::vision::Mask;
    ///
    /// let logits = Tensor::new([1, 2, 1, 2], vec![1.0, 0.0, 0.0, 3.0])?;
    /// let mask = Mask::from_logits(&logits, 4, 1)?;
    /// assert_eq!(mask.classes, [0, 0, 1, 1]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn from_logits(logits: &Tensor, width: u32, height: u32) -> Result<Self> {
        let &[1, channels @ 1..=256, h, w] = logits.shape().dims() else {
            return Err(Error::Inputs(format!(
                "logits [1, C, H, W] of up to 256 classes were expected for a mask, found {}",
                logits.shape()
            )));
        };
        let (rows, columns) = (between(height, h), between(width, w));
        let pixels: Vec<(u8, f32)> = (rows.par_iter())
            .flat_map_iter(|&(top, bottom, v)| {
                let mut values = vec![0.0_f32; channels];
                (columns.iter()).map(move |&(left, right, u)| {
                    for (value, map) in values.iter_mut().zip(logits.data().chunks(h * w)) {
                        let row = |y: usize| map[y * w + left] * (1.0 - u) + map[y * w + right] * u;
                        *value = row(top) * (1.0 - v) + row(bottom) * v;
                    }
                    likeliest(&values)
                })
            })
            .collect();
        let (classes, probabilities) = pixels.into_iter().unzip();
        Ok(Self {
            width,
            height,
            classes,
            probabilities,
        })
    }

    /// `picture` with every pixel's class colour laid over it; class 0 is left as it is. `opacity`
    /// is between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the picture is not of the mask's size.
    pub fn overlay(&self, picture: &RgbImage, opacity: f32) -> Result<RgbImage> {
        if picture.dimensions() != (self.width, self.height) {
            return Err(Error::Inputs(format!(
                "a picture of {}x{} was expected, as the mask is; found {}x{}",
                self.width,
                self.height,
                picture.width(),
                picture.height()
            )));
        }
        let mut blended = picture.clone();
        for (pixel, class) in blended.pixels_mut().zip(&self.classes) {
            if *class != 0 {
                let color = mask_color(*class);
                for (value, color) in pixel.0.iter_mut().zip(color.0) {
                    let mix = f32::from(*value) * (1.0 - opacity) + f32::from(color) * opacity;
                    // A float to a byte saturates.
                    *value = mix.round() as u8;
                }
            }
        }
        Ok(blended)
    }
}

/// A colour for a class, as PASCAL VOC's colour map has it: black for 0, and well apart for small
/// numbers.
pub fn mask_color(class: u8) -> Rgb<u8> {
    let mut color = [0_u8; 3];
    // Three bits of the class a round, the lowest first, into the colours' highest.
    for round in 0..3 {
        for (channel, value) in color.iter_mut().enumerate() {
            let bit = u32::from(class) >> (3 * round + channel) & 1;
            *value |= (bit as u8) << (7 - round);
        }
    }
    Rgb(color)
}

/// The likeliest of some logits, and its probability.
fn likeliest(logits: &[f32]) -> (u8, f32) {
    if let [logit] = logits {
        let probability = 1.0 / (1.0 + (-logit).exp());
        return match probability > 0.5 {
            true => (1, probability),
            false => (0, 1.0 - probability),
        };
    }
    let mut best = 0;
    for (i, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = i;
        }
    }
    let sum: f32 = logits.iter().map(|l| (l - logits[best]).exp()).sum();
    // `from_logits` allows 256 at the most.
    (best as u8, 1.0 / sum)
}

/// For each of `out` pixels along an axis, the two of `size` around it and how far the second
/// counts.
fn between(out: u32, size: usize) -> Vec<(usize, usize, f32)> {
    let scale = size as f32 / out as f32;
    (0..out)
        .map(|i| {
            let position = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
            let first = (position as usize).min(size - 1);
            (first, (first + 1).min(size - 1), position - first as f32)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_pascals() {
        let colors = [
            [0, 0, 0],
            [128, 0, 0],
            [0, 128, 0],
            [128, 128, 0],
            [0, 0, 128],
        ];
        for (class, color) in (0..).zip(colors) {
            assert_eq!(mask_color(class).0, color);
        }
        assert_eq!(mask_color(8).0, [64, 0, 0]);
        assert_eq!(mask_color(255).0, [224, 224, 192]);
    }

    #[test]
    fn one_logit_is_a_sigmoid() {
        let logits = Tensor::new([1, 1, 1, 3], vec![-1.0, 0.0, 4.0]).unwrap();
        let mask = Mask::from_logits(&logits, 3, 1).unwrap();
        assert_eq!(mask.classes, [0, 0, 1]);
        assert!((mask.probabilities[2] - 0.982).abs() < 1e-3);
    }

    #[test]
    fn nan_is_shown() {
        let logits = Tensor::new([1, 3, 1, 1], vec![0.0, f32::NAN, 1.0]).unwrap();
        assert!(Mask::from_logits(&logits, 2, 2).unwrap().probabilities[3].is_nan());
    }

    #[test]
    fn other_shapes_are_refused() {
        for shape in [[2, 1, 1, 1], [1, 257, 1, 1]] {
            assert!(Mask::from_logits(&Tensor::zeros(shape), 1, 1).is_err());
        }
        let mask = Mask::from_logits(&Tensor::zeros([1, 2, 1, 1]), 2, 2).unwrap();
        assert!(mask.overlay(&RgbImage::new(3, 2), 0.5).is_err());
    }
}
