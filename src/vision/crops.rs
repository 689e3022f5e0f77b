//! The parts of an image that a network sees at test time, over which predictions are averaged.

use std::fmt;
use std::str::FromStr;

use super::crop::ImageTransform;
use super::resize::Axis;
use crate::error::{Result, UnknownName};

/// Crops of an image, all of the network's input size and cut from the same resized image: the one from which
/// [`super::Preprocessing::apply`] cuts its single crop. With [`Self::with_flip`], each also as its mirror image.
///
/// | crops | positions | source |
/// | --- | --- | --- |
/// | [`Self::ONE`] | the center | – |
/// | [`Self::FIVE`] | corners and center of the central square | as the next |
/// | [`Self::TEN`] | these and their mirror images | AlexNet: Krizhevsky et al. 2012, sections 2 and 4.1 |
/// | [`Self::GRID`] | a regular grid of 5 × 5, from edge to edge of the image | VGG's multi-crop evaluation: Simonyan and Zisserman 2015, section 3.2, which also has the mirror images |
///
/// The central square is the largest part of the resized image that has the shape of the network's input, a square for
/// most. The corners of torchvision's `TenCrop` are those of the whole resized image, where less of the subject is.
/// Along a side on which the resized image is no larger than the input, all crops are at the same place: the center, with
/// the preprocessing's padding.
///
/// ```
/// use shadernet::vision::{Crops, Preprocessing};
///
/// let image = image::RgbImage::new(500, 375);
/// let views = Preprocessing::default().apply_crops(&image, Crops::TEN)?;
/// assert_eq!(views.shape().dims(), [10, 3, 224, 224]);
///
/// assert_eq!("10".parse::<Crops>()?, Crops::FIVE.with_flip());
/// assert_eq!(Crops::GRID.with_flip().count(), 50);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crops {
    positions: Positions,
    flip: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Positions {
    Center,
    CornersAndCenter,
    Grid,
}

/// How far a crop is from the left or upper edge, in parts of [`LAST`] of the way to the opposite edge.
const MIDDLE: usize = LAST / 2;
/// At the opposite edge. A grid has this number of steps.
const LAST: usize = 4;

impl Crops {
    /// The center.
    pub const ONE: Self = Self::at(Positions::Center);
    /// The four corners, row by row, and the center.
    pub const FIVE: Self = Self::at(Positions::CornersAndCenter);
    /// [`Self::FIVE`], then their mirror images.
    pub const TEN: Self = Self::FIVE.with_flip();
    /// A grid of 5 × 5, row by row.
    pub const GRID: Self = Self::at(Positions::Grid);

    const NAMED: [(&str, Self); 4] = [
        ("1", Self::ONE),
        ("5", Self::FIVE),
        ("10", Self::TEN),
        ("grid", Self::GRID),
    ];

    const fn at(positions: Positions) -> Self {
        Self {
            positions,
            flip: false,
        }
    }

    /// These, then the mirror image of each (left and right exchanged). Changes nothing where they have them.
    pub const fn with_flip(self) -> Self {
        Self { flip: true, ..self }
    }

    /// The number of views of an image.
    pub fn count(self) -> usize {
        self.positions().len() * if self.flip { 2 } else { 1 }
    }

    /// Whether the second half of the views are the mirror images of the first.
    pub(super) fn has_mirror_images(self) -> bool {
        self.flip
    }

    /// Whether the crops, mirror images aside, are at several places.
    pub(super) fn are_several(self) -> bool {
        self.positions != Positions::Center
    }

    /// Whether the crops are within the central square.
    pub(super) fn are_central(self) -> bool {
        self.positions != Positions::Grid
    }

    /// The window of the resized image that each crop is, where `center` is that of the center.
    pub(super) fn windows(self, center: ImageTransform) -> Vec<ImageTransform> {
        let ImageTransform { x, y, .. } = center;
        let [width, height] = match self.are_central() {
            true if x.to * y.len <= y.to * x.len => [x.to, y.len * x.to / x.len.max(1)],
            true => [x.len * y.to / y.len.max(1), y.to],
            false => [x.to, y.to],
        };
        // As torchvision rounds the center's. The window cannot move where the image is padded.
        let part =
            |of: usize, part: usize| (of as f64 * part as f64 / LAST as f64).round_ties_even();
        let at = |axis: Axis, extent: usize, position: usize| Axis {
            start: match position {
                MIDDLE => axis.start,
                _ => {
                    part(axis.to - extent, MIDDLE) as usize
                        + part(extent - axis.len, position) as usize
                }
            },
            ..axis
        };
        let windows = self.positions().into_iter();
        windows
            .map(|[row, column]| ImageTransform {
                x: at(x, width, column),
                y: at(y, height, row),
                ..center
            })
            .collect()
    }

    /// The rows and columns of the crops, in parts of [`LAST`].
    fn positions(self) -> Vec<[usize; 2]> {
        match self.positions {
            Positions::Center => vec![[MIDDLE; 2]],
            Positions::CornersAndCenter => {
                vec![[0, 0], [0, LAST], [LAST, 0], [LAST, LAST], [MIDDLE; 2]]
            }
            Positions::Grid => (0..=LAST)
                .flat_map(|row| (0..=LAST).map(move |column| [row, column]))
                .collect(),
        }
    }
}

impl Default for Crops {
    /// [`Self::ONE`].
    fn default() -> Self {
        Self::ONE
    }
}

impl FromStr for Crops {
    type Err = UnknownName;

    /// Parses `1`, `5`, `10` or `grid`.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let found = Self::NAMED.iter().find(|(known, _)| *known == name);
        found
            .map(|&(_, crops)| crops)
            .ok_or_else(|| UnknownName::new("crops", name, Self::NAMED.map(|(name, _)| name)))
    }
}

impl fmt::Display for Crops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = match self.positions {
            Positions::Center => "1",
            Positions::CornersAndCenter if self.flip => return f.write_str("10"),
            Positions::CornersAndCenter => "5",
            Positions::Grid => "grid",
        };
        let flip = if self.flip { " with mirror images" } else { "" };
        write!(f, "{plain}{flip}")
    }
}

#[cfg(test)]
mod tests;
