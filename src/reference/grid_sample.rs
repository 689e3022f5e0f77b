use rayon::prelude::*;

use super::Real;
use crate::graph::{GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding};
use crate::tensor::{Shape, Tensor};

pub(super) fn grid_sample<T: Real>(
    op: &GridSample,
    x: &Tensor<T>,
    grid: &Tensor<T>,
    output: &Shape,
) -> Vec<T> {
    let (c, size) = (x.shape().dims()[1], &x.shape().dims()[2..]);
    let map_len: usize = size.iter().product();
    let plane: usize = output.dims()[2..].iter().product();
    let mut y = vec![T::zero(); output.len()];
    y.par_chunks_mut(plane)
        .zip(x.data().par_chunks(map_len))
        .enumerate()
        .for_each(|(i, (out, map))| {
            let axes = size.len();
            let positions = &grid.data()[i / c * axes * plane..][..axes * plane];
            for (i, out) in out.iter_mut().enumerate() {
                // The first position is along the last axis.
                let position = (0..axes).rev().map(|axis| positions[axis * plane + i]);
                *out = match position.clone().any(T::is_nan) {
                    true => T::nan(),
                    false => {
                        let axes = position.zip(size);
                        let taps: Vec<_> = axes.map(|(p, size)| taps(op, p, *size)).collect();
                        sample(map, size, &taps)
                    }
                };
            }
        });
    y
}

/// The sum of the elements of a map at all combinations of `taps`, a list for each of its axes.
fn sample<T: Real>(map: &[T], size: &[usize], taps: &[Vec<Tap<T>>]) -> T {
    let Some((first, rest)) = taps.split_first() else {
        return map[0];
    };
    let step: usize = size[1..].iter().product();
    let mut sum = T::zero();
    for tap in first {
        if let Some(at) = tap.pixel {
            sum += tap.weight * sample(&map[at * step..][..step], &size[1..], rest);
        }
    }
    sum
}

/// A pixel along an axis that a sample is computed from.
#[derive(Clone, Copy)]
struct Tap<T> {
    /// `None` for one of zeros.
    pixel: Option<usize>,
    weight: T,
    /// The derivative of the weight with respect to the position.
    slope: T,
}

/// Where a position from -1 to 1 is along an axis of `size` pixels, in pixels, and the derivative of that.
pub(crate) fn coordinate<T: Real>(op: &GridSample, position: T, size: usize) -> (T, T) {
    let number = |x: f64| T::from_f64(x);
    let (len, half, one) = (number(size as f64), number(0.5), T::one());
    let mut x = match op.align_corners {
        true => (position + one) * half * (len - one),
        false => ((position + one) * len - one) * half,
    };
    let mut per_position = half * if op.align_corners { len - one } else { len };
    let beyond = if op.align_corners { T::zero() } else { half };
    let is_outside = x < -beyond || x > len - one + beyond;
    // Of a bicubic sample, each tap is moved instead, as in PyTorch and ONNX Runtime.
    let moves = op.padding == GridSamplePadding::Border && op.mode != GridSampleMode::Bicubic;
    if moves && is_outside {
        x = x.max(T::zero()).min(len - one);
        per_position = T::zero();
    }
    // Beyond every map, and within 32-bit integers.
    let limit = number(f64::from(1 << 28));
    (x.max(-limit).min(limit), per_position)
}

/// The nearest whole number; of two, the even one.
pub(crate) fn nearest<T: Real>(x: T) -> T {
    let number = |x: f64| T::from_f64(x);
    let (first, part) = (x.floor(), x - x.floor());
    let is_odd = first % number(2.0) != T::zero();
    match part > number(0.5) || part == number(0.5) && is_odd {
        true => first + T::one(),
        false => first,
    }
}

/// The pixels along an axis of `size` pixels for a position from -1 to 1.
fn taps<T: Real>(op: &GridSample, position: T, size: usize) -> Vec<Tap<T>> {
    let (number, one) = (|x: f64| T::from_f64(x), T::one());
    let (x, per_position) = coordinate(op, position, size);
    let (first, part) = (x.floor(), x - x.floor());
    // Weights, and their derivatives with respect to `part`.
    let weights = match op.mode {
        GridSampleMode::Nearest => {
            return vec![Tap {
                pixel: pixel(op, nearest(x), size),
                weight: one,
                slope: T::zero(),
            }];
        }
        GridSampleMode::Bilinear => vec![(one - part, -one), (part, one)],
        GridSampleMode::Bicubic => [
            (part + one, one),
            (part, one),
            (one - part, -one),
            (one - part + one, -one),
        ]
        .map(|(distance, sign)| (cubic(distance), sign * cubic_slope(distance)))
        .to_vec(),
    };
    let before = number((weights.len() / 2 - 1) as f64);
    let pixels = (0..).map(|k| pixel(op, first - before + number(f64::from(k)), size));
    let taps = pixels.zip(weights);
    taps.map(|(pixel, (weight, slope))| Tap {
        pixel,
        weight,
        slope: slope * per_position,
    })
    .collect()
}

