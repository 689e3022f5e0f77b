//! Decodes the outputs of detectors to boxes.

mod decoded;

use super::boxes::ScoredBox;
use super::top_k::softmax;
use crate::error::{Error, Result};
use crate::tensor::{Shape, Tensor};
pub use decoded::DecodedBoxes;

/// How boxes are decoded from one output of a network. Variants are named after Darknet's sections, but for
/// [`Self::Decoded`].
///
/// All of Darknet's split the image into a grid; each cell predicts the boxes whose center lies in it.
/// Anchors are typical box sizes, width and height, which the network scales.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Head {
    /// YOLOv1 (Redmon et al. 2016, "You only look once"; Darknet's `detection_layer.c`): `[N, F]`
    /// with `F = side² (classes + boxes (1 + 4))`: first every cell's class scores, then every
    /// box's confidence, then every box's `x, y, w, h`. The center is in cells, relative to the cell's
    /// corner; the size is a share of the image. A box's score is its confidence times the class score.
    Detection {
        /// Cells along either side.
        side: usize,
        /// Boxes per cell.
        boxes: usize,
        /// The number of classes.
        classes: usize,
        /// Whether the network predicts the square roots of width and height.
        sqrt: bool,
        /// Whether a softmax is to be applied to the class scores.
        softmax: bool,
    },
    /// YOLOv2 (Redmon and Farhadi 2017, "YOLO9000"; Darknet's `region_layer.c`): a map
    /// `[N, anchors (5 + classes), H, W]` with the channels `x, y, w, h`, objectness and classes for
    /// each anchor. `center = (cell + sigmoid(x, y)) / grid`, `size = anchor exp(w, h) / grid`; a
    /// box's score is `sigmoid(objectness)` times the class's softmax.
    Region {
        /// Width and height of each anchor, in cells.
        anchors: Vec<[f32; 2]>,
        /// The number of classes.
        classes: usize,
        /// Whether classes are mutually exclusive (softmax); otherwise each has a sigmoid.
        softmax: bool,
    },
    /// YOLOv3 (Redmon and Farhadi 2018, "YOLOv3: an incremental improvement"; Darknet's
    /// `yolo_layer.c`): a map `[N, mask (5 + classes), H, W]`, as [`Self::Region`] except that
    /// `size = anchor exp(w, h) / input` and that classes are not mutually exclusive: a box's score is
    /// `sigmoid(objectness) sigmoid(class)`.
    Yolo {
        /// Width and height of each anchor of all heads, in pixels of the network's input.
        anchors: Vec<[f32; 2]>,
        /// The indices of the anchors that this head uses.
        mask: Vec<usize>,
        /// The number of classes.
        classes: usize,
        /// By how much centers can reach beyond their cell (YOLOv4, Bochkovskiy et al. 2020): the sigmoid `s`
        /// of x and y becomes `s scale - (scale - 1) / 2`. 1 in YOLOv3.
        scale_x_y: f32,
        /// Scaled-YOLOv4's coordinates (Wang et al. 2021; YOLOv7): the network ends with sigmoids, so that none
        /// are applied here, and `size = anchor (2 w)², (2 h)² / input`.
        new_coords: bool,
    },
    /// Boxes that the network itself has decoded.
    Decoded(DecodedBoxes),
}

