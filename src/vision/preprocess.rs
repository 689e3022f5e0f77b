//! From an image to a network's input, as timm's evaluation transform: resize, crop, normalize.

use image::RgbImage;
use rayon::prelude::*;

use super::channel_order::ChannelOrder;
use super::crop::{CropMode, ImageTransform, LETTERBOX_GRAY, bounding_window};
use super::crops::Crops;
use super::image_limits::MAX_SIDE;
use super::resize::{Axis, Interpolation, resize_window};
use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};
use crate::util::memory::check_memory;

/// How an image becomes a network's input: the keys of timm's `pretrained_cfg`, with timm's defaults.
///
/// The result equals that of timm's `create_transform(is_training=False)` on the same RGB pixels, up
/// to float32 rounding: sizes and offsets are rounded as in torchvision, pixels as in Pillow.
///
/// The fields are plain data, as they are in `config.json`; [`Self::check`] validates them, and every
/// method that uses them returns its error.
///
/// ```
/// use shadernet::vision::{CropMode, Preprocessing};
///
/// let preprocessing = Preprocessing {
///     input_size: [3, 64, 96],
///     crop_mode: CropMode::Border,
///     ..Preprocessing::default()
/// };
/// let images = vec![image::RgbImage::new(200, 100), image::RgbImage::new(30, 40)];
/// let batch = preprocessing.batch(&images)?;
/// assert_eq!(batch.shape().dims(), [2, 3, 64, 96]);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// Channels, height and width. Default: `[3, 224, 224]`. One channel is grayscale (Pillow's `L`).
    pub input_size: [usize; 3],
    /// The order of the channels. `mean` and `std` are in this order. Default: red, green, blue.
    pub channel_order: ChannelOrder,
    /// Subtracted from each channel, whose values are between 0 and 1. Default: ImageNet's mean.
    pub mean: Vec<f32>,
    /// Each channel is then divided by this. Default: ImageNet's standard deviation.
    pub std: Vec<f32>,
    /// The resampling filter. Default: bicubic.
    pub interpolation: Interpolation,
    /// The input's side as a share of the resized image's. Default: 0.875. Above 1 the image is padded.
    pub crop_pct: f64,
    /// How the image is resized and cropped. Default: its center.
    pub crop_mode: CropMode,
}

impl Default for Preprocessing {
    fn default() -> Self {
        Self {
            input_size: [3, 224, 224],
            channel_order: ChannelOrder::default(),
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
            interpolation: Interpolation::default(),
            crop_pct: 0.875,
            crop_mode: CropMode::default(),
        }
    }
}

impl Preprocessing {
    /// `image` as a tensor `[1, C, H, W]`.
    ///
    /// # Errors
    /// [`Error::Inputs`] where [`Preprocessing::check`] fails, the number of channels is neither 1 nor 3,
    /// or `image` has no pixels.
    pub fn apply(&self, image: &RgbImage) -> Result<Tensor> {
        self.batch(std::slice::from_ref(image))
    }

    /// `images` as a tensor `[N, C, H, W]`; their sizes may differ.
    ///
    /// # Errors
    /// As [`Preprocessing::apply`], for any of the images.
    pub fn batch(&self, images: &[RgbImage]) -> Result<Tensor> {
        let mut batch = self.empty_batch(images.len())?;
        batch
            .data_mut()
            .par_chunks_exact_mut(self.input_size.iter().product())
            .zip(images)
            .try_for_each(|(output, image)| self.apply_into(image, output))?;
        Ok(batch)
    }

    /// Several crops of `image` as a batch `[V, C, H, W]`, in the order of `crops`. That of the center has the bits of
    /// [`Self::apply`].
    ///
    /// # Errors
    /// As [`Self::apply`], and those of [`Self::check_crops`].
    pub fn apply_crops(&self, image: &RgbImage, crops: Crops) -> Result<Tensor> {
        self.check_crops(crops)?;
        let mut batch = self.empty_batch(crops.count())?;
        self.apply_crops_into(image, crops, batch.data_mut())?;
        Ok(batch)
    }

    /// Checks that `crops` are different parts of an image.
    ///
    /// # Errors
    /// [`Error::Inputs`] for several crops where the preprocessing shows the whole image, so that all would be equal:
    /// [`CropMode::Letterbox`], and with a `crop_pct` of 1 or more [`CropMode::Squash`] and [`CropMode::Border`]; for
    /// the corners of the central square, also where the network sees that square, with such a `crop_pct`.
    pub fn check_crops(&self, crops: Crops) -> Result<()> {
        let is_whole = match self.crop_mode {
            CropMode::Center => crops.are_central() && self.crop_pct >= 1.0,
            CropMode::Letterbox => true,
            CropMode::Squash | CropMode::Border => self.crop_pct >= 1.0,
        };
        match crops.are_several() && is_whole {
            false => Ok(()),
            true => Err(Error::Inputs(format!(
                "all crops of an image would be equal, because the network sees whole images or their central square \
                 (crop_mode {}, crop_pct {}): use one crop, with its mirror image if it helps",
                self.crop_mode, self.crop_pct
            ))),
        }
    }

