use super::{ScoredBox, corners};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// How boxes lie in an output whose values need no activation: `[N, V, boxes]`, or `[N, boxes, V]` with
/// [`Self::by_box`]. The `V` values of a box are 4 coordinates, an objectness where there is one, and a score for
/// each class, between 0 and 1. A box is of the class with the highest score, which is multiplied with the objectness,
/// as in Ultralytics' programs.
///
/// ```
/// use shadernet::tensor::Tensor;
/// use shadernet::vision::{DecodedBoxes, Head};
///
/// // As YOLOv8 returns boxes: the center and size of each in pixels, then its classes' scores.
/// let head = Head::Decoded(DecodedBoxes { in_pixels: true, ..DecodedBoxes::new(2) });
/// let output = Tensor::new([1, 6, 1], vec![8.0, 16.0, 8.0, 16.0, 0.1, 0.9])?;
/// let boxes = head.decode(&output, [32, 32], 0.5)?;
/// assert_eq!((boxes[0][0].class, boxes[0][0].corners), (1, [0.125, 0.25, 0.375, 0.75]));
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedBoxes {
    /// The number of classes.
    pub classes: usize,
    /// Whether an objectness follows the coordinates.
    pub has_objectness: bool,
    /// Whether the values of a box follow each other.
    pub by_box: bool,
    /// Whether coordinates are left, top, right and bottom; otherwise x and y of the center, width and height.
    pub has_corners: bool,
    /// Whether coordinates are in pixels of the network's input; otherwise they are shares of it.
    pub in_pixels: bool,
}

impl DecodedBoxes {
    /// `[N, 4 + classes, boxes]`, with centers and sizes as shares of the input.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            has_objectness: false,
            by_box: false,
            has_corners: false,
            in_pixels: false,
        }
    }

    /// The number of values of a box.
    fn values(&self) -> usize {
        self.classes
            .saturating_add(4)
            .saturating_add(usize::from(self.has_objectness))
    }

    /// Checks that an output of `shape` can be decoded.
    pub(super) fn check(&self, shape: &Shape) -> Result<()> {
        let values = self.values();
        let fits = self.classes > 0
            && match (shape.dims(), self.by_box) {
                ([_, _, last], true) => *last == values,
                ([_, first, _], false) => *first == values,
                _ => false,
            };
        if fits {
            return Ok(());
        }
        let expected = match self.by_box {
            true => format!("[N, boxes, {values}]"),
            false => format!("[N, {values}, boxes]"),
        };
        let objectness = if self.has_objectness {
            ", objectness"
        } else {
            ""
        };
        Err(Error::Inputs(format!(
            "an output {expected} (4 coordinates{objectness} and {} classes) was expected for boxes, found {shape}",
            self.classes
        )))
    }

    /// The boxes of one image, whose output was checked.
    pub(super) fn boxes(&self, image: &[f32], input: [usize; 2], threshold: f32) -> Vec<ScoredBox> {
        let values = self.values();
        let count = image.len() / values;
        let at = |index: usize, value: usize| match self.by_box {
            true => image[index * values + value],
            false => image[value * count + index],
        };
        let [height, width] = match self.in_pixels {
            true => input.map(|side| side as f32),
            false => [1.0, 1.0],
        };
        let mut boxes = Vec::new();
        for index in 0..count {
            let objectness = match self.has_objectness {
                true => at(index, 4),
                false => 1.0,
            };
            // No class can exceed the threshold where objectness does not.
            if objectness <= threshold || objectness.is_nan() {
                continue;
            }
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| at(index, i));
            let [a, b, c, d] = [a / width, b / height, c / width, d / height];
            let corners = match self.has_corners {
                true => [a, b, c, d],
                false => corners(a, b, c, d),
            };
            let first = values - self.classes;
            let mut class = 0;
            for other in 1..self.classes {
                if at(index, first + other) > at(index, first + class) {
                    class = other;
                }
            }
            let score = objectness * at(index, first + class);
            if score > threshold && !corners.iter().any(|x| x.is_nan()) {
                boxes.push(ScoredBox {
                    class,
                    score,
                    corners,
                });
            }
        }
        boxes
    }
}