impl Head {
    /// YOLOv3's head: [`Self::Yolo`] without what later versions added.
    pub fn yolo_v3(anchors: &[[f32; 2]], mask: &[usize], classes: usize) -> Self {
        Self::Yolo {
            anchors: anchors.to_vec(),
            mask: mask.to_vec(),
            classes,
            scale_x_y: 1.0,
            new_coords: false,
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        match self {
            Self::Detection { classes, .. }
            | Self::Region { classes, .. }
            | Self::Yolo { classes, .. }
            | Self::Decoded(DecodedBoxes { classes, .. }) => *classes,
        }
    }

    /// Checks that an output of `shape` can be decoded.
    ///
    /// # Errors
    /// [`Error::Inputs`] with the expected and the actual shape.
    pub fn check(&self, shape: &Shape) -> Result<()> {
        let (expected, fits) = match self {
            Self::Detection {
                side,
                boxes,
                classes,
                ..
            } => {
                let cell = boxes.saturating_mul(5).saturating_add(*classes);
                let features = side.saturating_mul(*side).saturating_mul(cell);
                (
                    format!(
                        "[N, {features}] ({side}x{side} cells of {boxes} boxes and {classes} classes)"
                    ),
                    matches!(shape.dims(), [_, f] if *f == features),
                )
            }
            Self::Decoded(boxes) => return boxes.check(shape),
            Self::Region { .. } | Self::Yolo { .. } => {
                let anchors = self.anchors().len();
                let channels = self.classes().saturating_add(5).saturating_mul(anchors);
                (
                    format!(
                        "[N, {channels}, H, W] ({anchors} anchors of 4 coordinates, objectness and {} classes)",
                        self.classes()
                    ),
                    matches!(shape.dims(), [_, c, _, _] if *c == channels),
                )
            }
        };
        match fits {
            true => Ok(()),
            false => Err(Error::Inputs(format!(
                "an output {expected} was expected for boxes, found {shape}"
            ))),
        }
    }

    /// The anchors of this head, in the order of its channels.
    pub(crate) fn anchors(&self) -> Vec<[f32; 2]> {
        match self {
            Self::Detection { .. } | Self::Decoded(_) => Vec::new(),
            Self::Region { anchors, .. } => anchors.clone(),
            Self::Yolo { anchors, mask, .. } => (mask.iter())
                .filter_map(|&i| anchors.get(i).copied())
                .collect(),
        }
    }

    /// The boxes with a score above `threshold`, for every image of a batch. Coordinates are relative
    /// to the network's input: 0, 0 is its top left corner and 1, 1 its bottom right. Boxes may overlap,
    /// and one box may be returned for several classes. `input` is the height and width of the input in
    /// pixels.
    ///
    /// A box with a NaN score is never returned.
    ///
    /// ```
    /// use shadernet::tensor::Tensor;
    /// use shadernet::vision::Head;
    ///
    /// // One cell, one anchor as large as the image, one class; all raw values 0.
    /// let head = Head::yolo_v3(&[[32.0, 32.0]], &[0], 1);
    /// let boxes = head.decode(&Tensor::zeros([1, 6, 1, 1]), [32, 32], 0.2)?;
    /// assert_eq!(boxes[0][0].corners, [0.0, 0.0, 1.0, 1.0]);
    /// assert_eq!(boxes[0][0].score, 0.25);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn decode(
        &self,
        output: &Tensor,
        input: [usize; 2],
        threshold: f32,
    ) -> Result<Vec<Vec<ScoredBox>>> {
        self.check(output.shape())?;
        let [n, _, height, width] = output.shape().nchw();
        // `check` has validated the shape; `max` is for an empty tensor, which has no images.
        let images = output
            .data()
            .chunks((output.data().len() / n.max(1)).max(1));
        Ok(images
            .map(|image| match *self {
                Self::Decoded(ref boxes) => boxes.boxes(image, input, threshold),
                Self::Detection {
                    side,
                    boxes,
                    classes,
                    sqrt,
                    softmax,
                } => detection_boxes(image, side, boxes, classes, sqrt, softmax, threshold),
                Self::Region {
                    classes, softmax, ..
                } => {
                    let grid = [width as f32, height as f32];
                    let map = OutputMap::new(image, width, height, classes);
                    map.boxes(&self.anchors(), grid, softmax, threshold)
                }
                Self::Yolo {
                    classes,
                    scale_x_y,
                    new_coords,
                    ..
                } => {
                    let grid = [input[1] as f32, input[0] as f32];
                    let map = OutputMap {
                        scale_x_y,
                        new_coords,
                        ..OutputMap::new(image, width, height, classes)
                    };
                    map.boxes(&self.anchors(), grid, false, threshold)
                }
            })
            .collect())
    }
}

/// One image's output map of a v2 or v3 head.
struct OutputMap<'a> {
    data: &'a [f32],
    width: usize,
    height: usize,
    classes: usize,
    scale_x_y: f32,
    new_coords: bool,
}

