//! Antialiased resizing, byte for byte equal to Pillow's, and Darknet's own resizing.
//!
//! Networks are trained on images that Pillow downscaled. Pillow widens the filter by the reduction
//! factor, computes in fixed point with 22 fractional bits, and runs the horizontal pass before the
//! vertical one, rounding to bytes in between (`src/libImaging/Resample.c`). This module does the same,
//! and `tests/images.rs` compares checksums. (Pillow 13 runs the vertical pass first where the height
//! shrinks much more than the width. With a kept aspect ratio that never happens; results then differ
//! by at most 2 of 255, measured.) Crates that always run the vertical pass first, such as
//! `fast_image_resize`, give other results for every image.
//!
//! Only the cropped window of the result is computed: a center crop of a very wide image costs no more
//! than the crop.

use std::fmt;
use std::str::FromStr;

use image::RgbImage;
use rayon::prelude::*;

use super::resize_passes::{PRECISION_BITS, ROWS, column_pass, row_pass};
use crate::error::{Error, Result, UnknownName};

/// The resampling filter. The names are Pillow's and timm's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interpolation {
    /// The nearest pixel, without antialiasing.
    Nearest,
    /// The mean of the area.
    Box,
    /// A triangle filter of radius 1.
    Bilinear,
    /// A Hamming-windowed sinc of radius 1: sharper than bilinear.
    Hamming,
    /// Catmull-Rom cubic (a = -1/2) of radius 2; timm's default.
    #[default]
    Bicubic,
    /// Lanczos of radius 3.
    Lanczos,
    /// Darknet's `resize_image`: linear between the nearest two pixels of each axis, whose corners are aligned,
    /// without antialiasing. Not one of Pillow's: networks that Darknet trained expect it.
    Darknet,
}

impl Interpolation {
    const ALL: [(&str, Self); 7] = [
        ("nearest", Self::Nearest),
        ("box", Self::Box),
        ("bilinear", Self::Bilinear),
        ("hamming", Self::Hamming),
        ("bicubic", Self::Bicubic),
        ("lanczos", Self::Lanczos),
        ("darknet", Self::Darknet),
    ];

    /// The antialiasing filter, if it has one.
    fn filter(self) -> Option<Filter> {
        let (weight, radius): (fn(f64) -> f64, f64) = match self {
            Self::Nearest | Self::Darknet => return None,
            Self::Box => (|x| f64::from(u8::from(-0.5 < x && x <= 0.5)), 0.5),
            Self::Bilinear => (|x| (1.0 - x.abs()).max(0.0), 1.0),
            Self::Hamming => (hamming, 1.0),
            Self::Bicubic => (bicubic, 2.0),
            Self::Lanczos => (lanczos, 3.0),
        };
        Some(Filter { weight, radius })
    }
}

impl FromStr for Interpolation {
    type Err = UnknownName;

    /// Parses timm's names. `random`, with which timm trains some networks, is read as
    /// [`Self::Bicubic`]: inference must be deterministic.
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        if name == "random" {
            return Ok(Self::Bicubic);
        }
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known
            .map(|&(_, this)| this)
            .ok_or_else(|| UnknownName::new("interpolation", name, Self::ALL.map(|(name, _)| name)))
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, this)| this == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// A filter's weight as a function of the distance, and its radius, both in pixels of the smaller of
/// both images.
#[derive(Clone, Copy)]
struct Filter {
    weight: fn(f64) -> f64,
    radius: f64,
}

