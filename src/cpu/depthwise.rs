//! Depthwise convolution: one kernel per channel. Vectors are of channels. A task computes a band of rows for one vector
//! of channels after the other, so that the lines of the input that a window shares with the next ones stay in the
//! first cache; several output pixels of a row share each load of the weights.

use std::ops::Range;
use std::sync::Arc;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, TASKS_PER_THREAD, Values, part};
use super::map::Map;
use super::memory::Floats;
use super::simd::{Epilogue, Mask, first_lanes, lanes, load, store};

/// Output pixels of a row that are computed together, at most.
const PIXELS: usize = 8;

/// Bytes of a band of input rows at most, where one row of the output needs no more: a part of the second cache.
const BAND_BYTES: usize = 512 << 10;

#[derive(Debug)]
pub(super) struct Depthwise {
    input: Map,
    pub output: Map,
    residual: Option<Map>,
    kernel: [usize; 2],
    pub stride: [usize; 2],
    dilation: [usize; 2],
    padding: [isize; 2],
    /// `[tap][channel]`, channels padded to whole vectors.
    weights: Arc<Floats>,
    /// From one tap to the next.
    tap_len: usize,
    bias: Arc<Floats>,
    epilogue: Epilogue,
    /// What pixels in the padding read.
    zeros: Floats,
    /// Bands of each image, and parts of the channels of each band.
    parts: [usize; 2],
    stages: [usize; 1],
}

impl Depthwise {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of the problem"
    )]
    pub fn new(
        input: Map,
        output: Map,
        residual: Option<Map>,
        [kernel, stride, dilation]: [[usize; 2]; 3],
        padding: [isize; 2],
        weights: Arc<Floats>,
        bias: Arc<Floats>,
        epilogue: Epilogue,
        threads: usize,
    ) -> Self {
        let row_bytes = (input.width * input.stride * size_of::<f32>()).max(1);
        let band = (BAND_BYTES / row_bytes).saturating_sub((kernel[0] - 1) * dilation[0]);
        let band = (band / stride[0]).clamp(1, output.height.max(1));
        let mut bands = output.height.div_ceil(band).max(1);
        let mut channel_parts = 1;
        if threads > 1 {
            // Bands share rows of the input, parts of the channels nothing.
            let wanted = threads * TASKS_PER_THREAD;
            let vectors = output.channels.div_ceil(lanes()).max(1);
            channel_parts = wanted.div_ceil(output.batch.max(1) * bands).min(vectors);
            let missing = wanted.div_ceil(output.batch.max(1) * channel_parts);
            bands = missing.clamp(bands, output.height.max(bands));
        }
        Self {
            input,
            output,
            residual,
            kernel,
            stride,
            dilation,
            padding,
            tap_len: weights.len() / (kernel[0] * kernel[1]).max(1),
            weights,
            bias,
            epilogue,
            zeros: Floats::zeros(input.channels.next_multiple_of(lanes())),
            parts: [bands, channel_parts],
            stages: [output.batch * bands * channel_parts],
        }
    }

    /// Rows and columns of the input, padding included, that so many rows and columns of the output see.
    pub fn seen(&self, output: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = (self.kernel[axis] - 1) * self.dilation[axis];
            (output[axis].max(1) - 1) * self.stride[axis] + reach + 1
        })
    }

    /// The row of the input, negative in the padding, that the first tap of a row of the output reads.
    #[inline(always)]
    pub fn top(&self, row: usize) -> isize {
        (row * self.stride[0]) as isize - self.padding[0]
    }

    /// Floats that take the memory of the pointers of so many rows of the output.
    pub fn pointer_floats(&self, rows: usize) -> usize {
        let [rows, columns] = self.seen([rows, self.output.width]);
        rows * columns * (size_of::<*const f32>() / size_of::<f32>())
    }
}

