//! A picture to a network's input, as timm's evaluation transform does it: resize, crop, normalise.

use image::RgbImage;
use rayon::prelude::*;

use super::crop::{CropMode, ImageTransform, LETTERBOX_GREY};
use super::image_limits::MAX_SIDE;
use super::resize::{Interpolation, resize_window};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How a picture becomes a network's input: the keys of timm's `pretrained_cfg`, with its defaults.
///
/// The result is that of timm's `create_transform(is_training=False)` on the same RGB pixels, to
/// the rounding of float32: sizes and offsets are rounded as torchvision rounds them, pixels as
/// Pillow does.
///
/// ```
/// use shadernet::vision::{CropMode, Preprocessing};
///
/// let preprocessing = Preprocessing {
///     input_size: [3, 64, 96],
///     crop_mode: CropMode::Border,
///     ..Preprocessing::default()
/// };
/// let pictures = vec![image::RgbImage::new(200, 100), image::RgbImage::new(30, 40)];
/// let batch = preprocessing.batch(&pictures)?;
/// assert_eq!(batch.shape().dims(), [2, 3, 64, 96]);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// Channels, height and width: `[3, 224, 224]`. One channel is greyscale (Pillow's `L`).
    pub input_size: [usize; 3],
    /// What is subtracted from each channel, of values between 0 and 1. ImageNet's by default.
    pub mean: Vec<f32>,
    /// What each channel is then divided by. ImageNet's by default.
    pub std: Vec<f32>,
    /// How pixels are interpolated: bicubic.
    pub interpolation: Interpolation,
    /// The input's share of the resized picture's side: 0.875. Above 1 the picture is padded.
    pub crop_pct: f64,
    /// What of the picture is seen: its centre.
    pub crop_mode: CropMode,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            input_size: [3, 224, 224],
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            interpolation: Interpolation::default(),
            crop_pct: 0.875,
            crop_mode: CropMode::default(),
        }
    }
}

impl Preprocessing {
    /// `picture` as a tensor `[1, C, H, W]`.
    ///
    /// # Errors
    /// Where [`Preprocessing::check`] finds fault, the channels are neither 1 nor 3, or `picture`
    /// has no pixels.
    pub fn apply(&self, picture: &RgbImage) -> Result<Tensor> {
        self.batch(std::slice::from_ref(picture))
    }

    /// `pictures` as a tensor `[N, C, H, W]`; they need not be of one size.
    ///
    /// # Errors
    /// As [`Preprocessing::apply`], of any picture.
    pub fn batch(&self, pictures: &[RgbImage]) -> Result<Tensor> {
        self.check()?;
        let [channels, height, width] = self.input_size;
        let mut batch = Tensor::zeros([pictures.len(), channels, height, width]);
        batch
            .data_mut()
            .par_chunks_exact_mut(channels * height * width)
            .zip(pictures)
            .try_for_each(|(image, picture)| self.apply_into(picture, image))?;
        Ok(batch)
    }

    /// Writes `picture` into one image's slice of a batch: `C * H * W` elements, `[C, H, W]`
    /// row-major.
    ///
    /// # Errors
    /// As [`Preprocessing::apply`], and where `image` is not of that length.
    pub fn apply_into(&self, picture: &RgbImage, image: &mut [f32]) -> Result<()> {
        self.check_for_pictures()?;
        let [channels, height, width] = self.input_size;
        if image.len() != channels * height * width {
            return Err(Error::Inputs(format!(
                "room for {channels}x{height}x{width} = {} elements was expected for a picture; \
                 found room for {}",
                channels * height * width,
                image.len()
            )));
        }
        if picture.as_raw().is_empty() {
            return Err(Error::Inputs(format!(
                "a picture with pixels was expected; found {}x{}",
                picture.width(),
                picture.height()
            )));
        }
        match channels {
            1 => self.fill::<1>(&greyscale(picture), picture.dimensions(), image),
            _ => self.fill::<3>(picture.as_raw(), picture.dimensions(), image),
        }
        Ok(())
    }