/// `image` at `width` by `height`, byte for byte equal to Pillow's `Image.resize`, or to Darknet's `resize_image`
/// with its values rounded to bytes after each pass.
///
/// ```
/// use shadernet::vision::{Interpolation, resize};
///
/// let image = image::RgbImage::from_fn(4, 1, |x, _| image::Rgb([40 * x as u8; 3]));
/// let half = resize(&image, 2, 1, Interpolation::Box)?;
/// assert_eq!(half.get_pixel(0, 0).0, [20; 3]);
/// assert_eq!(half.get_pixel(1, 0).0, [100; 3]);
/// # Ok::<(), shadernet::Error>(())
/// ```
///
/// # Errors
/// [`Error::Inputs`] where either image has no pixels.
pub fn resize(
    image: &RgbImage,
    width: u32,
    height: u32,
    interpolation: Interpolation,
) -> Result<RgbImage> {
    let (from_width, from_height) = image.dimensions();
    if [from_width, from_height, width, height].contains(&0) {
        return Err(Error::Inputs(format!(
            "images with pixels were expected; found a resize from {from_width}x{from_height} to \
             {width}x{height}"
        )));
    }
    let axis = |from: u32, to: u32| Axis {
        from: from as usize,
        to: to as usize,
        start: 0,
        len: to as usize,
    };
    let (x, y) = (axis(from_width, width), axis(from_height, height));
    let pixels = resize_window::<3>(image.as_raw(), x, y, interpolation);
    // The window is the whole result: `width * height` pixels of three bytes.
    Ok(RgbImage::from_raw(width, height, pixels).expect("a buffer of the image's size"))
}

/// One axis of a resize: `from` pixels become `to`, of which the window of `len` from `start` is
/// computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub from: usize,
    pub to: usize,
    pub start: usize,
    pub len: usize,
}

/// The window of the resized image with `C` interleaved channels: `y.len` rows of `x.len` pixels.
pub(super) fn resize_window<const C: usize>(
    pixels: &[u8],
    x: Axis,
    y: Axis,
    interpolation: Interpolation,
) -> Vec<u8> {
    let mut result = vec![0; x.len * y.len * C];
    if result.is_empty() {
        return result;
    }
    if interpolation == Interpolation::Nearest {
        nearest::<C>(pixels, x, y, &mut result);
        return result;
    }
    let columns = FilterWeights::for_interpolation(x, interpolation);
    let rows = FilterWeights::for_interpolation(y, interpolation);

    // The horizontal pass, only over the rows that the vertical pass reads.
    let (first, last) = rows.span();
    let width = x.len * C;
    let mut intermediate = vec![0; width * (last - first)];
    (intermediate.par_chunks_mut(width * ROWS).enumerate())
        .with_min_len(task_rows(width, &columns).div_ceil(ROWS))
        .for_each(|(i, to)| {
            let from = &pixels[(first + i * ROWS) * x.from * C..];
            row_pass::<C>(from, x.from, &columns, to);
        });

    let least = task_rows(width, &rows);
    let rows: Vec<_> = rows.iter().collect();
    (result.par_chunks_exact_mut(width).zip(rows))
        .with_min_len(least)
        .for_each(|(to, (start, weights))| {
            let from = &intermediate[(start - first) * width..];
            column_pass(from, weights, to);
        });
    result
}

/// Rows that a task computes at least: a million products. Fewer are not worth a second thread.
fn task_rows(width: usize, weights: &FilterWeights) -> usize {
    (1_usize << 20).div_ceil(width * weights.stride)
}

/// For each pixel of the window along one axis, the first source pixel and the weights from there on.
pub(crate) struct FilterWeights {
    starts: Vec<usize>,
    counts: Vec<usize>,
    /// `stride` weights for each pixel of the window, of which the first `counts` are used.
    weights: Vec<i32>,
    stride: usize,
}

impl FilterWeights {
    /// The weights of any interpolation; with [`Interpolation::Nearest`] one pixel has the whole weight.
    pub fn for_interpolation(axis: Axis, interpolation: Interpolation) -> Self {
        if let Some(filter) = interpolation.filter() {
            return Self::new(axis, filter);
        }
        if interpolation == Interpolation::Darknet {
            return Self::between_corners(axis);
        }
        Self {
            starts: nearest_positions(axis),
            counts: vec![1; axis.len],
            weights: vec![1 << PRECISION_BITS; axis.len],
            stride: 1,
        }
    }