impl Kernel for Depthwise {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    fn scratch(&self) -> usize {
        self.pointer_floats(self.output.height.div_ceil(self.parts[0]))
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, scratch: Scratch) {
        let [bands, channel_parts] = self.parts;
        let (band, channels) = (task / channel_parts, task % channel_parts);
        let (image, band) = (band / bands, band % bands);
        let image_floats = self.input.height * self.input.width * self.input.stride;
        let vectors = self.output.channels.div_ceil(lanes());
        Band {
            conv: self,
            image,
            rows: part(self.output.height, bands, band),
            vectors: part(vectors, channel_parts, channels),
            source: Source {
                first: values.inputs[0].wrapping_add(image * image_floats),
                stride: self.input.stride,
                rows: usize::MAX,
            },
            output: values.output,
            residual: values.inputs.last().copied().unwrap_or(values.inputs[0]),
            pointers: scratch.own.cast(),
        }
        .dispatch();
    }
}

/// Where the rows of an image of the input are.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The first channel of the first pixel; it may lie outside the memory that holds the rows and channels that are
    /// read.
    pub first: *const f32,
    /// From one pixel to the next.
    pub stride: usize,
    /// Rows after which memory is used again.
    pub rows: usize,
}

/// Rows of the output, and vectors of their channels.
pub(super) struct Band<'a> {
    pub conv: &'a Depthwise,
    pub image: usize,
    pub rows: Range<usize>,
    pub vectors: Range<usize>,
    pub source: Source,
    pub output: *mut f32,
    pub residual: *const f32,
    /// Memory for pointers to each pixel that the rows see, padding included: [`Depthwise::pointer_floats`].
    pub pointers: *mut *const f32,
}

impl SimdOp for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let conv = self.conv;
        let output = conv.output;
        let lanes = isa.f32().len();
        let [seen_rows, columns] = conv.seen([self.rows.len(), output.width]);
        let top = conv.top(self.rows.start);
        // SAFETY: `Kernel::run`'s; there is room for the pointers.
        unsafe {
            for row in 0..seen_rows {
                self.point(
                    top + row as isize,
                    self.pointers.add(row * columns),
                    columns,
                );
            }
        }
        // As equal as possible: the first few have one pixel more.
        let blocks = output.width.div_ceil(PIXELS).max(1);
        let (each, longer) = (output.width / blocks, output.width % blocks);
        for vector in self.vectors.clone() {
            let channel = vector * lanes;
            let mask = first_lanes(isa, output.channels - channel);
            for row in self.rows.clone() {
                let first = (row - self.rows.start) * conv.stride[0];
                let taps = inside(
                    top + first as isize,
                    conv.kernel[0],
                    conv.dilation[0],
                    conv.input.height,
                );
                let pixel = (self.image * output.height + row) * output.width;
                let mut x = 0;
                for block in 0..blocks {
                    let pixels = each + usize::from(block < longer);
                    // SAFETY: as above; taps outside are left out.
                    unsafe {
                        let run = Run {
                            pointers: (self.pointers).add(first * columns + x * conv.stride[1]),
                            columns,
                            taps: taps.clone(),
                            pixel: pixel + x,
                            channel,
                        };
                        // Code without masks for most vectors.
                        match mask {
                            None => self.pixels(isa, &run, pixels, None),
                            Some(mask) => self.pixels(isa, &run, pixels, Some(mask)),
                        }
                    }
                    x += pixels;
                }
            }
        }
    }
}

/// The taps of a row or column of the kernel that lie inside the map, for the window that starts at `start`.
#[inline(always)]
fn inside(start: isize, taps: usize, dilation: usize, size: usize) -> Range<usize> {
    let dilation = dilation as isize;
    let first = if start < 0 {
        (-start + dilation - 1) / dilation
    } else {
        0
    };
    let room = size as isize - start;
    let end = if room <= 0 {
        0
    } else {
        (room + dilation - 1) / dilation
    };
    let end = (end as usize).min(taps);
    (first as usize).min(end)..end
}

