//! Convolution by blocked im2col. Each tap of the kernel (an input channel, a row and a column) reads a
//! shifted, strided and zero-padded view of the map, and an output channel is the weighted sum of these
//! views. A block of views, some taps by some pixels, is copied to rows and then added to all output
//! channels that read it. All geometry is in the copy, and the inner loop runs over contiguous numbers.

use rayon::prelude::*;

use super::Real;
use crate::graph::Conv2d;
use crate::tensor::{Shape, Tensor};

// Block sizes, chosen so that a block fits the L1 cache.
/// Output channels that use one block.
const CHANNELS: usize = 32;
/// Output pixels of a block.
const PIXELS: usize = 256;
/// Taps of a block.
const TAPS: usize = 32;

pub(super) fn conv2d<T: Real>(
    op: &Conv2d,
    parameters: &[Vec<T>],
    x: &Tensor<T>,
    output: &Shape,
) -> Vec<T> {
    let (weight, bias) = (&parameters[0], parameters.get(1));
    let views = Views::new(op, x.shape(), output);
    let plane = views.out_size[0] * views.out_size[1];
    let in_group = op.in_channels / op.groups * views.size[0] * views.size[1];
    let out_channels = op.out_channels / op.groups;

    let mut y = vec![T::zero(); output.len()];
    // One chunk per group of an image; the groups of an image are contiguous, as in the input.
    (y.par_chunks_mut(out_channels * plane).enumerate()).for_each(|(i, y)| {
        let map = &x.data()[i * in_group..][..in_group];
        let group = i % op.groups;
        (y.par_chunks_mut(CHANNELS * plane).enumerate()).for_each(|(j, y)| {
            let first = group * out_channels + j * CHANNELS;
            if let Some(bias) = bias {
                for (y, bias) in y.chunks_exact_mut(plane).zip(&bias[first..]) {
                    y.fill(*bias);
                }
            }
            add_channels(&views, map, &weight[first * views.taps..], y);
        });
    });
    y
}

/// Adds to every channel of `y` its weighted views of `map`. `weight` begins with the weights of the first
/// channel.
fn add_channels<T: Real>(views: &Views, map: &[T], weight: &[T], y: &mut [T]) {
    let plane = views.out_size[0] * views.out_size[1];
    let mut rows = vec![T::zero(); TAPS.min(views.taps) * PIXELS.min(plane)];
    for pixel in (0..plane).step_by(PIXELS) {
        let pixels = PIXELS.min(plane - pixel);
        for tap in (0..views.taps).step_by(TAPS) {
            let taps = TAPS.min(views.taps - tap);
            let rows = &mut rows[..taps * pixels];
            for (i, row) in rows.chunks_exact_mut(pixels).enumerate() {
                views.fill(map, tap + i, pixel, row);
            }
            for (c, y) in y.chunks_exact_mut(plane).enumerate() {
                let weight = &weight[c * views.taps + tap..][..taps];
                accumulate(&mut y[pixel..pixel + pixels], rows, weight);
            }
        }
    }
}

/// `sums += weight[0] * rows[0] + weight[1] * rows[1] + …`, four rows at a time, so that the sums are
/// read and written less often.
fn accumulate<T: Real>(sums: &mut [T], rows: &[T], weight: &[T]) {
    let n = sums.len();
    let (fours, rest) = weight.as_chunks::<4>();
    for (w, rows) in fours.iter().zip(rows.chunks_exact(4 * n)) {
        let (a, rows) = rows.split_at(n);
        let (b, rows) = rows.split_at(n);
        let (c, d) = rows.split_at(n);
        let rows = a.iter().zip(b).zip(c.iter().zip(d));
        for (sum, ((&a, &b), (&c, &d))) in sums.iter_mut().zip(rows) {
            *sum += (a * w[0] + b * w[1]) + (c * w[2] + d * w[3]);
        }
    }
    let rows = rows[4 * fours.len() * n..].chunks_exact(n);
    for (w, row) in rest.iter().zip(rows) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += x * *w;
        }
    }
}

/// The geometry of the taps' views of one group's maps.
struct Views {
    /// Height and width of the input.
    size: [usize; 2],
    out_size: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Rows of padding above and columns on the left.
    before: [usize; 2],
    /// Taps of an output channel: input channels per group times kernel rows times kernel columns.
    taps: usize,
}

impl Views {
    fn new(op: &Conv2d, input: &Shape, output: &Shape) -> Self {
        let [_, _, h, w] = input.nchw();
        let [_, _, out_h, out_w] = output.nchw();
        let [top, _, left, _] = op.padding_for([h, w]);
        Self {
            size: [h, w],
            out_size: [out_h, out_w],
            kernel: op.kernel,
            stride: op.stride,
            dilation: op.dilation,
            before: [top, left],
            taps: op.in_channels / op.groups * op.kernel[0] * op.kernel[1],
        }
    }

    /// Copies the view of tap `tap` into `row`, for `row.len()` output pixels from `pixel` on.
    fn fill<T: Real>(&self, map: &[T], tap: usize, pixel: usize, row: &mut [T]) {
        let [kh, kw] = self.kernel;
        let [h, w] = self.size;
        let (channel, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
        let map = &map[channel * h * w..][..h * w];
        let out_w = self.out_size[1];
        let (mut y, mut x, mut row) = (pixel / out_w, pixel % out_w, row);
        while !row.is_empty() {
            let (segment, rest) = row.split_at_mut(row.len().min(out_w - x));
            // The row of the unpadded map; out of `0..h` in the padding.
            let source = (y * self.stride[0] + ky * self.dilation[0]).checked_sub(self.before[0]);
            match source.filter(|&y| y < h) {
                Some(y) => self.fill_row(&map[y * w..][..w], kx, x, segment),
                None => segment.fill(T::zero()),
            }
            (y, x, row) = (y + 1, 0, rest);
        }
    }

    /// Copies the part of the view in one row of the map, for output columns from `x` on.
    fn fill_row<T: Real>(&self, source: &[T], kx: usize, x: usize, segment: &mut [T]) {
        let (stride, before) = (self.stride[1], self.before[1]);
        // The column of the padded map that the first pixel reads.
        let start = x * stride + kx * self.dilation[1];
        // The first pixel that reads the map itself, and the first that reads the padding after it.
        let len = segment.len();
        let inside = before.saturating_sub(start).div_ceil(stride).min(len);
        let beyond = (source.len() + before)
            .saturating_sub(start)
            .div_ceil(stride);
        let beyond = beyond.clamp(inside, len);
        segment[..inside].fill(T::zero());
        segment[beyond..].fill(T::zero());
        if inside == beyond {
            return;
        }
        let source = &source[start + inside * stride - before..];
        let segment = &mut segment[inside..beyond];
        if stride == 1 {
            segment.copy_from_slice(&source[..segment.len()]);
        } else {
            for (to, from) in segment.iter_mut().zip(source.iter().step_by(stride)) {
                *to = *from;
            }
        }
    }
}
