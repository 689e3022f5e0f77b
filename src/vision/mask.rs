//! Segmentation masks: from logits to a class per pixel, and to colors.

use image::{Rgb, RgbImage};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The class of every pixel of an image, row-major. A network with one logit per pixel has two
/// classes: 0, background, and 1, foreground.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    width: u32,
    height: u32,
    /// `width * height` classes.
    classes: Vec<u8>,
    /// As many as `classes`.
    probabilities: Vec<f32>,
    /// As many as `classes`.
    foreground: Vec<f32>,
}

impl Mask {
    /// The most probable class of every pixel of an image of `width` by `height`, from logits
    /// `[1, C, h, w]` that cover the whole image. Logits are interpolated (bilinear, `align_corners`
    /// false) before they are compared, so that outlines are smooth.
    ///
    /// One channel is a sigmoid with a threshold of one half; more are a softmax (Ronneberger et al.
    /// 2015).
    ///
    /// # Errors
    /// [`Error::Inputs`] where the logits do not have that shape or have more than 256 channels: a class
    /// is one byte, as in an indexed image.
    ///
    /// ```
    /// use shadernet::tensor::Tensor;
    /// use shadernet::vision::Mask;
    ///
    /// let logits = Tensor::new([1, 2, 1, 2], vec![1.0, 0.0, 0.0, 3.0])?;
    /// let mask = Mask::from_logits(&logits, 4, 1)?;
    /// assert_eq!(mask.classes(), [0, 0, 1, 1]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn from_logits(logits: &Tensor, width: u32, height: u32) -> Result<Self> {
        let &[1, channels @ 1..=256, h, w] = logits.shape().dims() else {
            return Err(Error::Inputs(format!(
                "logits [1, C, H, W] of up to 256 classes were expected for a mask, found {}",
                logits.shape()
            )));
        };
        let (rows, columns) = (linear_taps(height, h), linear_taps(width, w));
        let pixels = rows.len() * columns.len();
        let mut mask = Self {
            width,
            height,
            classes: vec![0; pixels],
            probabilities: vec![0.0; pixels],
            foreground: vec![0.0; pixels],
        };
        let row_len = columns.len().max(1);
        let output_rows = (mask.classes.par_chunks_mut(row_len))
            .zip(mask.probabilities.par_chunks_mut(row_len))
            .zip(mask.foreground.par_chunks_mut(row_len));
        (rows.par_iter().zip(output_rows)).for_each(
            |(row, ((classes, probabilities), foreground))| {
                let mut values = vec![0.0_f32; channels];
                for (x, column) in columns.iter().enumerate() {
                    interpolate(logits, *row, *column, &mut values);
                    (classes[x], probabilities[x], foreground[x]) = argmax(&values);
                }
            },
        );
        Ok(mask)
    }

    /// The number of columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The `width * height` classes, row-major.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The probability of each pixel's class, in the order of [`Self::classes`]; NaN where the network
    /// returned NaN.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The probability that a pixel is not of class 0, the background, in the order of [`Self::classes`]; NaN where
    /// the network returned NaN.
    pub fn foreground(&self) -> &[f32] {
        &self.foreground
    }

    /// Checks that `image` is of the mask's size.
    pub(super) fn check_size(&self, image: &RgbImage) -> Result<()> {
        if image.dimensions() == (self.width, self.height) {
            return Ok(());
        }
        Err(Error::Inputs(format!(
            "an image of the mask's size, {}x{}, was expected; found {}x{}",
            self.width,
            self.height,
            image.width(),
            image.height()
        )))
    }

    /// `image` with every pixel's class color drawn over it; pixels of class 0 are unchanged. `opacity`
    /// is between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Inputs`] where the image does not have the mask's size.
    pub fn overlay(&self, image: &RgbImage, opacity: f32) -> Result<RgbImage> {
        self.check_size(image)?;
        let mut blended = image.clone();
        draw_classes(&mut blended, &self.classes, opacity);
        Ok(blended)
    }
}

/// Draws the color of every pixel's class over `pixels`, three bytes for each class; those of class 0 are unchanged.
pub(crate) fn draw_classes(pixels: &mut [u8], classes: &[u8], opacity: f32) {
    for (pixel, class) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(classes) {
        if *class != 0 {
            let color = mask_color(*class);
            for (value, color) in pixel.iter_mut().zip(color.0) {
                let mix = f32::from(*value) * (1.0 - opacity) + f32::from(color) * opacity;
                // The cast to a byte saturates.
                *value = mix.round() as u8;
            }
        }
    }
}

/// The color of a class in PASCAL VOC's color map: black for 0, and clearly different colors for small
/// class indices.
pub fn mask_color(class: u8) -> Rgb<u8> {
    let mut color = [0_u8; 3];
    // Each round moves three bits of the class, lowest first, to the highest free bits of the channels.
    for round in 0..3 {
        for (channel, value) in color.iter_mut().enumerate() {
            let bit = u32::from(class) >> (3 * round + channel) & 1;
            *value |= (bit as u8) << (7 - round);
        }
    }
    Rgb(color)
}

/// The class with the largest logit, its probability, and the probability of all classes but 0.
pub(crate) fn argmax(logits: &[f32]) -> (u8, f32, f32) {
    if let [logit] = logits {
        let foreground = 1.0 / (1.0 + (-logit).exp());
        return match foreground > 0.5 {
            true => (1, foreground, foreground),
            false => (0, 1.0 - foreground, foreground),
        };
    }
    let mut best = 0;
    for (i, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = i;
        }
    }
    let shares = || logits.iter().map(|logit| (logit - logits[best]).exp());
    let sum: f32 = shares().sum();
    let foreground: f32 = shares().skip(1).sum();
    // `from_logits` allows at most 256 classes.
    (best as u8, 1.0 / sum, foreground / sum)
}

/// What a pixel is made of along one axis: two pixels of a map, and the weight of the second.
pub(crate) type Tap = (usize, usize, f32);

/// The `values` of all channels of the maps `[1, C, h, w]` between four pixels.
pub(crate) fn interpolate(
    maps: &Tensor,
    (top, bottom, v): Tap,
    (left, right, u): Tap,
    values: &mut [f32],
) {
    let [_, _, h, w] = maps.shape().nchw();
    for (value, map) in values.iter_mut().zip(maps.data().chunks(h * w)) {
        let row = |y: usize| map[y * w + left] * (1.0 - u) + map[y * w + right] * u;
        *value = row(top) * (1.0 - v) + row(bottom) * v;
    }
}

/// For each of `out` pixels along an axis, the two of `size` source pixels around it and the weight of
/// the second.
pub(crate) fn linear_taps(out: u32, size: usize) -> Vec<Tap> {
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
    fn colors_match_pascal_voc() {
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
        assert!((mask.foreground[0] - 0.269).abs() < 1e-3);
    }

    #[test]
    fn the_foreground_is_all_classes_but_the_first() {
        // Logarithms of 1, 2 and 5, and of 5, 2 and 1.
        let logits = [1.0, 5.0, 2.0, 2.0, 5.0, 1.0_f32].map(f32::ln);
        let mask = Mask::from_logits(&Tensor::new([1, 3, 1, 2], logits.to_vec()).unwrap(), 2, 1);
        let mask = mask.unwrap();
        assert_eq!(mask.classes, [2, 0]);
        for (found, expected) in mask.foreground.iter().zip([7.0 / 8.0, 3.0 / 8.0]) {
            assert!((found - expected).abs() < 1e-6, "{found}");
        }
    }

    #[test]
    fn nan_logits_give_nan_probabilities() {
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
