//! Bounding boxes: intersection over union and non-maximum suppression.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};

/// A bounding box with its class and score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    /// The class's index.
    pub class: usize,
    /// The confidence, between 0 and 1.
    pub score: f32,
    /// Left, top, right and bottom, in the unit of whoever made the box: pixels, or shares of the input.
    pub corners: [f32; 4],
}

/// Which boxes a detector returns.
///
/// ```
/// use shadernet::vision::DetectionOptions;
///
/// let options = DetectionOptions::default().threshold(0.5);
/// assert_eq!((options.threshold, options.iou), (0.5, 0.45));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DetectionOptions {
    /// Only boxes with a score above this are returned, between 0 and 1. Default: 0.25.
    pub threshold: f32,
    /// The largest intersection over union, between 0 and 1, that two boxes of one class may have.
    /// Of boxes that overlap more, only the one with the highest score is returned. Default: 0.45.
    pub iou: f32,
}

impl Default for DetectionOptions {
    /// As [`DetectionOptions::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl DetectionOptions {
    /// Darknet's defaults: a threshold of 0.25 and an intersection over union of 0.45.
    pub const fn new() -> Self {
        Self {
            threshold: 0.25,
            iou: 0.45,
        }
    }

    /// Sets [`Self::threshold`].
    pub const fn threshold(mut self, threshold: f32) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets [`Self::iou`].
    pub const fn iou(mut self, iou: f32) -> Self {
        self.iou = iou;
        self
    }

    /// Checks that both numbers are between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Inputs`] that names the number that is not.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("threshold", self.threshold), ("iou", self.iou)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Inputs(format!(
                    "{name}: a number between 0 and 1 was expected, found {value}"
                )));
            }
        }
        Ok(())
    }
}

/// The intersection over union of two boxes (left, top, right, bottom): 0 for disjoint boxes, 1 for
/// equal ones. 0 where a box is empty or its area is not finite.
///
/// ```
/// use shadernet::vision::intersection_over_union;
///
/// let iou = intersection_over_union([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]);
/// assert!((iou - 1.0 / 3.0).abs() < 1e-6);
/// ```
pub fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |[x0, y0, x1, y1]: [f32; 4]| (x1 - x0).max(0.0) * (y1 - y0).max(0.0);
    let intersection = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    let overlaps = intersection > 0.0 && ![a, b].as_flattened().iter().any(|x| x.is_nan());
    let union = area(a) + area(b) - intersection;
    match overlaps && union.is_finite() {
        true => intersection / union,
        false => 0.0,
    }
}

/// Greedy non-maximum suppression, as Darknet's `do_nms_sort`: of boxes of one class whose
/// intersection over union is above `iou`, only the one with the highest score is kept. Boxes of
/// different classes do not suppress each other. The result is sorted by score, highest first.
///
/// ```
/// use shadernet::vision::{ScoredBox, non_maximum_suppression};
///
/// let scored = |class, score, corners| ScoredBox { class, score, corners };
/// let kept = non_maximum_suppression(
///     vec![
///         scored(0, 0.6, [0.0, 0.0, 10.0, 10.0]),
///         scored(0, 0.9, [1.0, 0.0, 11.0, 10.0]),
///         scored(1, 0.5, [1.0, 0.0, 11.0, 10.0]),
///     ],
///     0.45,
/// );
/// assert_eq!(kept.iter().map(|b| b.score).collect::<Vec<_>>(), [0.9, 0.5]);
/// ```
pub fn non_maximum_suppression(boxes: Vec<ScoredBox>, iou: f32) -> Vec<ScoredBox> {
    let mut classes: BTreeMap<usize, Vec<ScoredBox>> = BTreeMap::new();
    for candidate in boxes {
        classes.entry(candidate.class).or_default().push(candidate);
    }
    let classes: Vec<Vec<ScoredBox>> = classes.into_values().collect();
    let mut kept: Vec<ScoredBox> = (classes.into_par_iter())
        .flat_map_iter(|mut boxes| {
            // A stable sort: boxes of equal scores keep their order.
            boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut kept: Vec<ScoredBox> = Vec::new();
            for candidate in boxes {
                let overlaps = |other: &ScoredBox| {
                    intersection_over_union(candidate.corners, other.corners) > iou
                };
                if !kept.iter().any(overlaps) {
                    kept.push(candidate);
                }
            }
            kept
        })
        .collect();
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degenerate_boxes_overlap_nothing() {
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(intersection_over_union(unit, unit), 1.0);
        assert_eq!(intersection_over_union(unit, [1.0, 0.0, 2.0, 1.0]), 0.0);
        assert_eq!(intersection_over_union(unit, [0.5, 0.5, 0.5, 0.5]), 0.0);
        assert_eq!(intersection_over_union(unit, [0.8, 0.8, 0.2, 0.2]), 0.0);
        assert_eq!(intersection_over_union(unit, [f32::NAN; 4]), 0.0);
        assert_eq!(intersection_over_union([f32::NAN; 4], [f32::NAN; 4]), 0.0);
    }

    #[test]
    fn suppression_is_greedy_and_per_class() {
        let at = |class, score, x| ScoredBox {
            class,
            score,
            corners: [x, 0.0, x + 10.0, 10.0],
        };
        // The first box suppresses the second. The third overlaps only the second by more than half,
        // so it is kept.
        let boxes = vec![
            at(0, 0.9, 0.0),
            at(0, 0.8, 3.0),
            at(0, 0.7, 6.0),
            at(1, 0.1, 0.0),
        ];
        let kept = non_maximum_suppression(boxes.clone(), 0.5);
        assert_eq!(kept, [boxes[0], boxes[2], boxes[3]]);
        // At 1, nothing is suppressed; at 0, every box that overlaps a better one is.
        assert_eq!(non_maximum_suppression(boxes.clone(), 1.0).len(), 4);
        assert_eq!(non_maximum_suppression(boxes, 0.0).len(), 2);
        assert!(non_maximum_suppression(Vec::new(), 0.5).is_empty());
    }

    #[test]
    fn nan_scores_do_not_panic() {
        let boxes = (0..50).map(|i| ScoredBox {
            class: i % 3,
            score: if i % 2 == 0 { f32::NAN } else { i as f32 },
            corners: [f32::NAN, 0.0, f32::INFINITY, 1.0],
        });
        assert_eq!(non_maximum_suppression(boxes.collect(), 0.5).len(), 50);
    }

    #[test]
    fn options_must_be_between_0_and_1() {
        let text = |threshold, iou| {
            let options = DetectionOptions { threshold, iou };
            options.check().map_err(|error| error.to_string())
        };
        assert_eq!(text(0.0, 1.0), Ok(()));
        assert!(
            text(1.5, 0.5)
                .unwrap_err()
                .contains("threshold: a number between 0 and 1")
        );
        assert!(text(0.5, -0.1).unwrap_err().contains("iou"));
        assert!(text(f32::NAN, 0.5).is_err());
    }
}
