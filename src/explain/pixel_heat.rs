//! Heat maps of gradients with respect to the input's pixels.

use crate::error::Result;
use crate::tensor::Tensor;
use crate::vision::HeatMap;

/// Row `row` of a batch.
pub(super) fn batch_row(batch: &Tensor, row: usize) -> Tensor {
    let [_, channels, height, width] = batch.shape().nchw();
    let len = channels * height * width;
    let data = &batch.data()[row * len..][..len];
    // `data` has as many elements as the shape.
    Tensor::from_fn([1, channels, height, width], |i| data[i])
}

/// A map of `f` of each pixel's channels.
pub(super) fn reduce_channels(
    image: &Tensor,
    f: impl Fn(&mut dyn Iterator<Item = f32>) -> f32,
) -> Result<HeatMap> {
    let [_, _, height, width] = image.shape().nchw();
    let plane = height * width;
    let pixel = |i: usize| f(&mut image.data().iter().skip(i).step_by(plane).copied());
    HeatMap::new(width, height, (0..plane).map(pixel).collect())
}

/// The largest magnitude of each pixel's channels. NaN is kept.
pub(super) fn max_magnitude(image: &Tensor) -> Result<HeatMap> {
    reduce_channels(image, |channels| {
        channels.fold(0.0, |max, x| match x.abs() > max || x.is_nan() {
            true => x.abs(),
            false => max,
        })
    })
}

/// Guided Grad-CAM: the magnitudes of guided backpropagation's gradient, each times the heat of `cam` there.
pub(super) fn guided_cam(cam: &HeatMap, gradient: &Tensor) -> Result<HeatMap> {
    let pixels = max_magnitude(gradient)?;
    let cam = cam.resized(pixels.width(), pixels.height());
    let product = pixels.values().iter().zip(cam.values());
    HeatMap::new(
        pixels.width(),
        pixels.height(),
        product.map(|(a, b)| a * b).collect(),
    )
}

/// Adds `weight` times `gradient` to `sum`.
pub(super) fn add_scaled(sum: &mut [f64], gradient: &[f32], weight: f64) {
    for (sum, &g) in sum.iter_mut().zip(gradient) {
        *sum += weight * f64::from(g);
    }
}

/// `values` in the shape of `like`.
pub(super) fn in_shape_of(like: &Tensor, values: &[f64]) -> Tensor {
    Tensor::from_fn(like.shape().clone(), |i| values[i] as f32)
}
