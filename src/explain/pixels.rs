//! Evidence by pixels: what is made of gradients with respect to the input.

use std::f64::consts::TAU;

use image::RgbImage;

use super::explainer::{BATCH, Completeness, Explainer, Explanation, Wanted};
use super::method::Method;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// The points that they begin with.
const FIRST_STEPS: usize = 32;
/// So that the same picture gets the same map each time.
const NOISE_SEED: u64 = 2017;

/// Row `row` of a batch.
pub(super) fn image(batch: &Tensor, row: usize) -> Tensor {
    let [_, channels, height, width] = batch.shape().nchw();
    let len = channels * height * width;
    let data = &batch.data()[row * len..][..len];
    // As many as the shape asks for.
    Tensor::from_fn([1, channels, height, width], |i| data[i])
}

/// Of each pixel, `f` of its channels.
fn of_channels(
    image: &Tensor,
    f: impl Fn(&mut dyn Iterator<Item = f32>) -> f32,
) -> Result<HeatMap> {
    let [_, _, height, width] = image.shape().nchw();
    let plane = height * width;
    let pixel = |i: usize| f(&mut image.data().iter().skip(i).step_by(plane).copied());
    HeatMap::new(width, height, (0..plane).map(pixel).collect())
}

/// The largest magnitude of each pixel's channels. NaN stays.
pub(super) fn largest(image: &Tensor) -> Result<HeatMap> {
    of_channels(image, |channels| {
        channels.fold(0.0, |most, x| match x.abs() > most || x.is_nan() {
            true => x.abs(),
            false => most,
        })
    })
}

/// What guided backpropagation brought back, where `cam` is warm.
pub(super) fn guided(cam: &HeatMap, image: &Tensor) -> Result<HeatMap> {
    let pixels = largest(image)?;
    let cam = cam.resized(pixels.width(), pixels.height());
    let product = pixels.values().iter().zip(cam.values());
    HeatMap::new(
        pixels.width(),
        pixels.height(),
        product.map(|(a, b)| a * b).collect(),
    )
}

/// The gradients of `count` inputs, made by `make(i)`, for `class`, added up; `each` is shown their scores.
fn summed(
    explainer: &mut Explainer,
    class: usize,
    count: usize,
    mut make: impl FnMut(usize, &mut Vec<f32>),
) -> Result<Vec<f64>> {
    let len = explainer.opened.shape(1).len();
    let mut sum = vec![0.0; len];
    for start in (0..count).step_by(BATCH) {
        // Always so many rows, so that one plan serves all; what is too much is not counted.
        let some = BATCH.min(count - start);
        let rows = BATCH.min(count);
        let mut data = Vec::with_capacity(rows * len);
        for i in start..start + some {
            make(i, &mut data);
        }
        data.resize(rows * len, 0.0);
        let rows = Tensor::new(explainer.opened.shape(rows), data)?;
        let classes = vec![class; rows.shape().dims()[0]];
        let answers = explainer.run_rows(Wanted::Input, rows, Some(&classes))?;
        for gradient in answers[1].data().chunks(len).take(some) {
            for (sum, &g) in sum.iter_mut().zip(gradient) {
                *sum += f64::from(g);
            }
        }
        explainer.tell(start + some, count);
    }
    Ok(sum)
}

/// The scores of one input, for all classes asked for.
fn scores(explainer: &mut Explainer, input: &Tensor, class: usize) -> Result<Tensor> {
    let answers = explainer.run_rows(Wanted::Input, input.clone(), Some(&[class]));
    Ok(answers?.swap_remove(0))
}

fn shaped(like: &Tensor, values: &[f64]) -> Tensor {
    Tensor::from_fn(like.shape().clone(), |i| values[i] as f32)
}

pub(super) fn smooth_grad(
    explainer: &mut Explainer,
    input: &Tensor,
    classes: &[usize],
    samples: usize,
    noise: f32,
) -> Result<Vec<Explanation>> {
    let range = (input.data().iter()).fold([f32::MAX, f32::MIN], |[low, high], &x| {
        [low.min(x), high.max(x)]
    });
    let deviation = f64::from(noise) * f64::from(range[1] - range[0]);
    let mut found = Vec::new();
    for &class in classes {
        let mut random = fastrand::Rng::with_seed(NOISE_SEED);
        let sum = summed(explainer, class, samples, |_, rows| {
            rows.extend(input.data().iter().map(|&x| {
                // Box and Muller 1958; 1 - u is never 0.
                let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
                let normal = radius * (TAU * random.f64()).cos();
                (f64::from(x) + deviation * normal) as f32
            }));
        })?;
        let scores = scores(explainer, input, class)?;
        let mean: Vec<f64> = sum.iter().map(|sum| sum / samples as f64).collect();
        found.extend(explainer.explanations(&scores, &[class], |_, _| {
            Ok((largest(&shaped(input, &mean))?, None))
        })?);
    }
    Ok(found)
}

pub(super) fn integrated_gradients(
    explainer: &mut Explainer,
    input: &Tensor,
    classes: &[usize],
    steps: Option<usize>,
) -> Result<Vec<Explanation>> {
    let [_, height, width] = explainer.opened.preprocessing.input_size;
    let black = RgbImage::new(width as u32, height as u32);
    let baseline = explainer.opened.preprocessing.apply(&black)?;
    let mut found = Vec::new();
    for &class in classes {
        let at = scores(explainer, input, class)?;
        let from = scores(explainer, &baseline, class)?;
        let difference = f64::from(at.data()[class]) - f64::from(from.data()[class]);
        let mut count = steps.unwrap_or(FIRST_STEPS);
        let (attributions, completeness) = loop {
            let sum = summed(explainer, class, count, |i, rows| {
                // The middles of equal parts of the way.
                let part = ((i as f64 + 0.5) / count as f64) as f32;
                let pairs = baseline.data().iter().zip(input.data());
                rows.extend(pairs.map(|(from, to)| from + part * (to - from)));
            })?;
            let pairs = baseline.data().iter().zip(input.data());
            let attributions: Vec<f64> = (pairs.zip(&sum))
                .map(|((from, to), sum)| f64::from(to - from) * sum / count as f64)
                .collect();
            let completeness = Completeness {
                attributed: attributions.iter().sum(),
                difference,
                steps: count,
            };
            let enough =
                completeness.error() <= Completeness::TOLERANCE || count * 2 > Method::MAX_STEPS;
            if steps.is_some() || enough || completeness.error().is_nan() {
                break (attributions, completeness);
            }
            count *= 2;
        };
        found.extend(explainer.explanations(&at, &[class], |_, _| {
            let heat = of_channels(&shaped(input, &attributions), |channels| {
                let sum: f32 = channels.sum();
                // NaN stays.
                if sum < 0.0 { 0.0 } else { sum }
            })?;
            Ok((heat, Some(completeness)))
        })?);
    }
    Ok(found)
}
