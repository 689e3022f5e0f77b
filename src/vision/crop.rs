//! Crop modes, and the transform between an image and a network's input.

use std::fmt;
use std::str::FromStr;

use super::resize::Axis;
use crate::error::{Result, UnknownName};

/// The byte with which Darknet pads a letterboxed image: 0.5.
pub(super) const LETTERBOX_GRAY: u8 = 128;

/// How an image is resized and cropped to the network's input. The names are timm's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CropMode {
    /// The shorter side is scaled to the input's side divided by `crop_pct`, then the center is
    /// cropped. The aspect ratio is kept; the ends of the longer side are lost.
    #[default]
    Center,
    /// Each side is scaled to the input's side divided by `crop_pct`, then the center is cropped. The
    /// aspect ratio is lost; with a `crop_pct` of 1 the whole image is visible.
    Squash,
    /// The longer side is scaled to the input's side divided by `crop_pct`; the rest is padded with
    /// the mean. The aspect ratio is kept; with a `crop_pct` of 1 the whole image is visible.
    Border,
    /// The letterbox of Darknet's detectors (not one of timm's modes): the longer side is scaled to the
    /// input, the rest is padded with gray 128. `crop_pct` is ignored.
    Letterbox,
}

impl CropMode {
    const ALL: [(&str, Self); 4] = [
        ("center", Self::Center),
        ("squash", Self::Squash),
        ("border", Self::Border),
        ("letterbox", Self::Letterbox),
    ];
}

impl FromStr for CropMode {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known
            .map(|&(_, this)| this)
            .ok_or_else(|| UnknownName::new("crop mode", name, Self::ALL.map(|(name, _)| name)))
    }
}

impl fmt::Display for CropMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, this)| this == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The transform between the pixels of an image and those of a network's input; see
/// [`super::Preprocessing::image_transform`].
///
/// ```
/// use shadernet::vision::{CropMode, Preprocessing};
///
/// let preprocessing = Preprocessing {
///     input_size: [3, 416, 416],
///     crop_mode: CropMode::Letterbox,
///     ..Preprocessing::default()
/// };
/// // 600 x 400 becomes 416 x 277, with 69 rows of gray padding above.
/// let transform = preprocessing.image_transform(600, 400);
/// assert_eq!(transform.to_image([0.0, 69.0]), [0.0, 0.0]);
/// assert_eq!(transform.to_image([416.0, 346.0]), [600.0, 400.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ImageTransform {
    pub(crate) x: Axis,
    /// Columns of padding left of the image.
    pub(crate) left: usize,
    pub(crate) y: Axis,
    /// Rows of padding above the image.
    pub(crate) top: usize,
}

impl ImageTransform {
    /// From an image of size `from` to an input of size `to`, both `[width, height]`.
    pub(super) fn new(from: [usize; 2], to: [usize; 2], mode: CropMode, crop_pct: f64) -> Self {
        let (width, height) = resized(from, to, mode, crop_pct);
        let (x, left) = center(from[0], width, to[0]);
        let (y, top) = center(from[1], height, to[1]);
        Self { x, left, y, top }
    }

    /// Maps a point of the input to the image. Both are in pixels: 0, 0 is the top left corner of the
    /// first pixel. A point in the padding is mapped outside the image.
    pub fn to_image(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let along = |at: f32, axis: Axis, padding: usize| {
            let resized = f64::from(at) - padding as f64 + axis.start as f64;
            (resized * axis.from as f64 / axis.to as f64) as f32
        };
        [along(x, self.x, self.left), along(y, self.y, self.top)]
    }

    /// Maps a point of the image to the input, both in pixels: the inverse of [`Self::to_image`]. A
    /// point that was cropped away is mapped outside the input.
    pub fn to_input(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let along = |at: f32, axis: Axis, padding: usize| {
            let resized = f64::from(at) * axis.to as f64 / axis.from as f64;
            (resized - axis.start as f64 + padding as f64) as f32
        };
        [along(x, self.x, self.left), along(y, self.y, self.top)]
    }
}

/// The smallest window that contains those of `transforms` of one image. Empty where there are none.
pub(super) fn bounding_window(transforms: &[ImageTransform]) -> (Axis, Axis) {
    let along = |axis: fn(&ImageTransform) -> Axis| {
        let axes = || transforms.iter().map(axis);
        let start = axes().map(|axis| axis.start).min().unwrap_or(0);
        let end = axes().map(|axis| axis.start + axis.len).max().unwrap_or(0);
        let size = |side: fn(Axis) -> usize| axes().next().map_or(0, side);
        Axis {
            from: size(|axis| axis.from),
            to: size(|axis| axis.to),
            start,
            len: end - start,
        }
    };
    (
        along(|transform| transform.x),
        along(|transform| transform.y),
    )
}

