//! How many pixels of a mask each class has.

use serde::Serialize;

/// Counts the pixels of a mask, row by row.
pub struct ClassCounts {
    /// Of each class, the pixels and the sum of their probabilities.
    classes: Vec<(u64, f64)>,
}

#[derive(Serialize)]
pub struct ClassShare {
    pub class: u8,
    pub label: String,
    pub pixels: u64,
    pub share: f64,
    pub mean_probability: f64,
}

impl ClassCounts {
    pub fn new() -> Self {
        Self {
            classes: vec![(0, 0.0); usize::from(u8::MAX) + 1],
        }
    }

    pub fn add(&mut self, classes: &[u8], probabilities: &[f32]) {
        for (class, probability) in classes.iter().zip(probabilities) {
            let (pixels, sum) = &mut self.classes[usize::from(*class)];
            *pixels += 1;
            *sum += f64::from(*probability);
        }
    }

    /// The classes that have pixels, the one with the most first. `labels` are of all classes.
    pub fn shares(&self, labels: &[String]) -> Vec<ClassShare> {
        let total: u64 = self.classes.iter().map(|(pixels, _)| pixels).sum();
        let found = (0..=u8::MAX).zip(&self.classes).zip(labels);
        let mut shares: Vec<ClassShare> = found
            .filter(|((_, (pixels, _)), _)| *pixels > 0)
            .map(|((class, &(pixels, sum)), label)| ClassShare {
                class,
                label: label.clone(),
                pixels,
                share: pixels as f64 / total as f64,
                mean_probability: sum / pixels as f64,
            })
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.pixels));
        shares
    }
}