    /// Zeros for a batch of `count` images.
    fn empty_batch(&self, count: usize) -> Result<Tensor> {
        self.check()?;
        let [channels, height, width] = self.input_size;
        let shape = Shape::from([count, channels, height, width]);
        let bytes = (shape.len() as u64).saturating_mul(4);
        check_memory(format_args!("an input of {width}x{height} pixels"), bytes)?;
        Ok(Tensor::zeros(shape))
    }

    /// Writes `image` to `output`, one image's slice of a batch: `[C, H, W]`, row-major.
    ///
    /// # Errors
    /// As [`Preprocessing::apply`], and where `output` does not have `C * H * W` elements.
    pub fn apply_into(&self, image: &RgbImage, output: &mut [f32]) -> Result<()> {
        self.check_for_images()?;
        let [channels, height, width] = self.input_size;
        if output.len() != channels * height * width {
            return Err(Error::Inputs(format!(
                "an output of {channels}x{height}x{width} = {} elements was expected for an image; \
                 found {}",
                channels * height * width,
                output.len()
            )));
        }
        self.apply_crops_into(image, Crops::ONE, output)
    }

    /// Writes the crops of `image` to `output`, which has their number of elements.
    fn apply_crops_into(&self, image: &RgbImage, crops: Crops, output: &mut [f32]) -> Result<()> {
        self.check_for_images()?;
        if image.as_raw().is_empty() {
            return Err(Error::Inputs(format!(
                "an image with pixels was expected; found {}x{}",
                image.width(),
                image.height()
            )));
        }
        let windows = crops.windows(self.image_transform(image.width(), image.height()));
        let len = output.len() / crops.count() * windows.len();
        let (output, mirror_images) = output.split_at_mut(len);
        match self.input_size[0] {
            1 => self.fill::<1>(&grayscale(image), &windows, output),
            _ => self.fill::<3>(image.as_raw(), &windows, output),
        }
        if crops.has_mirror_images() {
            mirror_images.copy_from_slice(output);
            let rows = mirror_images.chunks_exact_mut(self.input_size[2]);
            rows.for_each(<[f32]>::reverse);
        }
        Ok(())
    }

