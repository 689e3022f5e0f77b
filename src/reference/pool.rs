use rayon::prelude::*;

use super::Real;
use crate::graph::{AdaptiveAvgPool2d, Pool2d, PoolKind};
use crate::tensor::{Shape, Tensor};

/// The extent of a window along one axis.
pub(crate) struct WindowSpan {
    /// Taps inside the map, as indices into it.
    pub taps: std::iter::StepBy<std::ops::Range<usize>>,
    /// Taps inside the map or its padding. In ceil mode a window may extend beyond both.
    pub padded: usize,
}

impl WindowSpan {
    /// From the first tap inside the map to the last.
    pub fn range(&self) -> std::ops::Range<usize> {
        let first = self.taps.clone().next().unwrap_or(0);
        first..self.taps.clone().next_back().map_or(first, |last| last + 1)
    }
}

pub(super) fn pool2d<T: Real>(op: &Pool2d, x: &Tensor<T>, output: &Shape) -> Vec<T> {
    let [_, _, h, w] = x.shape().nchw();
    let [_, _, out_h, out_w] = output.nchw();
    let [rows, columns] = window_spans(op, [h, w], [out_h, out_w]);
    let window = |map: &[T], row: &WindowSpan, column: &WindowSpan| {
        let taps = row
            .taps
            .clone()
            .flat_map(|y| column.taps.clone().map(move |x| map[y * w + x]));
        match op.kind {
            PoolKind::Max => taps.fold(T::neg_infinity(), T::max_or_nan),
            PoolKind::Average { count_include_pad } => {
                let inside = row.taps.len() * column.taps.len();
                let padded = row.padded * column.padded;
                mean(taps, if count_include_pad { padded } else { inside })
            }
            PoolKind::Lp { p } => {
                let degree = T::from_f64(f64::from(p));
                let sum = taps.fold(T::zero(), |sum, x| sum + x.abs().powf(degree));
                sum.powf(degree.recip())
            }
        }
    };
    planes(x, out_h, out_w, |map, y, x| {
        window(map, &rows[y], &columns[x])
    })
}

/// The spans of all windows along both axes, for an output of `out` pixels and a map of `size`.
pub(crate) fn window_spans(op: &Pool2d, size: [usize; 2], out: [usize; 2]) -> [Vec<WindowSpan>; 2] {
    let [top, bottom, left, right] = op.padding_for(size);
    [(0, top, bottom), (1, left, right)].map(|(axis, before, after)| {
        (0..out[axis])
            .map(|i| window_span(op, axis, i, size[axis], before, after))
            .collect()
    })
}

/// The span of the window of output `i` along `axis`, in a map of `size` pixels.
fn window_span(
    op: &Pool2d,
    axis: usize,
    i: usize,
    size: usize,
    before: usize,
    after: usize,
) -> WindowSpan {
    let (kernel, dilation) = (op.kernel[axis], op.dilation[axis]);
    // Positions count from the first pixel of the padding, so that none is negative.
    let start = i * op.stride[axis];
    let end = start + dilation * (kernel - 1) + 1;
    // The first tap that is not in the padding before the map.
    let skipped = before.saturating_sub(start).div_ceil(dilation);
    let first = (start + skipped * dilation)
        .saturating_sub(before)
        .min(size);
    let last = end.saturating_sub(before).min(size);
    WindowSpan {
        taps: (first..last.max(first)).step_by(dilation),
        padded: (end.min(size + before + after) - start).div_ceil(dilation),
    }
}

pub(super) fn adaptive_avg_pool2d<T: Real>(op: AdaptiveAvgPool2d, x: &Tensor<T>) -> Vec<T> {
    let [_, _, h, w] = x.shape().nchw();
    let [out_h, out_w] = op.output;
    planes(x, out_h, out_w, |map, y, x| {
        let (rows, columns) = (bin(y, h, out_h), bin(x, w, out_w));
        let count = rows.len() * columns.len();
        let taps = rows.flat_map(|y| columns.clone().map(move |x| map[y * w + x]));
        mean(taps, count)
    })
}

/// The pixels of the bin of output `i`, for `size` pixels and `out` outputs.
pub(crate) fn bin(i: usize, size: usize, out: usize) -> std::ops::Range<usize> {
    i * size / out..((i + 1) * size).div_ceil(out)
}

/// The sum divided by `count`; 0 for an empty window.
fn mean<T: Real>(taps: impl Iterator<Item = T>, count: usize) -> T {
    let sum = taps.fold(T::zero(), |sum, x| sum + x);
    sum / T::from_f64(count.max(1) as f64)
}

/// Computes every output pixel of every channel as `f` of the channel's map and the pixel's row and column.
pub(super) fn planes<T: Real>(
    x: &Tensor<T>,
    out_h: usize,
    out_w: usize,
    f: impl Fn(&[T], usize, usize) -> T + Sync,
) -> Vec<T> {
    let [n, c, h, w] = x.shape().nchw();
    let mut y = vec![T::zero(); n * c * out_h * out_w];
    y.par_chunks_mut(out_h * out_w)
        .zip(x.data().par_chunks(h * w))
        .for_each(|(out, map)| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = f(map, i / out_w, i % out_w);
            }
        });
    y
}
