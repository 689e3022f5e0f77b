use super::Real;
use super::pool::planes;
use rayon::prelude::*;

use crate::graph::{Upsample, UpsampleBackward, UpsampleMode};
use crate::tensor::{Shape, Tensor};

pub(super) fn upsample<T: Real>(op: &Upsample, x: &Tensor<T>, output: &Shape) -> Vec<T> {
    let [_, _, h, w] = x.shape().nchw();
    let [_, _, out_h, out_w] = output.nchw();
    let [scale_h, scale_w] = op.scale([h, w], [out_h, out_w]);
    match op.mode {
        UpsampleMode::Nearest => {
            let at = |i: usize, scale, size| nearest(i, scale).min(size - 1);
            planes(x, out_h, out_w, |map, y, x| {
                map[at(y, scale_h, h) * w + at(x, scale_w, w)]
            })
        }
        UpsampleMode::Bilinear { align_corners } => {
            let between = |i, scale, size| between::<T>(i, scale, size, align_corners);
            planes(x, out_h, out_w, |map, y, x| {
                let (top, bottom, v) = between(y, scale_h, h);
                let (left, right, u) = between(x, scale_w, w);
                let row = |y: usize| map[y * w + left] * (T::one() - u) + map[y * w + right] * u;
                row(top) * (T::one() - v) + row(bottom) * v
            })
        }
    }
}

/// Adds each output pixel's gradient to the input pixels that it was interpolated from.
pub(super) fn backward<T: Real>(
    op: &UpsampleBackward,
    gradient: &Tensor<T>,
    input: &Shape,
) -> Vec<T> {
    let [_, _, out_h, out_w] = gradient.shape().nchw();
    let [_, _, h, w] = input.nchw();
    let [scale_h, scale_w] = op.upsample.scale([h, w], [out_h, out_w]);
    let taps = |i, scale, size: usize| match op.upsample.mode {
        UpsampleMode::Nearest => {
            let at = nearest(i, scale).min(size - 1);
            (at, at, T::zero())
        }
        UpsampleMode::Bilinear { align_corners } => between::<T>(i, scale, size, align_corners),
    };
    let mut y = vec![T::zero(); input.len()];
    y.par_chunks_mut(h * w)
        .zip(gradient.data().par_chunks(out_h * out_w))
        .for_each(|(map, gradient)| {
            for (i, &gradient) in gradient.iter().enumerate() {
                let (top, bottom, v) = taps(i / out_w, scale_h, h);
                let (left, right, u) = taps(i % out_w, scale_w, w);
                for (y, v) in [(top, T::one() - v), (bottom, v)] {
                    map[y * w + left] += gradient * v * (T::one() - u);
                    map[y * w + right] += gradient * v * u;
                }
            }
        });
    y
}

/// The nearest input pixel of output pixel `i`. In float32, as in PyTorch and on the GPU, so that all three
/// choose the same pixel where the product is close to a whole number.
fn nearest(i: usize, scale: f64) -> usize {
    (i as f32 * scale as f32).floor() as usize
}

/// The two input pixels around output pixel `i`, and the weight of the second. In float32 for the same reason
/// as in [`nearest`].
fn between<T: Real>(i: usize, scale: f64, size: usize, align_corners: bool) -> (usize, usize, T) {
    let scale = scale as f32;
    let position = match align_corners {
        true => i as f32 * scale,
        false => ((i as f32 + 0.5) * scale - 0.5).max(0.0),
    };
    let first = (position.floor() as usize).min(size - 1);
    let second = (first + 1).min(size - 1);
    (first, second, T::from_f32(position - first as f32))
}