    /// Whether these numbers can be used at all: sizes between 1 and [`MAX_SIDE`], one finite mean
    /// and one finite, positive standard deviation a channel, `crop_pct` between 0.01 and 100.
    ///
    /// # Errors
    /// [`Error::Inputs`] naming the key, what was expected and what was found.
    pub fn check(&self) -> Result<()> {
        let fault = |key: &str, expected: &str, found: String| {
            Err(Error::Inputs(format!(
                "{key}: {expected} expected, found {found}"
            )))
        };
        let [channels, height, width] = self.input_size;
        let sides = 1..=MAX_SIDE as usize;
        // 1024 is far beyond any picture's channels and keeps the products below from overflowing.
        if !(1..=1024).contains(&channels) || !sides.contains(&height) || !sides.contains(&width) {
            let expected = format!("[channels up to 1024, height and width up to {MAX_SIDE}]");
            return fault("input_size", &expected, format!("{:?}", self.input_size));
        }
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                let expected = format!("{channels} numbers, one a channel,");
                return fault(key, &expected, format!("{} numbers", values.len()));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return fault(key, "finite numbers", value.to_string());
            }
        }
        if let Some(value) = self.std.iter().find(|&&value| value <= 0.0) {
            return fault("std", "numbers above zero", value.to_string());
        }
        if !(0.01..=100.0).contains(&self.crop_pct) {
            let expected = "a number between 0.01 and 100";
            return fault("crop_pct", expected, self.crop_pct.to_string());
        }
        Ok(())
    }

    /// What the network sees of a picture of `width` by `height`: left, top, right and bottom in the
    /// picture's pixels.
    pub fn seen(&self, width: u32, height: u32) -> [f32; 4] {
        let [_, input_height, input_width] = self.input_size;
        let placement = self.placement(width, height);
        let [x0, y0] = placement.to_picture([0.0, 0.0]);
        let [x1, y1] = placement.to_picture([input_width as f32, input_height as f32]);
        let (right, bottom) = (width as f32, height as f32);
        [x0.max(0.0), y0.max(0.0), x1.min(right), y1.min(bottom)]
    }

    /// Where a picture of `width` by `height` comes to lie in the input, for what is found in the
    /// input to be found in the picture.
    pub fn placement(&self, width: u32, height: u32) -> ImageTransform {
        let [_, to_height, to_width] = self.input_size;
        let from = [width.max(1) as usize, height.max(1) as usize];
        ImageTransform::new(from, [to_width, to_height], self.crop_mode, self.crop_pct)
    }

    /// What each byte of a channel becomes.
    pub(crate) fn normalised(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
    }

    /// The byte that stands where there is no picture.
    pub(crate) fn background(&self, channel: usize) -> u8 {
        match self.crop_mode {
            CropMode::Border => (255.0 * f64::from(self.mean[channel])).round_ties_even() as u8,
            CropMode::Center | CropMode::Squash => 0,
            CropMode::Letterbox => LETTERBOX_GREY,
        }
    }

    /// [`Self::check`], and that the channels are those of pictures.
    pub(crate) fn check_for_pictures(&self) -> Result<()> {
        self.check()?;
        match self.input_size[0] {
            1 | 3 => Ok(()),
            channels => Err(Error::Inputs(format!(
                "a network of 1 or 3 input channels was expected for pictures; this one has \
                 {channels}: give it a tensor instead"
            ))),
        }
    }

    /// Resizes, crops and normalises `C` interleaved channels into `C` planes.
    fn fill<const C: usize>(&self, pixels: &[u8], (width, height): (u32, u32), image: &mut [f32]) {
        let [_, to_height, to_width] = self.input_size;
        let ImageTransform { x, left, y, top } = self.placement(width, height);
        let window = resize_window::<C>(pixels, x, y, self.interpolation);

        for (channel, plane) in image.chunks_exact_mut(to_height * to_width).enumerate() {
            let normalised = self.normalised(channel);
            if x.len < to_width || y.len < to_height {
                plane.fill(normalised[usize::from(self.background(channel))]);
            }
            let rows = plane.chunks_exact_mut(to_width).skip(top);
            for (to, from) in rows.zip(window.chunks_exact(x.len * C)) {
                for (to, pixel) in to[left..].iter_mut().zip(from.as_chunks::<C>().0) {
                    *to = normalised[usize::from(pixel[channel])];
                }
            }
        }
    }
}