/// The gradient with respect to the map.
pub(super) fn backward<T: Real>(
    op: &GridSampleBackward,
    gradient: &Tensor<T>,
    grid: &Tensor<T>,
) -> Vec<T> {
    let ([_, c, out_h, out_w], [h, w]) = (gradient.shape().nchw(), op.input);
    let plane = out_h * out_w;
    let mut result = vec![T::zero(); gradient.data().len() / plane * h * w];
    (result.par_chunks_mut(h * w))
        .zip(gradient.data().par_chunks(plane))
        .enumerate()
        .for_each(|(i, (result, gradient))| {
            let positions = &grid.data()[i / c * 2 * plane..][..2 * plane];
            for (i, &gradient) in gradient.iter().enumerate() {
                let (column, row) = (positions[i], positions[plane + i]);
                if column.is_nan() || row.is_nan() {
                    continue;
                }
                for y in taps(&op.sample, row, h) {
                    for x in taps(&op.sample, column, w) {
                        if let (Some(at_y), Some(at_x)) = (y.pixel, x.pixel) {
                            result[at_y * w + at_x] += gradient * y.weight * x.weight;
                        }
                    }
                }
            }
        });
    result
}

/// The gradient with respect to the positions.
pub(super) fn positions_backward<T: Real>(
    op: &GridSample,
    gradient: &Tensor<T>,
    x: &Tensor<T>,
    grid: &Tensor<T>,
) -> Vec<T> {
    let ([_, c, out_h, out_w], [_, _, h, w]) = (gradient.shape().nchw(), x.shape().nchw());
    let plane = out_h * out_w;
    let mut result = vec![T::zero(); grid.data().len()];
    let images = result.par_chunks_mut(2 * plane).enumerate();
    images.for_each(|(n, result)| {
        let positions = &grid.data()[n * 2 * plane..][..2 * plane];
        let maps = &x.data()[n * c * h * w..][..c * h * w];
        let gradients = &gradient.data()[n * c * plane..][..c * plane];
        for i in 0..plane {
            let rows = taps(op, positions[plane + i], h);
            let columns = taps(op, positions[i], w);
            for y in &rows {
                for x in &columns {
                    let (Some(at_y), Some(at_x)) = (y.pixel, x.pixel) else {
                        continue;
                    };
                    let mut product = T::zero();
                    for channel in 0..c {
                        let value = maps[(channel * h + at_y) * w + at_x];
                        product += gradients[channel * plane + i] * value;
                    }
                    result[i] += product * x.slope * y.weight;
                    result[plane + i] += product * x.weight * y.slope;
                }
            }
        }
    });
    result
}

/// Keys 1981, equation 4, at a distance of up to 2.
fn cubic<T: Real>(distance: T) -> T {
    let number = |x: f64| T::from_f64(x);
    let (a, d) = (number(-0.75), distance);
    match d <= T::one() {
        true => ((a + number(2.0)) * d - (a + number(3.0))) * d * d + T::one(),
        false => ((d - number(5.0)) * d + number(8.0)) * d * a - number(4.0) * a,
    }
}

/// The derivative of [`cubic`].
fn cubic_slope<T: Real>(distance: T) -> T {
    let number = |x: f64| T::from_f64(x);
    let (a, d) = (number(-0.75), distance);
    match d <= T::one() {
        true => (number(3.0) * (a + number(2.0)) * d - number(2.0) * (a + number(3.0))) * d,
        false => ((number(3.0) * d - number(10.0)) * d + number(8.0)) * a,
    }
}

/// The pixel with the number `i`, a whole number: `None` for one of zeros.
pub(crate) fn pixel<T: Real>(op: &GridSample, i: T, size: usize) -> Option<usize> {
    // Within the limit above.
    let (i, size) = (i.to_i64()?, size as i64);
    let index = match op.padding {
        GridSamplePadding::Zeros => i,
        GridSamplePadding::Border => i.clamp(0, size - 1),
        GridSamplePadding::Reflection => {
            // The pixels at the edges are mirrored too where their outer edges are the mirrors.
            let twice = i64::from(!op.align_corners);
            let period = (2 * (size - 1 + twice)).max(1);
            let place = i.rem_euclid(period);
            place.min(period - twice - place)
        }
    };
    (0..size).contains(&index).then_some(index as usize)
}
