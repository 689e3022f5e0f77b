//! What of a picture a network gets to see, and where in its input that lies.

use std::fmt;
use std::str::FromStr;

use super::resize::Axis;
use crate::error::{Result, UnknownName};

/// What Darknet fills a letterbox with, 0.5.
pub(super) const LETTERBOX_GREY: u8 = 128;

/// What of the picture a network gets to see, by timm's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CropMode {
    /// The shorter side is scaled to the input over `crop_pct` and the centre cut out: the aspect
    /// ratio is kept, the ends of the longer side are lost.
    #[default]
    Center,
    /// Each side is scaled to the input over `crop_pct` and the centre cut out: the aspect ratio
    /// is lost, nothing of the picture where `crop_pct` is 1.
    Squash,
    /// The longer side is scaled to the input over `crop_pct`; what is missing is filled with the
    /// mean: neither the aspect ratio nor, where `crop_pct` is 1, anything of the picture is lost.
    Border,
    /// As Darknet's detectors see it, no name of timm's: the longer side is scaled to the input, what
    /// is missing is filled with grey 128. `crop_pct` counts for nothing.
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

/// Where a picture lies in a network's input; see [`super::Preprocessing::placement`].
///
/// ```
/// use shadernet::vision::{CropMode, Preprocessing};
///
/// let preprocessing = Preprocessing {
///     input_size: [3, 416, 416],
///     crop_mode: CropMode::Letterbox,
///     ..Preprocessing::default()
/// };
/// // 600 x 400 becomes 416 x 277, with 69 rows of grey above.
/// let placement = preprocessing.placement(600, 400);
/// assert_eq!(placement.to_picture([0.0, 69.0]), [0.0, 0.0]);
/// assert_eq!(placement.to_picture([416.0, 346.0]), [600.0, 400.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ImageTransform {
    pub(crate) x: Axis,
    /// Columns of padding before the picture.
    pub(crate) left: usize,
    pub(crate) y: Axis,
    /// Rows of padding above the picture.
    pub(crate) top: usize,
}

impl ImageTransform {
    /// Sizes are width and height.
    pub(super) fn new(from: [usize; 2], to: [usize; 2], mode: CropMode, crop_pct: f64) -> Self {
        let (width, height) = resized(from, to, mode, crop_pct);
        let (x, left) = center(from[0], width, to[0]);
        let (y, top) = center(from[1], height, to[1]);
        Self { x, left, y, top }
    }

    /// The point of the picture, in its pixels, that lies at a point of the input, in the input's:
    /// 0, 0 is the top left corner of the first pixel. What lies in the padding is outside the
    /// picture.
    pub fn to_picture(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let along = |at: f32, axis: Axis, padding: usize| {
            let resized = f64::from(at) - padding as f64 + axis.start as f64;
            (resized * axis.from as f64 / axis.to as f64) as f32
        };
        [along(x, self.x, self.left), along(y, self.y, self.top)]
    }

    /// The point of the input, in its pixels, at which a point of the picture lies: the inverse of
    /// [`Self::to_picture`]. What the crop cut off is outside the input.
    pub fn to_input(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let along = |at: f32, axis: Axis, padding: usize| {
            let resized = f64::from(at) * axis.to as f64 / axis.from as f64;
            (resized - axis.start as f64 + padding as f64) as f32
        };
        [along(x, self.x, self.left), along(y, self.y, self.top)]
    }
}

/// The width and height that a picture is resized to before the crop.
fn resized(
    [width, height]: [usize; 2],
    [to_width, to_height]: [usize; 2],
    mode: CropMode,
    crop_pct: f64,
) -> (usize, usize) {
    let scale = |side: usize| ((side as f64 / crop_pct).floor() as usize).max(1);
    let (scale_width, scale_height) = (scale(to_width), scale(to_height));
    // timm's ResizeKeepRatio.
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
        // torchvision's Resize of the shorter side, which rounds the longer one down.
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

/// torchvision's `center_crop` along one axis: the part of the resized picture that is seen, and
/// how many elements of padding stand before it.
fn center(from: usize, resized: usize, to: usize) -> (Axis, usize) {
    // Python's `round` takes halves to the even neighbour.
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
        // The longer side is filled: 640 to 256, and 427 / 2.5 = 170.8.
        assert_eq!(resized(Border, [224, 224], 0.875, 640, 427), [256, 171]);
        // The scale that covers 128x256 (height x width): 427 / 256 < 640 / 512.
        assert_eq!(resized(Center, [128, 256], 0.5, 640, 427), [512, 342]);
        // A crop_pct above one pads.
        assert_eq!(resized(Center, [224, 224], 1.15, 100, 100), [194, 194]);
        // A sliver stays a pixel wide.
        assert_eq!(resized(Border, [224, 224], 1.0, 1, 16_384), [1, 224]);
    }

    #[test]
    fn letterboxes_are_darknets() {
        let size = |w, h| resized(CropMode::Letterbox, [416, 416], 0.5, w, h);
        assert_eq!(size(600, 400), [416, 277]);
        assert_eq!(size(400, 600), [277, 416]);
        assert_eq!(size(16_384, 1), [416, 1]);
        assert_eq!(size(1, 1), [416, 416]);
        let place = |w, h| ImageTransform::new([w, h], [416, 416], CropMode::Letterbox, 1.0);
        let tall = place(400, 600);
        assert_eq!(
            (tall.left, tall.top, tall.x.len, tall.y.len),
            (69, 0, 277, 416)
        );
        assert_eq!(tall.to_picture([69.0 + 277.0, 0.0]), [400.0, 0.0]);
        assert!(tall.to_picture([0.0, 0.0])[0] < -99.0);
        assert_eq!(place(1, 1).to_picture([208.0, 104.0]), [0.5, 0.25]);
    }

    #[test]
    fn into_the_input_is_back_from_the_picture() {
        for (_, mode) in CropMode::ALL {
            for crop_pct in [0.875, 1.0, 1.5] {
                for from in [[640, 427], [300, 451], [1, 1], [7, 900]] {
                    let place = ImageTransform::new(from, [224, 192], mode, crop_pct);
                    for at in [[0.0, 0.0], [0.5, 0.75], [100.0, 33.5], [-20.0, 250.0]] {
                        let back = place.to_input(place.to_picture(at));
                        let near = (back.iter().zip(at)).all(|(a, b)| (a - b).abs() < 1e-3);
                        assert!(near, "{mode} {crop_pct} {from:?}: {at:?} to {back:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn centres_are_rounded_to_even() {
        let at = |resized, to| {
            let (axis, padding) = center(100, resized, to);
            (axis.start, axis.len, padding)
        };
        assert_eq!(at(227, 224), (2, 224, 0)); // round(1.5)
        assert_eq!(at(229, 224), (2, 224, 0)); // round(2.5)
        assert_eq!(at(219, 224), (0, 219, 2)); // 5 // 2 before, 3 after
    }
}