    fn new(axis: Axis, filter: Filter) -> Self {
        let scale = axis.from as f64 / axis.to as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.radius * filter_scale;
        let stride = (support.ceil() as usize) * 2 + 1;
        let mut this = Self {
            starts: Vec::with_capacity(axis.len),
            counts: Vec::with_capacity(axis.len),
            weights: vec![0; axis.len * stride],
            stride,
        };
        let mut exact = Vec::with_capacity(stride);
        for (i, weights) in this.weights.chunks_exact_mut(stride).enumerate() {
            let center = ((axis.start + i) as f64 + 0.5) * scale;
            // The cast saturates: negative values become 0.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(axis.from);
            exact.clear();
            exact.extend((start..end).map(|x| {
                let distance = x as f64 - center + 0.5;
                (filter.weight)(distance * (1.0 / filter_scale))
            }));
            let total: f64 = exact.iter().sum();
            for (to, weight) in weights.iter_mut().zip(&exact) {
                let weight = if total == 0.0 {
                    *weight
                } else {
                    weight / total
                };
                *to = (weight * f64::from(1 << PRECISION_BITS)).round() as i32;
            }
            this.starts.push(start);
            this.counts.push(exact.len());
        }
        this
    }

    /// The weights of [`Interpolation::Darknet`]: the first pixel is the source's first, the last its last.
    fn between_corners(axis: Axis) -> Self {
        let last = axis.from - 1;
        // With one pixel this is infinite, and not read: the only pixel is the last one.
        let scale = last as f64 / (axis.to as f64 - 1.0);
        let mut this = Self {
            starts: Vec::with_capacity(axis.len),
            counts: Vec::with_capacity(axis.len),
            weights: Vec::with_capacity(axis.len * 2),
            stride: 2,
        };
        for i in axis.start..axis.start + axis.len {
            let at = match i + 1 == axis.to {
                true => last as f64,
                false => i as f64 * scale,
            };
            let start = (at as usize).min(last);
            let second = ((at - start as f64) * f64::from(1 << PRECISION_BITS)).round() as i32;
            this.starts.push(start);
            this.counts.push(if start == last { 1 } else { 2 });
            this.weights
                .extend([(1 << PRECISION_BITS) - second, second]);
        }
        this
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let used = self.weights.chunks_exact(self.stride).zip(&self.counts);
        let used = used.map(|(weights, &count)| &weights[..count]);
        self.starts.iter().copied().zip(used)
    }

    /// Pixels of the window.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// The range of source pixels that are read: the first, and one past the last.
    fn span(&self) -> (usize, usize) {
        let ends = self.iter().map(|(start, weights)| start + weights.len());
        let first = self.starts.iter().min().copied().unwrap_or(0);
        (first, ends.max().unwrap_or(first))
    }
}

/// The source pixel under the center of each pixel of the window.
fn nearest_positions(axis: Axis) -> Vec<usize> {
    // Repeated addition, as in Pillow, for the same rounding.
    let scale = axis.from as f64 / axis.to as f64;
    let steps = std::iter::successors(Some(scale * 0.5), |at| Some(at + scale));
    let steps = steps.map(|at| (at as usize).min(axis.from - 1));
    steps.skip(axis.start).take(axis.len).collect()
}

fn nearest<const C: usize>(pixels: &[u8], x: Axis, y: Axis, result: &mut [u8]) {
    let columns = nearest_positions(x);
    for (to, row) in result.chunks_exact_mut(x.len * C).zip(nearest_positions(y)) {
        let from = pixels[row * x.from * C..][..x.from * C].as_chunks::<C>().0;
        for (to, &column) in to.as_chunks_mut::<C>().0.iter_mut().zip(&columns) {
            *to = from[column];
        }
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn hamming(x: f64) -> f64 {
    let x = x.abs();
    if x >= 1.0 {
        return 0.0;
    }
    // Pillow writes these two constants in single precision.
    let (offset, swing) = (f64::from(0.54_f32), f64::from(0.46_f32));
    sinc(x) * (offset + swing * (x * std::f64::consts::PI).cos())
}

fn lanczos(x: f64) -> f64 {
    if (-3.0..3.0).contains(&x) {
        sinc(x) * sinc(x / 3.0)
    } else {
        0.0
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    x.sin() / x
}

#[cfg(test)]
mod tests;
