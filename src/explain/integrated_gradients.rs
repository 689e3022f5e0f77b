//! Integrated gradients (Sundararajan et al. 2017): the gradient along the straight path from a black image
//! to the input.

use image::RgbImage;

use super::explanation::Completeness;
use super::method::ExplainMethod;
use super::pixel_heat::{add_scaled, in_shape_of, reduce_channels};
use super::probe::{BATCH, Probe, Targets};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// The error at which no more steps are added, relative to the difference of the scores: with rounding, the
/// reported error stays within [`Completeness::TOLERANCE`].
const MAX_ERROR: f64 = Completeness::TOLERANCE / 2.0;
/// The number of segments to begin with.
const INITIAL_SEGMENTS: usize = 16;

/// The heat of `class` and how well the attributions add up. `scores` are those of the input.
pub(super) fn integrated_gradients(
    probe: &mut Probe,
    input: &Tensor,
    scores: &Tensor,
    class: usize,
    steps: Option<usize>,
) -> Result<(HeatMap, Completeness)> {
    let [_, height, width] = probe.model.preprocessing.input_size;
    let black = RgbImage::new(width as u32, height as u32);
    let baseline = probe.model.preprocessing.apply(&black)?;
    let baseline_scores = probe.scores(Targets::Input, &baseline)?;
    let ends = [&baseline_scores, scores].map(|scores| f64::from(scores.data()[class]));
    let mut path = IntegrationPath::new(&baseline, input, class, ends);
    match steps {
        Some(steps) => path.integrate(probe, steps)?,
        None => path.integrate_until_complete(probe)?,
    }
    let completeness = Completeness {
        attributed: path.attributions.iter().sum(),
        difference: path.difference(),
        steps: path.steps,
    };
    let heat = reduce_channels(&in_shape_of(input, &path.attributions), |channels| {
        let sum: f32 = channels.sum();
        // NaN is kept.
        if sum < 0.0 { 0.0 } else { sum }
    })?;
    Ok((heat, completeness))
}

/// The straight path between two inputs, integrated by the midpoint rule.
struct IntegrationPath<'a> {
    from: &'a Tensor,
    to: &'a Tensor,
    class: usize,
    /// The class's score at both ends.
    ends: [f64; 2],
    /// The attribution of each element of the input.
    attributions: Vec<f64>,
    /// The number of segments.
    steps: usize,
}

/// A segment of the path, from `start` to `end`, both between 0 and 1.
struct Segment {
    start: f64,
    end: f64,
    /// The class's score at `start`, at the midpoint and at `end`.
    scores: [f64; 3],
    /// The gradient at the midpoint.
    gradient: Vec<f32>,
    /// The segment's integral by the midpoint rule, less the difference of the scores at its ends, which is
    /// the exact integral.
    error: f64,
}

