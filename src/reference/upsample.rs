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
        UpsampleMode::Nearest => planes(x, out_h, out_w, |map, y, x| {
            map[op.source(y, scale_h, h).0 * w + op.source(x, scale_w, w).0]
        }),
        UpsampleMode::Bilinear { .. } => planes(x, out_h, out_w, |map, y, x| {
            let (top, bottom, v) = op.source(y, scale_h, h);
            let (left, right, u) = op.source(x, scale_w, w);
            let (u, v) = (T::from_f32(u), T::from_f32(v));
            let row = |y: usize| map[y * w + left] * (T::one() - u) + map[y * w + right] * u;
            row(top) * (T::one() - v) + row(bottom) * v
        }),
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
    let mut y = vec![T::zero(); input.len()];
    y.par_chunks_mut(h * w)
        .zip(gradient.data().par_chunks(out_h * out_w))
        .for_each(|(map, gradient)| {
            for (i, &gradient) in gradient.iter().enumerate() {
                let (top, bottom, v) = op.upsample.source(i / out_w, scale_h, h);
                let (left, right, u) = op.upsample.source(i % out_w, scale_w, w);
                let (u, v) = (T::from_f32(u), T::from_f32(v));
                for (y, v) in [(top, T::one() - v), (bottom, v)] {
                    map[y * w + left] += gradient * v * (T::one() - u);
                    map[y * w + right] += gradient * v * u;
                }
            }
        });
    y
}