    /// Checks the values: sizes between 1 and [`MAX_SIDE`], one finite mean and one finite, positive
    /// standard deviation per channel that normalize pixels within float16's range, `crop_pct` between 0.01
    /// and 100.
    ///
    /// # Errors
    /// [`Error::Inputs`] with the key, the expected and the actual value.
    pub fn check(&self) -> Result<()> {
        let fault = |key: &str, expected: &str, found: String| {
            Err(Error::Inputs(format!(
                "{key}: {expected} expected, found {found}"
            )))
        };
        let [channels, height, width] = self.input_size;
        let sides = 1..=MAX_SIDE as usize;
        // 1024 channels are far more than any image has, and keep products of the sizes from overflowing.
        if !(1..=1024).contains(&channels) || !sides.contains(&height) || !sides.contains(&width) {
            let expected = format!("[channels up to 1024, height and width up to {MAX_SIDE}]");
            return fault("input_size", &expected, format!("{:?}", self.input_size));
        }
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                let expected = format!("{channels} numbers, one per channel,");
                return fault(key, &expected, format!("{} numbers", values.len()));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return fault(key, "finite numbers", value.to_string());
            }
        }
        if let Some(value) = self.std.iter().find(|&&value| value <= 0.0) {
            return fault("std", "numbers above zero", value.to_string());
        }
        // A network may run in float16, beyond whose range its input would be infinite.
        let largest = f32::from(half::f16::MAX);
        for (mean, std) in self.mean.iter().zip(&self.std) {
            let normalized = [0.0, 1.0].map(|value| (value - mean) / std);
            // Also for NaN.
            if !normalized.iter().all(|value| value.abs() <= largest) {
                let expected =
                    format!("values that normalize pixels to at most {largest}, float16's range,");
                let found = format!("{std}, with a mean of {mean}, which give {normalized:?}");
                return fault("std", &expected, found);
            }
        }
        if !(0.01..=100.0).contains(&self.crop_pct) {
            let expected = "a number between 0.01 and 100";
            return fault("crop_pct", expected, self.crop_pct.to_string());
        }
        Ok(())
    }

    /// The region of an image of `width` by `height` that the network sees: left, top, right and bottom in
    /// the image's pixels.
    pub fn seen(&self, width: u32, height: u32) -> [f32; 4] {
        let [_, input_height, input_width] = self.input_size;
        let transform = self.image_transform(width, height);
        let [x0, y0] = transform.to_image([0.0, 0.0]);
        let [x1, y1] = transform.to_image([input_width as f32, input_height as f32]);
        let (right, bottom) = (width as f32, height as f32);
        [x0.max(0.0), y0.max(0.0), x1.min(right), y1.min(bottom)]
    }

    /// The transform between the pixels of an image of `width` by `height` and those of the input.
    pub fn image_transform(&self, width: u32, height: u32) -> ImageTransform {
        let [_, to_height, to_width] = self.input_size;
        let from = [width.max(1) as usize, height.max(1) as usize];
        ImageTransform::new(from, [to_width, to_height], self.crop_mode, self.crop_pct)
    }

    /// The normalized value of each byte value in a channel.
    pub(crate) fn normalization_table(&self, channel: usize) -> [f32; 256] {
        let (mean, std) = (self.mean[channel], self.std[channel]);
        std::array::from_fn(|value| (value as f32 / 255.0 - mean) / std)
    }

    /// The byte with which padding is filled.
    pub(crate) fn padding_byte(&self, channel: usize) -> u8 {
        match self.crop_mode {
            CropMode::Border => (255.0 * f64::from(self.mean[channel])).round_ties_even() as u8,
            CropMode::Center | CropMode::Squash => 0,
            CropMode::Letterbox => LETTERBOX_GRAY,
        }
    }

    /// [`Self::check`], and checks that the number of channels is that of an image.
    pub(crate) fn check_for_images(&self) -> Result<()> {
        self.check()?;
        match self.input_size[0] {
            1 | 3 => Ok(()),
            channels => Err(Error::Inputs(format!(
                "a network with 1 or 3 input channels was expected for images; this one has \
                 {channels}: pass a tensor instead"
            ))),
        }
    }

    /// Resizes an image of `C` interleaved channels, and normalizes each of `windows` into `C` planes.
    fn fill<const C: usize>(&self, pixels: &[u8], windows: &[ImageTransform], output: &mut [f32]) {
        let len = output.len() / windows.len().max(1);
        let pixels_of = |x: Axis, y: Axis| x.len * y.len;
        let (x, y) = bounding_window(windows);
        // Pixels of several windows are resized once, unless there are more between them, as in a panorama.
        let separately: usize = windows
            .iter()
            .map(|window| pixels_of(window.x, window.y))
            .sum();
        if pixels_of(x, y) > separately {
            for (window, output) in windows.iter().zip(output.chunks_exact_mut(len)) {
                self.fill::<C>(pixels, std::slice::from_ref(window), output);
            }
            return;
        }
        let resized = resize_window::<C>(pixels, x, y, self.interpolation);
        for (window, output) in windows.iter().zip(output.chunks_exact_mut(len)) {
            let first = (window.y.start - y.start) * x.len + window.x.start - x.start;
            self.normalize::<C>(&resized[first * C..], x.len * C, window, output);
        }
    }

    /// Normalizes the window that begins with the first of `pixels`, in rows `stride` bytes apart.
    fn normalize<const C: usize>(
        &self,
        pixels: &[u8],
        stride: usize,
        &ImageTransform { x, left, y, top }: &ImageTransform,
        output: &mut [f32],
    ) {
        let [_, to_height, to_width] = self.input_size;
        for (channel, plane) in output.chunks_exact_mut(to_height * to_width).enumerate() {
            let table = self.normalization_table(channel);
            let source = self.channel_order.source(channel, C);
            if x.len < to_width || y.len < to_height {
                plane.fill(table[usize::from(self.padding_byte(channel))]);
            }
            let rows = plane.chunks_exact_mut(to_width).skip(top).take(y.len);
            for (to, from) in rows.zip(pixels.chunks(stride)) {
                let from = from.as_chunks::<C>().0.iter().take(x.len);
                for (to, pixel) in to[left..].iter_mut().zip(from) {
                    *to = table[usize::from(pixel[source])];
                }
            }
        }
    }
}

/// Luma as Pillow's `convert("L")` rounds it (ITU-R 601-2, 16 fractional bits).
fn grayscale(image: &RgbImage) -> Vec<u8> {
    let luma = |&[r, g, b]: &[u8; 3]| {
        let [r, g, b] = [r, g, b].map(u32::from);
        ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16) as u8
    };
    image.as_raw().as_chunks().0.iter().map(luma).collect()
}

#[cfg(test)]
mod tests;
