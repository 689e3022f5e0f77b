//! SmoothGrad: the mean gradient of noisy copies of an image (Smilkov et al. 2017).

use std::f64::consts::TAU;

use super::pixel_heat::{add_scaled, in_shape_of, max_magnitude};
use super::probe::{BATCH, Probe};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// Fixed, so that an image gets the same map each time.
const NOISE_SEED: u64 = 2017;

/// `noise` is the standard deviation as a share of the range of the input's values.
pub(super) fn smooth_grad(
    probe: &mut Probe,
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
        let count = BATCH.min(samples - start);
        probe.input_gradients(class, count, &mut noisy, |_, gradient| {
            add_scaled(&mut mean, gradient, 1.0 / samples as f64);
        })?;
        probe.report_progress(start + count, samples)?;
    }
    max_magnitude(&in_shape_of(input, &mean))
}
