//! The results of an [`Explainer`](super::Explainer).

use crate::vision::HeatMap;

/// The evidence for one class.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The class's index.
    pub class: usize,
    /// The class's name.
    pub label: String,
    /// The network's output for the class, before any softmax.
    pub score: f32,
    /// The class's probability, between 0 and 1.
    pub probability: f32,
    /// Where the evidence lies, over the whole of the network's input;
    /// [`HeatMap::on_image`] maps it onto the image.
    pub heat: HeatMap,
    /// The explained layer, for methods that explain one.
    pub layer: Option<String>,
    /// For integrated gradients, how well the attributions add up.
    pub completeness: Option<Completeness>,
}

/// Whether the attributions of integrated gradients add up to the difference of the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Completeness {
    /// The sum of all attributions, positive and negative.
    pub attributed: f64,
    /// The score of the image less that of a black image.
    pub difference: f64,
    /// The number of points on the path between the two.
    pub steps: usize,
}

impl Completeness {
    /// The largest [`Self::error`] that counts as none: points are added until it is reached.
    pub const TOLERANCE: f64 = 0.01;

    /// The error of the sum, relative to the difference.
    pub fn error(&self) -> f64 {
        match self.attributed == self.difference {
            true => 0.0,
            false => (self.attributed - self.difference).abs() / self.difference.abs(),
        }
    }
}
