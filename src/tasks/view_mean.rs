//! Means of a batch's outputs over views and networks.

use std::fmt;
use std::str::FromStr;

use crate::error::{Result, UnknownName};
use crate::vision::softmax;

/// What an [`super::Ensemble`] averages over views and networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Average {
    /// The probabilities: the arithmetic mean, as in the papers of AlexNet and VGG.
    #[default]
    Probabilities,
    /// The logits, before the softmax: the probabilities' geometric mean, scaled to a sum of 1.
    Logits,
}

impl Average {
    const ALL: [(&str, Self); 2] = [
        ("probabilities", Self::Probabilities),
        ("logits", Self::Logits),
    ];
}

impl FromStr for Average {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known
            .map(|&(_, this)| this)
            .ok_or_else(|| UnknownName::new("average", name, Self::ALL.map(|(name, _)| name)))
    }
}

impl fmt::Display for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, this)| this == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Sums of outputs, in float64; see [`super::Ensemble`] for the rounding.
pub(super) struct ViewMean {
    views: usize,
    classes: usize,
    average: Average,
    /// A row of classes for each image.
    sums: Vec<f64>,
    /// The weights of the networks added so far.
    weight: f64,
}

impl ViewMean {
    pub fn new(images: usize, views: usize, classes: usize, average: Average) -> Self {
        Self {
            views,
            classes,
            average,
            sums: vec![0.0; images * classes],
            weight: 0.0,
        }
    }

    /// Adds a network's outputs: a row of classes for each view of the first image, then of the second, and so on.
    pub fn add(&mut self, outputs: &[f32], are_probabilities: bool, weight: f32) {
        // Products and sums of a float32's range cannot leave float64's.
        let weight = f64::from(weight);
        self.weight += weight;
        let classes = self.classes.max(1);
        let images = outputs.chunks(classes * self.views.max(1));
        for (sums, views) in self.sums.chunks_mut(classes).zip(images) {
            for view in views.chunks(classes) {
                let add = |(sum, value): (&mut f64, &f32)| *sum += weight * f64::from(*value);
                match self.average {
                    Average::Probabilities if !are_probabilities => {
                        sums.iter_mut().zip(&softmax(view)).for_each(add);
                    }
                    _ => sums.iter_mut().zip(view).for_each(add),
                }
            }
        }
    }

    /// The probabilities of each image.
    pub fn probabilities(self) -> Vec<Vec<f32>> {
        let total = self.weight * self.views as f64;
        let means = |sums: &[f64]| {
            let means: Vec<f32> = sums.iter().map(|sum| (sum / total) as f32).collect();
            match self.average {
                Average::Probabilities => means,
                Average::Logits => softmax(&means),
            }
        };
        self.sums.chunks(self.classes.max(1)).map(means).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_outputs_have_themselves_as_mean_whatever_the_weights() {
        let logits: Vec<f32> = (0..1000)
            .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 * 1e-6 - 8.0)
            .collect();
        for average in [Average::Probabilities, Average::Logits] {
            for weights in [
                &[1.0][..],
                &[0.1, 0.7, 1e-30],
                &[3.0e38, 1.0, f32::MIN_POSITIVE, 1e-45],
            ] {
                let mut mean = ViewMean::new(1, 3, logits.len(), average);
                for &weight in weights {
                    mean.add(&logits.repeat(3), false, weight);
                }
                assert_eq!(mean.probabilities(), [softmax(&logits)], "{weights:?}");
            }
        }
    }

    #[test]
    fn weights_and_views_count_in_proportion() {
        // Two images with two views each, of two classes.
        let mut mean = ViewMean::new(2, 2, 2, Average::Probabilities);
        mean.add(&[1.0, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0], true, 3.0);
        mean.add(&[0.0, 0.0, 9.0, 9.0, 1.0, 1.0, 5.0, 5.0], false, 1.0);
        let expected = [[0.6875, 0.3125], [0.125, 0.875]];
        assert_eq!(mean.probabilities(), expected);

        let mut mean = ViewMean::new(1, 2, 2, Average::Logits);
        mean.add(&[1.0, 2.0, 3.0, 6.0], false, 1.0);
        assert_eq!(mean.probabilities(), [softmax(&[2.0, 4.0])]);
    }
}
