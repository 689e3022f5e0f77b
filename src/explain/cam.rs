//! Class activation maps of a layer's activation and a score's gradient with respect to it.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// Grad-CAM (Selvaraju et al. 2017): the sum of the channels of `activation`, each weighted by the mean of its
/// gradient, and the positive part of that sum. Both tensors are `[1, C, H, W]`; the map is H by W.
pub(super) fn grad_cam(activation: &Tensor, gradient: &Tensor) -> Result<HeatMap> {
    weighted(activation, gradient, |_, gradient| {
        mean(gradient.iter().map(|&g| f64::from(g)))
    })
}

/// Grad-CAM++ (Chattopadhyay et al. 2018, equation 19, for the exponential of the score): a gradient's weight is
/// larger where fewer pixels of its channel are active.
pub(super) fn grad_cam_plus_plus(activation: &Tensor, gradient: &Tensor) -> Result<HeatMap> {
    weighted(activation, gradient, |activation, gradient| {
        let active: f64 = activation.iter().map(|&a| f64::from(a)).sum();
        let parts = gradient.iter().map(|&g| {
            let g = f64::from(g);
            let denominator = 2.0 * g * g + active * g * g * g;
            // A gradient of 0 has no weight, whatever the quotient.
            let alpha = if denominator == 0.0 {
                0.0
            } else {
                g * g / denominator
            };
            alpha * g.max(0.0)
        });
        parts.sum()
    })
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

fn weighted(
    activation: &Tensor,
    gradient: &Tensor,
    weight: impl Fn(&[f32], &[f32]) -> f64,
) -> Result<HeatMap> {
    let [_, _, height, width] = activation.shape().nchw();
    let plane = height * width;
    let mut sum = vec![0.0_f64; plane];
    let maps = activation.data().chunks(plane);
    for (activation, gradient) in maps.zip(gradient.data().chunks(plane)) {
        let weight = weight(activation, gradient);
        for (sum, &a) in sum.iter_mut().zip(activation) {
            *sum += weight * f64::from(a);
        }
    }
    // NaN is kept, and `HeatMap::new` refuses it.
    let positive = |x: f64| if x < 0.0 { 0.0 } else { x as f32 };
    HeatMap::new(width, height, sum.into_iter().map(positive).collect())
}