/// Luma as Pillow's `convert("L")` rounds it (ITU-R 601-2, 16 fractional bits).
fn greyscale(picture: &RgbImage) -> Vec<u8> {
    let luma = |&[r, g, b]: &[u8; 3]| {
        let [r, g, b] = [r, g, b].map(u32::from);
        ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
    };
    picture.as_raw().as_chunks().0.iter().map(luma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_black_and_borders_are_the_mean() {
        let white = RgbImage::from_pixel(8, 4, image::Rgb([255; 3]));
        let mut preprocessing = Preprocessing {
            input_size: [3, 8, 8],
            mean: vec![0.5, 0.25, 0.75],
            std: vec![0.5; 3],
            crop_pct: 1.0,
            crop_mode: CropMode::Border,
            ..Preprocessing::default()
        };
        let image = preprocessing.apply(&white).unwrap();
        let at = |image: &Tensor, c: usize, y: usize, x: usize| image.data()[(c * 8 + y) * 8 + x];
        // round(255 * 0.5) = 128, round(255 * 0.25) = 64, round(255 * 0.75) = 191
        for (c, (fill, mean)) in [(128.0, 0.5), (64.0, 0.25), (191.0, 0.75)]
            .iter()
            .enumerate()
        {
            assert_eq!(at(&image, c, 1, 3), (fill / 255.0 - mean) / 0.5);
            assert_eq!(at(&image, c, 2, 3), (1.0 - mean) / 0.5);
            assert_eq!(at(&image, c, 5, 3), (1.0 - mean) / 0.5);
            assert_eq!(at(&image, c, 6, 3), (fill / 255.0 - mean) / 0.5);
        }
        preprocessing.crop_mode = CropMode::Center;
        preprocessing.crop_pct = 2.0;
        let image = preprocessing.apply(&white).unwrap();
        assert_eq!(at(&image, 0, 1, 3), (0.0 - 0.5) / 0.5);
        assert_eq!(at(&image, 0, 2, 3), (1.0 - 0.5) / 0.5);
    }

    #[test]
    fn one_channel_is_luma() {
        let red = RgbImage::from_pixel(4, 4, image::Rgb([255, 0, 0]));
        let preprocessing = Preprocessing {
            input_size: [1, 2, 2],
            mean: vec![0.0],
            std: vec![1.0],
            ..Preprocessing::default()
        };
        let image = preprocessing.apply(&red).unwrap();
        assert_eq!(image.shape().dims(), [1, 1, 2, 2]);
        assert!(image.data().iter().all(|&value| value == 76.0 / 255.0));
    }

    #[test]
    fn unusable_numbers_are_named() {
        let message = |change: fn(&mut Preprocessing)| {
            let mut preprocessing = Preprocessing::default();
            change(&mut preprocessing);
            preprocessing
                .apply(&RgbImage::new(2, 2))
                .unwrap_err()
                .to_string()
        };
        assert!(message(|p| p.std[1] = 0.0).starts_with("std: numbers above zero"));
        assert!(message(|p| p.std[1] = f32::NAN).starts_with("std: finite"));
        assert!(message(|p| p.mean.truncate(2)).contains("3 numbers, one a channel"));
        assert!(message(|p| p.input_size[1] = 0).starts_with("input_size"));
        assert!(message(|p| p.crop_pct = f64::NAN).starts_with("crop_pct"));
        let message = message(|p| {
            p.input_size[0] = 2;
            p.mean.truncate(2);
            p.std.truncate(2);
        });
        assert!(message.contains("give it a tensor"), "{message}");
        let empty = Preprocessing::default().apply(&RgbImage::new(0, 3));
        assert!(empty.unwrap_err().to_string().contains("0x3"));
    }
}
