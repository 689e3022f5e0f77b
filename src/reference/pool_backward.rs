//! Gradients of pooling: each window's gradient is added to the pixels of the window.

use rayon::prelude::*;

use super::Real;
use super::pool::{WindowSpan, bin, window_spans};
use crate::graph::{AdaptiveAvgPool2dBackward, AvgPool2dBackward, Pool2d, PoolKind};
use crate::tensor::{Shape, Tensor};

pub(super) fn max_pool2d<T: Real>(
    op: &Pool2d,
    gradient: &Tensor<T>,
    x: &Tensor<T>,
    y: &Tensor<T>,
) -> Vec<T> {
    let ([_, _, h, w], [_, _, out_h, out_w]) = (x.shape().nchw(), gradient.shape().nchw());
    let [rows, columns] = window_spans(op, [h, w], [out_h, out_w]);
    let maps = x.data().par_chunks(h * w);
    let maximums = y.data().par_chunks(out_h * out_w);
    scatter(
        gradient,
        h * w,
        maps.zip(maximums),
        |(map, maximums), i, gradient, result| {
            let (row, column) = (&rows[i / out_w], &columns[i % out_w]);
            let maximum = maximums[i];
            let is_maximum =
                |at: &usize| map[*at] == maximum || (map[*at].is_nan() && maximum.is_nan());
            if let Some(at) = taps(row, column, w).find(is_maximum) {
                result[at] += gradient;
            }
        },
    )
}

pub(super) fn avg_pool2d<T: Real>(
    op: &AvgPool2dBackward,
    gradient: &Tensor<T>,
    input: &Shape,
) -> Vec<T> {
    let ([_, _, h, w], [_, _, out_h, out_w]) = (input.nchw(), gradient.shape().nchw());
    let [rows, columns] = window_spans(&op.pool, [h, w], [out_h, out_w]);
    let no_data = rayon::iter::repeat_n((), input.len() / (h * w));
    scatter(gradient, h * w, no_data, |(), i, gradient, result| {
        let (row, column) = (&rows[i / out_w], &columns[i % out_w]);
        let count = match op.pool.kind {
            PoolKind::Average {
                count_include_pad: true,
            } => row.padded * column.padded,
            PoolKind::Average { .. } => row.taps.len() * column.taps.len(),
            PoolKind::Max | PoolKind::Lp { .. } => 1,
        };
        let share = gradient / T::from_f64(count.max(1) as f64);
        taps(row, column, w).for_each(|at| result[at] += share);
    })
}

pub(super) fn adaptive_avg_pool2d<T: Real>(
    op: AdaptiveAvgPool2dBackward,
    gradient: &Tensor<T>,
    input: &Shape,
) -> Vec<T> {
    let [_, _, h, w] = input.nchw();
    let [out_h, out_w] = op.pool.output;
    let no_data = rayon::iter::repeat_n((), input.len() / (h * w));
    scatter(gradient, h * w, no_data, |(), i, gradient, result| {
        let (rows, columns) = (bin(i / out_w, h, out_h), bin(i % out_w, w, out_w));
        let share = gradient / T::from_f64((rows.len() * columns.len()) as f64);
        for y in rows {
            (columns.clone()).for_each(|x| result[y * w + x] += share);
        }
    })
}

/// The indices of a window's pixels, row by row.
fn taps(row: &WindowSpan, column: &WindowSpan, width: usize) -> impl Iterator<Item = usize> {
    let columns = column.taps.clone();
    (row.taps.clone()).flat_map(move |y| columns.clone().map(move |x| y * width + x))
}

/// For every channel of every image, `plane` pixels, initially zero, to which `add` adds the contribution of
/// each pixel of `gradient`.
fn scatter<T: Real, M: Send>(
    gradient: &Tensor<T>,
    plane: usize,
    maps: impl IndexedParallelIterator<Item = M>,
    add: impl Fn(&M, usize, T, &mut [T]) + Sync,
) -> Vec<T> {
    let [n, c, out_h, out_w] = gradient.shape().nchw();
    let mut result = vec![T::zero(); n * c * plane];
    (result.par_chunks_mut(plane))
        .zip(gradient.data().par_chunks(out_h * out_w))
        .zip(maps)
        .for_each(|((result, gradient), map)| {
            for (i, &gradient) in gradient.iter().enumerate() {
                add(&map, i, gradient, result);
            }
        });
    result
}
