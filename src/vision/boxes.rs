//! Boxes around things: overlap, and the best of those that overlap.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::error::{Error, Result};

/// A box with a class, and how sure the network is of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    /// The class's index.
    pub class: usize,
    /// Between 0 and 1; the larger the surer.
    pub score: f32,
    /// Left, top, right and bottom, in whatever unit the maker chose.
    pub corners: [f32; 4],
}

/// Which boxes are answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionOptions {
    /// The score, between 0 and 1, that a box must be above: 0.25.
    pub threshold: f32,
    /// How much boxes of one class may overlap, as a share between 0 and 1 of the area that they
    /// cover together: 0.45. Of those that overlap more, the surest is answered.
    pub iou: f32,
}

impl Default for DetectionOptions {
    /// Darknet's.
    fn default() -> Self {
        Self {
            threshold: 0.25,
            iou: 0.45,
        }
    }
}

impl DetectionOptions {
    /// Whether both numbers are between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Inputs`] naming the one that is not.
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

/// The area that two boxes (left, top, right, bottom) share over the area that they cover together:
/// 0 where they are apart, 1 where they are the same. A box without area, or one whose area is not
/// finite, shares nothing.
///
/// ```
/// use shadernet::vision::intersection_over_union;
///
/// let shared = intersection_over_union([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]);
/// assert!((shared - 1.0 / 3.0).abs() < 1e-6);
/// ```
pub fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |[x0, y0, x1, y1]: [f32; 4]| (x1 - x0).max(0.0) * (y1 - y0).max(0.0);
    let shared = area([
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    let shares = shared > 0.0 && ![a, b].as_flattened().iter().any(|x| x.is_nan());
    let together = area(a) + area(b) - shared;
    match shares && together.is_finite() {
        true => shared / together,
        false => 0.0,
    }
}

/// Of boxes of one class that overlap by more than `iou` the surest alone, surest first: greedy
/// non-maximum suppression, as Darknet's `do_nms_sort`. Boxes of different classes do not touch
/// each other.
///
/// ```
/// use shadernet::vision::{ScoredBox, non_maximum_suppression};
///
/// let found = |class, score, corners| ScoredBox { class, score, corners };
/// let kept = non_maximum_suppression(
///     vec![
///         found(0, 0.6, [0.0, 0.0, 10.0, 10.0]),
///         found(0, 0.9, [1.0, 0.0, 11.0, 10.0]),
///         found(1, 0.5, [1.0, 0.0, 11.0, 10.0]),
///     ],
///     0.45,
/// );
/// assert_eq!(kept.iter().map(|b| b.score).collect::<Vec<_>>(), [0.9, 0.5]);
/// ```
pub fn non_maximum_suppression(boxes: Vec<ScoredBox>, iou: f32) -> Vec<ScoredBox> {
    let mut classes: BTreeMap<usize, Vec<ScoredBox>> = BTreeMap::new();
    for found in boxes {
        classes.entry(found.class).or_default().push(found);
    }
    let classes: Vec<Vec<ScoredBox>> = classes.into_values().collect();
    let mut kept: Vec<ScoredBox> = (classes.into_par_iter())
        .flat_map_iter(|mut boxes| {
            // Stable: of equals, the first stays first.
            boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
            let mut kept: Vec<ScoredBox> = Vec::new();
            for found in boxes {
                let overlaps =
                    |other: &ScoredBox| intersection_over_union(found.corners, other.corners) > iou;
                if !kept.iter().any(overlaps) {
                    kept.push(found);
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
    fn overlap_of_odd_boxes_is_zero() {
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(intersection_over_union(unit, unit), 1.0);
        assert_eq!(intersection_over_union(unit, [1.0, 0.0, 2.0, 1.0]), 0.0);
        assert_eq!(intersection_over_union(unit, [0.5, 0.5, 0.5, 0.5]), 0.0);
        assert_eq!(intersection_over_union(unit, [0.8, 0.8, 0.2, 0.2]), 0.0);
        assert_eq!(intersection_over_union(unit, [f32::NAN; 4]), 0.0);
        assert_eq!(intersection_over_union([f32::NAN; 4], [f32::NAN; 4]), 0.0);
    }

    #[test]
    fn suppression_is_greedy_and_by_class() {
        let at = |class, score, x| ScoredBox {
            class,
            score,
            corners: [x, 0.0, x + 10.0, 10.0],
        };
        // The second is suppressed by the first, so that the third, which overlaps the second alone
        // by more than half, stays.
        let boxes = vec![
            at(0, 0.9, 0.0),
            at(0, 0.8, 3.0),
            at(0, 0.7, 6.0),
            at(1, 0.1, 0.0),
        ];
        let kept = non_maximum_suppression(boxes.clone(), 0.5);
        assert_eq!(kept, [boxes[0], boxes[2], boxes[3]]);
        // Nothing overlaps by more than all, and everything that touches by more than nothing.
        assert_eq!(non_maximum_suppression(boxes.clone(), 1.0).len(), 4);
        assert_eq!(non_maximum_suppression(boxes, 0.0).len(), 2);
        assert!(non_maximum_suppression(Vec::new(), 0.5).is_empty());
    }

    #[test]
    fn scores_that_are_not_numbers_do_not_panic() {
        let boxes = (0..50).map(|i| ScoredBox {
            class: i % 3,
            score: if i % 2 == 0 { f32::NAN } else { i as f32 },
            corners: [f32::NAN, 0.0, f32::INFINITY, 1.0],
        });
        assert_eq!(non_maximum_suppression(boxes.collect(), 0.5).len(), 50);
    }

    #[test]
    fn options_are_between_0_and_1() {
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
