//! Evidence by pixels: what is made of gradients with respect to the input.

use std::f64::consts::TAU;

use image::RgbImage;

use super::explainer::{BATCH, Explainer, Targets};
use super::explanation::Completeness;
use super::integrated::IntegrationPath;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

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

/// Runs `count` inputs, [`BATCH`] at most, made by `make(i, row)`, for `class`; `each(score, gradient)` is
/// shown what each answers. Always as many rows at once, so that one plan serves all.
pub(super) fn run_some(
    explainer: &mut Explainer,
    class: usize,
    count: usize,
    mut make: impl FnMut(usize, &mut Vec<f32>),
    mut each: impl FnMut(f64, &[f32]),
) -> Result<()> {
    let len = explainer.runner.shape(1).len();
    let mut data = Vec::with_capacity(BATCH * len);
    for i in 0..count {
        make(i, &mut data);
    }
    data.resize(BATCH * len, 0.0);
    let rows = Tensor::new(explainer.runner.shape(BATCH), data)?;
    let answers = explainer.run_rows(Targets::Input, rows, Some(&[class; BATCH]))?;
    let scores = answers[0].data().chunks(answers[0].data().len() / BATCH);
    for (scores, gradient) in scores.zip(answers[1].data().chunks(len)).take(count) {
        each(f64::from(scores[class]), gradient);
    }
    Ok(())
}

pub(super) fn add(sum: &mut [f64], gradient: &[f32], share: f64) {
    for (sum, &g) in sum.iter_mut().zip(gradient) {
        *sum += share * f64::from(g);
    }
}

fn shaped(like: &Tensor, values: &[f64]) -> Tensor {
    Tensor::from_fn(like.shape().clone(), |i| values[i] as f32)
}

pub(super) fn smooth_grad(
    explainer: &mut Explainer,
    input: &Tensor,
    class: usize,
    samples: usize,
    noise: f32,
) -> Result<HeatMap> {
    let range = (input.data().iter()).fold([f32::MAX, f32::MIN], |[low, high], &x| {
        [low.min(x), high.max(x)]
    });
    let deviation = f64::from(noise) * f64::from(range[1] - range[0]);
    let mut random = fastrand::Rng::with_seed(NOISE_SEED);
    let mut noisy = |_, row: &mut Vec<f32>| {
        row.extend(input.data().iter().map(|&x| {
            // Box and Muller 1958; 1 - u is never 0.
            let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
            let normal = radius * (TAU * random.f64()).cos();
            (f64::from(x) + deviation * normal) as f32
        }));
    };
    let mut mean = vec![0.0; input.data().len()];
    for start in (0..samples).step_by(BATCH) {
        let some = BATCH.min(samples - start);
        run_some(explainer, class, some, &mut noisy, |_, gradient| {
            add(&mut mean, gradient, 1.0 / samples as f64);
        })?;
        explainer.tell(start + some, samples);
    }
    largest(&shaped(input, &mean))
}

/// `scores` are the input's.
pub(super) fn integrated_gradients(
    explainer: &mut Explainer,
    input: &Tensor,
    scores: &Tensor,
    class: usize,
    steps: Option<usize>,
) -> Result<(HeatMap, Completeness)> {
    let [_, height, width] = explainer.runner.preprocessing.input_size;
    let black = RgbImage::new(width as u32, height as u32);
    let baseline = explainer.runner.preprocessing.apply(&black)?;
    let first = explainer.scores_of(Targets::Input, &baseline)?;
    let ends = [&first, scores].map(|scores| f64::from(scores.data()[class]));
    let mut way = IntegrationPath::new(&baseline, input, class, ends);
    match steps {
        Some(steps) => way.walk(explainer, steps)?,
        None => way.walk_until_complete(explainer)?,
    }
    let completeness = Completeness {
        attributed: way.attributions.iter().sum(),
        difference: way.difference(),
        steps: way.steps,
    };
    let heat = of_channels(&shaped(input, &way.attributions), |channels| {
        let sum: f32 = channels.sum();
        // NaN stays.
        if sum < 0.0 { 0.0 } else { sum }
    })?;
    Ok((heat, completeness))
}