/// The width and height to which an image is resized before it is cropped.
fn resized(
    [width, height]: [usize; 2],
    [to_width, to_height]: [usize; 2],
    mode: CropMode,
    crop_pct: f64,
) -> (usize, usize) {
    let scale = |side: usize| ((side as f64 / crop_pct).floor() as usize).max(1);
    let (scale_width, scale_height) = (scale(to_width), scale(to_height));
    // As timm's `ResizeKeepRatio`.
    let keep_ratio = |pick: fn(f64, f64) -> f64| {
        let ratio = pick(
            height as f64 / scale_height as f64,
            width as f64 / scale_width as f64,
        );
        let side = |side: usize| ((side as f64 / ratio).round_ties_even() as usize).max(1);
        (side(width), side(height))
    };
    match mode {
        CropMode::Squash => (scale_width, scale_height),
        CropMode::Border => keep_ratio(f64::max),
        // torchvision's `Resize` of the shorter side, which rounds the longer one down.
        CropMode::Center if scale_width == scale_height => {
            let longer = scale_width * width.max(height) / width.min(height);
            if width <= height {
                (scale_width, longer)
            } else {
                (longer, scale_width)
            }
        }
        CropMode::Center => keep_ratio(f64::min),
        // Darknet's `letterbox_image`, which rounds down.
        CropMode::Letterbox if to_width * height < to_height * width => {
            (to_width, (height * to_width / width).max(1))
        }
        CropMode::Letterbox => ((width * to_height / height).max(1), to_height),
    }
}

/// torchvision's `center_crop` along one axis: the part of the resized image that is visible, and
/// the number of padding elements before it.
fn center(from: usize, resized: usize, to: usize) -> (Axis, usize) {
    // Python's `round` rounds halves to even.
    let start = (resized.saturating_sub(to) as f64 / 2.0).round_ties_even() as usize;
    let axis = Axis {
        from,
        to: resized,
        start,
        len: resized.min(to),
    };
    (axis, to.saturating_sub(resized) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resized(mode: CropMode, input: [usize; 2], crop_pct: f64, w: usize, h: usize) -> [usize; 2] {
        let (width, height) = super::resized([w, h], [input[1], input[0]], mode, crop_pct);
        [width, height]
    }

    #[test]
    fn sizes_are_rounded_as_timm_rounds_them() {
        use CropMode::{Border, Center, Squash};
        // int(256 * 451 / 300)
        assert_eq!(resized(Center, [224, 224], 0.875, 451, 300), [384, 256]);
        assert_eq!(resized(Center, [224, 224], 0.875, 300, 451), [256, 384]);
        // floor(224 / 0.95) = 235; floor(235 * 640 / 427) = 352
        assert_eq!(resized(Center, [224, 224], 0.95, 640, 427), [352, 235]);
        assert_eq!(resized(Squash, [224, 192], 0.9, 640, 427), [213, 248]);
        // The longer side is scaled from 640 to 256; 427 / 2.5 = 170.8.
        assert_eq!(resized(Border, [224, 224], 0.875, 640, 427), [256, 171]);
        // The scale that covers 128x256 (height x width): 427 / 256 < 640 / 512.
        assert_eq!(resized(Center, [128, 256], 0.5, 640, 427), [512, 342]);
        // A crop_pct above one pads the image.
        assert_eq!(resized(Center, [224, 224], 1.15, 100, 100), [194, 194]);
        // A very narrow image stays one pixel wide.
        assert_eq!(resized(Border, [224, 224], 1.0, 1, 16_384), [1, 224]);
    }

    #[test]
    fn letterboxes_match_darknet() {
        let size = |w, h| resized(CropMode::Letterbox, [416, 416], 0.5, w, h);
        assert_eq!(size(600, 400), [416, 277]);
        assert_eq!(size(400, 600), [277, 416]);
        assert_eq!(size(16_384, 1), [416, 1]);
        assert_eq!(size(1, 1), [416, 416]);
        let transform = |w, h| ImageTransform::new([w, h], [416, 416], CropMode::Letterbox, 1.0);
        let tall = transform(400, 600);
        assert_eq!(
            (tall.left, tall.top, tall.x.len, tall.y.len),
            (69, 0, 277, 416)
        );
        assert_eq!(tall.to_image([69.0 + 277.0, 0.0]), [400.0, 0.0]);
        assert!(tall.to_image([0.0, 0.0])[0] < -99.0);
        assert_eq!(transform(1, 1).to_image([208.0, 104.0]), [0.5, 0.25]);
    }

    #[test]
    fn to_input_inverts_to_image() {
        for (_, mode) in CropMode::ALL {
            for crop_pct in [0.875, 1.0, 1.5] {
                for from in [[640, 427], [300, 451], [1, 1], [7, 900]] {
                    let transform = ImageTransform::new(from, [224, 192], mode, crop_pct);
                    for at in [[0.0, 0.0], [0.5, 0.75], [100.0, 33.5], [-20.0, 250.0]] {
                        let back = transform.to_input(transform.to_image(at));
                        let near = (back.iter().zip(at)).all(|(a, b)| (a - b).abs() < 1e-3);
                        assert!(near, "{mode} {crop_pct} {from:?}: {at:?} to {back:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn centers_are_rounded_to_even() {
        let at = |resized, to| {
            let (axis, padding) = center(100, resized, to);
            (axis.start, axis.len, padding)
        };
        assert_eq!(at(227, 224), (2, 224, 0)); // round(1.5)
        assert_eq!(at(229, 224), (2, 224, 0)); // round(2.5)
        assert_eq!(at(219, 224), (0, 219, 2)); // 5 // 2 before, 3 after
    }
}