impl<'a> OutputMap<'a> {
    fn new(data: &'a [f32], width: usize, height: usize, classes: usize) -> Self {
        Self {
            data,
            width,
            height,
            classes,
            scale_x_y: 1.0,
            new_coords: false,
        }
    }

    /// The activation of centers, objectness and classes.
    fn activate(&self, x: f32) -> f32 {
        if self.new_coords { x } else { sigmoid(x) }
    }

    /// A coordinate of a center in its cell.
    fn center(&self, x: f32) -> f32 {
        self.activate(x) * self.scale_x_y - 0.5 * (self.scale_x_y - 1.0)
    }

    /// A box's width or height as a share of its anchor's.
    fn extent(&self, x: f32) -> f32 {
        if self.new_coords {
            4.0 * x * x
        } else {
            x.exp()
        }
    }

    /// `image_size` is the width and height of the image in the unit of the anchors. `exclusive` says
    /// whether classes are mutually exclusive.
    fn boxes(
        &self,
        anchors: &[[f32; 2]],
        image_size: [f32; 2],
        exclusive: bool,
        threshold: f32,
    ) -> Vec<ScoredBox> {
        let mut boxes = Vec::new();
        let cells = self.width * self.height;
        let planes = self.data.chunks_exact(cells * (5 + self.classes));
        for (anchor, planes) in anchors.iter().zip(planes) {
            for cell in 0..cells {
                let at = |channel: usize| planes[channel * cells + cell];
                let objectness = self.activate(at(4));
                // No class can exceed the threshold where objectness does not.
                if objectness <= threshold || objectness.is_nan() {
                    continue;
                }
                let (column, row) = (cell % self.width, cell / self.width);
                let corners = corners(
                    (column as f32 + self.center(at(0))) / self.width as f32,
                    (row as f32 + self.center(at(1))) / self.height as f32,
                    self.extent(at(2)) * anchor[0] / image_size[0],
                    self.extent(at(3)) * anchor[1] / image_size[1],
                );
                let logits = (0..self.classes).map(|class| at(5 + class));
                let scores: Vec<f32> = match exclusive {
                    true => softmax(&logits.collect::<Vec<f32>>()),
                    false => logits.map(|x| self.activate(x)).collect(),
                };
                push(&mut boxes, corners, objectness, &scores, threshold);
            }
        }
        boxes
    }
}

/// The boxes of one image's vector of a v1 head.
fn detection_boxes(
    data: &[f32],
    side: usize,
    boxes: usize,
    classes: usize,
    sqrt: bool,
    exclusive: bool,
    threshold: f32,
) -> Vec<ScoredBox> {
    let cells = side * side;
    let (scores, rest) = data.split_at(cells * classes);
    let (confidences, coordinates) = rest.split_at(cells * boxes);
    let mut found = Vec::new();
    for (i, (&confidence, at)) in (confidences.iter())
        .zip(coordinates.as_chunks::<4>().0)
        .enumerate()
    {
        let cell = i / boxes;
        let size = |x: f32| if sqrt { x * x } else { x };
        let corners = corners(
            ((cell % side) as f32 + at[0]) / side as f32,
            ((cell / side) as f32 + at[1]) / side as f32,
            size(at[2]),
            size(at[3]),
        );
        let scores = &scores[cell * classes..][..classes];
        match exclusive {
            true => push(&mut found, corners, confidence, &softmax(scores), threshold),
            false => push(&mut found, corners, confidence, scores, threshold),
        }
    }
    found
}

fn push(
    boxes: &mut Vec<ScoredBox>,
    corners: [f32; 4],
    objectness: f32,
    scores: &[f32],
    threshold: f32,
) {
    if corners.iter().any(|x| x.is_nan()) {
        return;
    }
    for (class, class_score) in scores.iter().enumerate() {
        let score = objectness * class_score;
        if score > threshold {
            boxes.push(ScoredBox {
                class,
                score,
                corners,
            });
        }
    }
}

fn corners(x: f32, y: f32, width: f32, height: f32) -> [f32; 4] {
    let (w, h) = (width / 2.0, height / 2.0);
    [x - w, y - h, x + w, y + h]
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests;