impl<'a> IntegrationPath<'a> {
    /// From one input to another; `ends` are the class's scores there.
    fn new(from: &'a Tensor, to: &'a Tensor, class: usize, ends: [f64; 2]) -> Self {
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
    fn difference(&self) -> f64 {
        self.ends[1] - self.ends[0]
    }

    /// In `steps` equal segments.
    fn integrate(&mut self, probe: &mut Probe, steps: usize) -> Result<()> {
        let mut sum = vec![0.0; self.to.data().len()];
        for start in (0..steps).step_by(BATCH) {
            let count = BATCH.min(steps - start);
            let middle = |i: usize| ((start + i) as f64 + 0.5) / steps as f64;
            let make = |i: usize, row: &mut Vec<f32>| row.extend(self.point(middle(i)));
            probe.input_gradients(self.class, count, make, |_, gradient| {
                add_scaled(&mut sum, gradient, 1.0 / steps as f64);
            })?;
            probe.report_progress(start + count, steps)?;
        }
        self.steps = steps;
        self.attribute(&sum);
        Ok(())
    }

    /// In segments of unequal lengths, as many as it takes. The scores at a segment's ends give its exact
    /// integral, and the segments of largest error are halved repeatedly. The score changes most in a small
    /// part of the path, and equal segments would have to be as short everywhere.
    fn integrate_until_complete(&mut self, probe: &mut Probe) -> Result<()> {
        // The inner ends and the midpoints of the initial segments.
        let at = |i: usize| i as f64 / (2 * INITIAL_SEGMENTS) as f64;
        let points: Vec<f64> = (1..2 * INITIAL_SEGMENTS).map(at).collect();
        let sampled = self.sample(probe, &points)?;
        let score = |i: usize| match i {
            0 => self.ends[0],
            i if i == 2 * INITIAL_SEGMENTS => self.ends[1],
            i => sampled[i - 1].0,
        };
        let mut segments: Vec<Segment> = (0..INITIAL_SEGMENTS)
            .map(|i| {
                let scores = [score(2 * i), score(2 * i + 1), score(2 * i + 2)];
                let gradient = sampled[2 * i].1.clone();
                self.segment([at(2 * i), at(2 * i + 2)], scores, gradient)
            })
            .collect();
        let mut run = points.len();
        loop {
            let error: f64 = segments.iter().map(|segment| segment.error).sum();
            let is_complete = error.abs() <= MAX_ERROR * self.difference().abs();
            probe.report_progress(run, ExplainMethod::MAX_STEPS)?;
            if is_complete || error.is_nan() || run + BATCH > ExplainMethod::MAX_STEPS {
                break;
            }
            segments.sort_by(|a, b| a.error.abs().total_cmp(&b.error.abs()));
            // Halving a segment takes two new points.
            let worst = segments.split_off(segments.len() - BATCH / 2);
            let quarters = worst.iter().flat_map(|segment| {
                let length = segment.end - segment.start;
                [0.25, 0.75].map(|share| segment.start + share * length)
            });
            let sampled = self.sample(probe, &quarters.collect::<Vec<f64>>())?;
            run += sampled.len();
            let mut sampled = sampled.into_iter();
            for segment in worst {
                let middle = (segment.start + segment.end) / 2.0;
                let [first, second, third] = segment.scores;
                let halves = [
                    ([segment.start, middle], [first, second]),
                    ([middle, segment.end], [second, third]),
                ];
                for ((ends, scores), (score, gradient)) in halves.into_iter().zip(&mut sampled) {
                    let scores = [scores[0], score, scores[1]];
                    segments.push(self.segment(ends, scores, gradient));
                }
            }
        }
        let mut sum = vec![0.0; self.to.data().len()];
        for segment in &segments {
            let length = segment.end - segment.start;
            add_scaled(&mut sum, &segment.gradient, length);
        }
        self.steps = segments.len();
        self.attribute(&sum);
        Ok(())
    }

    /// The point at `share` of the path, from 0 to 1.
    fn point(&self, share: f64) -> impl Iterator<Item = f32> + use<'a> {
        let pairs = self.from.data().iter().zip(self.to.data());
        pairs.map(move |(from, to)| from + share as f32 * (to - from))
    }

    /// The class's score and gradient at points of the path.
    fn sample(&self, probe: &mut Probe, points: &[f64]) -> Result<Vec<(f64, Vec<f32>)>> {
        let mut sampled = Vec::with_capacity(points.len());
        for chunk in points.chunks(BATCH) {
            let make = |i: usize, row: &mut Vec<f32>| row.extend(self.point(chunk[i]));
            probe.input_gradients(self.class, chunk.len(), make, |score, gradient| {
                sampled.push((score, gradient.to_vec()));
            })?;
        }
        Ok(sampled)
    }

    fn segment(&self, [start, end]: [f64; 2], scores: [f64; 3], gradient: Vec<f32>) -> Segment {
        let pairs = self.from.data().iter().zip(self.to.data());
        let slope: f64 = (pairs.zip(&gradient))
            .map(|((from, to), g)| f64::from(to - from) * f64::from(*g))
            .sum();
        Segment {
            start,
            end,
            scores,
            gradient,
            error: slope * (end - start) - (scores[2] - scores[0]),
        }
    }

    /// Attributes to each element the mean gradient along the path times the difference of the ends.
    fn attribute(&mut self, mean: &[f64]) {
        let pairs = self.from.data().iter().zip(self.to.data());
        self.attributions = (pairs.zip(mean))
            .map(|((from, to), mean)| f64::from(to - from) * mean)
            .collect();
    }
}
