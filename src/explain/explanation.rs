//! What is asked of an [`Explainer`](super::Explainer), and what it answers.

use super::method::ExplainMethod;
use crate::vision::HeatMap;

/// What to explain, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainOptions {
    /// The method.
    pub method: ExplainMethod,
    /// The layer whose map is made, for methods that have one: the name of a node. `None` for the last
    /// map before the network pools it away.
    pub layer: Option<String>,
    /// The classes whose evidence is looked for. None for the likeliest.
    pub classes: Vec<usize>,
    /// How many of the likeliest, where no classes are given; 1 unless set, and never less.
    pub top: usize,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        Self {
            method: ExplainMethod::default(),
            layer: None,
            classes: Vec::new(),
            top: 1,
        }
    }
}

/// The evidence for one class.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The class's index.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// What the network answers for it, before any softmax.
    pub score: f32,
    /// Between 0 and 1.
    pub probability: f32,
    /// Where the evidence lies, spread over the whole of the network's input;
    /// [`HeatMap::on_image`] brings it onto the picture.
    pub heat: HeatMap,
    /// The layer whose map it is, for methods that have one.
    pub layer: Option<String>,
    /// For integrated gradients, how well they add up.
    pub completeness: Option<Completeness>,
}

/// Whether the attributions of integrated gradients add up to the difference of the scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completeness {
    /// The sum of all attributions, positive and negative.
    pub attributed: f64,
    /// The picture's score less the black picture's.
    pub difference: f64,
    /// Points on the way between them.
    pub steps: usize,
}

impl Completeness {
    /// An [`Self::error`] up to this is none: points are added until it is reached.
    pub const TOLERANCE: f64 = 0.01;

    /// How far the sum is off, in the difference.
    pub fn error(&self) -> f64 {
        match self.attributed == self.difference {
            true => 0.0,
            false => (self.attributed - self.difference).abs() / self.difference.abs(),
        }
    }
}
