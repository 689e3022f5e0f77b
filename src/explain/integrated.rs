//! The way of integrated gradients, from a baseline to the input.

use super::explainer::{BATCH, Explainer};
use super::explanation::Completeness;
use super::method::ExplainMethod;
use super::pixels::{add, run_some};
use crate::error::Result;
use crate::tensor::Tensor;

/// How far the attributions may be off in the end, in the difference of the scores: what is shown is off
/// by no more than [`Completeness::TOLERANCE`], rounding included.
const OFF_AT_MOST: f64 = Completeness::TOLERANCE / 2.0;
/// Parts of the way to begin with.
const FIRST_PARTS: usize = 16;

/// The sum over parts of the way of the gradient in the middle of each, times the part.
pub(super) struct IntegrationPath<'a> {
    from: &'a Tensor,
    to: &'a Tensor,
    class: usize,
    /// The class's score at both ends.
    ends: [f64; 2],
    /// A share for each element of the input.
    pub attributions: Vec<f64>,
    /// Parts that the way was cut into.
    pub steps: usize,
}

/// A part of the way, from `start` to `end` of 0 to 1.
struct Part {
    start: f64,
    end: f64,
    /// The class's score at `start`, in the middle and at `end`.
    scores: [f64; 3],
    /// The gradient in the middle.
    gradient: Vec<f32>,
    /// What the part comes to, less what it should: the difference of its ends' scores.
    off: f64,
}

impl<'a> IntegrationPath<'a> {
    /// From one input to another, the class's scores there being `ends`.
    pub fn new(from: &'a Tensor, to: &'a Tensor, class: usize, ends: [f64; 2]) -> Self {
        Self {
            from,
            to,
            class,
            ends,
            attributions: vec![0.0; to.data().len()],
            steps: 0,
        }
    }

    /// The difference of the scores, which the attributions should add up to.
    pub fn difference(&self) -> f64 {
        self.ends[1] - self.ends[0]
    }

    /// In `steps` equal parts.
    pub fn walk(&mut self, explainer: &mut Explainer, steps: usize) -> Result<()> {
        let mut sum = vec![0.0; self.to.data().len()];
        for start in (0..steps).step_by(BATCH) {
            let some = BATCH.min(steps - start);
            let middle = |i: usize| ((start + i) as f64 + 0.5) / steps as f64;
            let make = |i: usize, row: &mut Vec<f32>| row.extend(self.point(middle(i)));
            run_some(explainer, self.class, some, make, |_, gradient| {
                add(&mut sum, gradient, 1.0 / steps as f64);
            })?;
            explainer.tell(start + some, steps);
        }
        self.steps = steps;
        self.attribute(&sum);
        Ok(())
    }

    /// In as many parts as it takes, of unequal lengths: the scores at the ends of a part say what it should
    /// come to, and those that are furthest off are cut in two, again and again. Much happens in a small
    /// part of the way, and equal parts would have to be as small everywhere.
    pub fn walk_until_complete(&mut self, explainer: &mut Explainer) -> Result<()> {
        // The ends and the middles of the first parts.
        let at = |i: usize| i as f64 / (2 * FIRST_PARTS) as f64;
        let points: Vec<f64> = (1..2 * FIRST_PARTS).map(at).collect();
        let found = self.run(explainer, &points)?;
        let score = |i: usize| match i {
            0 => self.ends[0],
            i if i == 2 * FIRST_PARTS => self.ends[1],
            i => found[i - 1].0,
        };
        let mut parts: Vec<Part> = (0..FIRST_PARTS)
            .map(|i| {
                let scores = [score(2 * i), score(2 * i + 1), score(2 * i + 2)];
                let gradient = found[2 * i].1.clone();
                self.part([at(2 * i), at(2 * i + 2)], scores, gradient)
            })
            .collect();
        let mut run = points.len();
        loop {
            let off: f64 = parts.iter().map(|part| part.off).sum();
            let near = off.abs() <= OFF_AT_MOST * self.difference().abs();
            explainer.tell(run, ExplainMethod::MAX_STEPS);
            if near || off.is_nan() || run + BATCH > ExplainMethod::MAX_STEPS {
                break;
            }
            parts.sort_by(|a, b| a.off.abs().total_cmp(&b.off.abs()));
            // Two new points each.
            let worst = parts.split_off(parts.len() - BATCH / 2);
            let quarters = worst.iter().flat_map(|part| {
                let length = part.end - part.start;
                [0.25, 0.75].map(|share| part.start + share * length)
            });
            let found = self.run(explainer, &quarters.collect::<Vec<f64>>())?;
            run += found.len();
            let mut found = found.into_iter();
            for part in worst {
                let middle = (part.start + part.end) / 2.0;
                let [first, second, third] = part.scores;
                let halves = [
                    ([part.start, middle], [first, second]),
                    ([middle, part.end], [second, third]),
                ];
                for ((ends, scores), (score, gradient)) in halves.into_iter().zip(&mut found) {
                    let scores = [scores[0], score, scores[1]];
                    parts.push(self.part(ends, scores, gradient));
                }
            }
        }
        let mut sum = vec![0.0; self.to.data().len()];
        for part in &parts {
            add(&mut sum, &part.gradient, part.end - part.start);
        }
        self.steps = parts.len();
        self.attribute(&sum);
        Ok(())
    }

    /// The point of the way at `share`.
    fn point(&self, share: f64) -> impl Iterator<Item = f32> + use<'a> {
        let pairs = self.from.data().iter().zip(self.to.data());
        pairs.map(move |(from, to)| from + share as f32 * (to - from))
    }

    /// The class's score and gradient at points of the way.
    fn run(&self, explainer: &mut Explainer, points: &[f64]) -> Result<Vec<(f64, Vec<f32>)>> {
        let mut found = Vec::with_capacity(points.len());
        for some in points.chunks(BATCH) {
            let make = |i: usize, row: &mut Vec<f32>| row.extend(self.point(some[i]));
            run_some(
                explainer,
                self.class,
                some.len(),
                make,
                |score, gradient| {
                    found.push((score, gradient.to_vec()));
                },
            )?;
        }
        Ok(found)
    }

    fn part(&self, [start, end]: [f64; 2], scores: [f64; 3], gradient: Vec<f32>) -> Part {
        let pairs = self.from.data().iter().zip(self.to.data());
        let slope: f64 = (pairs.zip(&gradient))
            .map(|((from, to), g)| f64::from(to - from) * f64::from(*g))
            .sum();
        Part {
            start,
            end,
            scores,
            gradient,
            off: slope * (end - start) - (scores[2] - scores[0]),
        }
    }

    /// The mean gradient along the way times the way.
    fn attribute(&mut self, mean: &[f64]) {
        let pairs = self.from.data().iter().zip(self.to.data());
        self.attributions = (pairs.zip(mean))
            .map(|((from, to), mean)| f64::from(to - from) * mean)
            .collect();
    }
}