/// Output pixels side by side, of one vector of channels.
struct Run {
    /// The pixel that the first tap of the first output pixel reads.
    pointers: *const *const f32,
    /// Pointers of a row.
    columns: usize,
    /// Rows of the kernel that lie inside the map.
    taps: Range<usize>,
    /// The first output pixel, counted over all images.
    pixel: usize,
    channel: usize,
}

impl Band<'_> {
    /// Writes the pointers to the pixels of an input row, those in the padding included.
    #[inline(always)]
    unsafe fn point(&self, row: isize, pointers: *mut *const f32, columns: usize) {
        let input = self.conv.input;
        // Negative numbers wrap around to large ones.
        if row as usize >= input.height {
            return;
        }
        let left = -self.conv.padding[1];
        // SAFETY: the caller's; positions are checked against the map.
        unsafe {
            let first = row as usize % self.source.rows * input.width;
            for column in 0..columns {
                let x = (left + column as isize) as usize;
                *pointers.add(column) = match x < input.width {
                    true => (self.source.first).wrapping_add((first + x) * self.source.stride),
                    false => self.conv.zeros.as_ptr(),
                };
            }
        }
    }

    #[inline(always)]
    unsafe fn pixels<I: Isa>(&self, isa: I, run: &Run, pixels: usize, mask: Mask<I>) {
        // SAFETY: the caller's.
        unsafe {
            match pixels {
                0 => {}
                1 => self.run::<I, 1>(isa, run, mask),
                2 => self.run::<I, 2>(isa, run, mask),
                3 => self.run::<I, 3>(isa, run, mask),
                4 => self.run::<I, 4>(isa, run, mask),
                5 => self.run::<I, 5>(isa, run, mask),
                6 => self.run::<I, 6>(isa, run, mask),
                7 => self.run::<I, 7>(isa, run, mask),
                _ => self.run::<I, PIXELS>(isa, run, mask),
            }
        }
    }

    #[inline(always)]
    unsafe fn run<I: Isa, const P: usize>(&self, isa: I, run: &Run, mask: Mask<I>) {
        let ops = isa.f32();
        let conv = self.conv;
        let (stride, dilation) = (conv.stride[1], conv.dilation[1]);
        // SAFETY: the caller's.
        unsafe {
            let bias = ops.load_ptr(conv.bias.as_ptr().add(run.channel));
            let mut sums = [bias; P];
            for ky in run.taps.clone() {
                let pointers = run.pointers.add(ky * conv.dilation[0] * run.columns);
                let weights =
                    (conv.weights.as_ptr()).add(ky * conv.kernel[1] * conv.tap_len + run.channel);
                for kx in 0..conv.kernel[1] {
                    let weight = ops.load_ptr(weights.add(kx * conv.tap_len));
                    let pointers = pointers.add(kx * dilation);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        let value = (*pointers.add(p * stride)).wrapping_add(run.channel);
                        *sum = ops.mul_add(load(isa, value, mask), weight, *sum);
                    }
                }
            }
            if let Some(bounds) = conv.epilogue.bounds() {
                let [low, high] = bounds.map(|bound| ops.splat(bound));
                let to = self
                    .output
                    .add(run.pixel * conv.output.stride + run.channel);
                for (p, sum) in sums.into_iter().enumerate() {
                    // Of a number and NaN, x86 returns the second operand.
                    let y = ops.min(high, ops.max(low, sum));
                    store(isa, y, to.add(p * conv.output.stride), mask);
                }
                return;
            }
            for (p, sum) in sums.into_iter().enumerate() {
                let pixel = run.pixel + p;
                let mut residual = ops.zero();
                if let Some(map) = conv.residual {
                    let from = self.residual.add(pixel * map.stride + run.channel);
                    residual = load(isa, from, mask);
                }
                let y = conv.epilogue.apply(isa, sum, residual);
                let to = self.output.add(pixel * conv.output.stride + run.channel);
                store(isa, y, to, mask);
            }
        }
    }
}
