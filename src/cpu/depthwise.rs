//! Depthwise convolution: one kernel per channel. Vectors are of channels, and several output pixels of a row share
//! each load of the weights.

use std::sync::Arc;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, Values, part, row_tasks};
use super::map::Map;
use super::memory::Floats;
use super::simd::Epilogue;

/// Output pixels of a row that are computed together.
const PIXELS: usize = 8;

#[derive(Debug)]
pub(super) struct Depthwise {
    input: Map,
    output: Map,
    residual: Option<Map>,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [isize; 2],
    /// `[tap][channel]`, channels padded to whole vectors.
    weights: Arc<Floats>,
    /// From one tap to the next.
    tap_len: usize,
    bias: Arc<Floats>,
    epilogue: Epilogue,
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
            stages: [row_tasks(&output, threads)],
        }
    }
}

impl Kernel for Depthwise {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            conv: self,
            task,
            input: values.inputs[0],
            output: values.output,
            residual: values.inputs.last().copied().unwrap_or(values.inputs[0]),
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    conv: &'a Depthwise,
    task: usize,
    input: *const f32,
    output: *mut f32,
    residual: *const f32,
}

/// The taps of a row or column of the kernel that lie inside the map, for the window that starts at `start`.
#[inline(always)]
fn inside(start: isize, taps: usize, dilation: usize, size: usize) -> std::ops::Range<usize> {
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

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let conv = self.conv;
        let (input, output) = (conv.input, conv.output);
        let rows = part(output.batch * output.height, conv.stages[0], self.task);
        // Columns whose windows lie inside the map.
        let reach = ((conv.kernel[1] - 1) * conv.dilation[1]) as isize;
        let first = (conv.padding[1].max(0) as usize).div_ceil(conv.stride[1]);
        let last = input.width as isize - 1 - reach + conv.padding[1];
        let end = if last < 0 {
            0
        } else {
            last as usize / conv.stride[1] + 1
        };
        let end = end.min(output.width);
        let first = first.min(end);
        for row in rows {
            let (image, y) = (row / output.height, row % output.height);
            let top = (y * conv.stride[0]) as isize - conv.padding[0];
            let taps = inside(top, conv.kernel[0], conv.dilation[0], input.height);
            // SAFETY: `Kernel::run`'s; the taps of each pixel lie inside the map.
            unsafe {
                let image = image * input.height * input.width * input.stride;
                let line = Line {
                    from: self.input.add(image),
                    row,
                    top,
                    taps,
                };
                for x in 0..first {
                    self.channels::<I, 1>(isa, &line, x);
                }
                let mut x = first;
                while x + PIXELS <= end {
                    self.channels::<I, PIXELS>(isa, &line, x);
                    x += PIXELS;
                }
                if x + PIXELS / 2 <= end {
                    self.channels::<I, { PIXELS / 2 }>(isa, &line, x);
                    x += PIXELS / 2;
                }
                for x in x..output.width {
                    self.channels::<I, 1>(isa, &line, x);
                }
            }
        }
    }
}

/// An output row.
struct Line {
    /// The first pixel of the image.
    from: *const f32,
    /// The output row, counted over all images.
    row: usize,
    /// The input row of the first tap.
    top: isize,
    /// Rows of the kernel that lie inside the map.
    taps: std::ops::Range<usize>,
}

impl RunTask<'_> {
    /// All channels of `P` pixels, whose inputs lie side by side.
    #[inline(always)]
    unsafe fn channels<I: Isa, const P: usize>(&self, isa: I, line: &Line, x: usize) {
        let lanes = isa.f32().len();
        let channels = self.conv.output.channels;
        let mut channel = 0;
        while channel < channels {
            let count = (channels - channel).min(lanes);
            // SAFETY: the caller's.
            unsafe { self.pixels::<I, P>(isa, line, [channel, count], x) };
            channel += lanes;
        }
    }

    /// `count` channels from `channel` on of `P` pixels from column `x` on. Where they are several, their windows lie
    /// inside the map.
    #[inline(always)]
    unsafe fn pixels<I: Isa, const P: usize>(
        &self,
        isa: I,
        line: &Line,
        [channel, count]: [usize; 2],
        x: usize,
    ) {
        let ops = isa.f32();
        let conv = self.conv;
        let input = conv.input;
        let is_whole = count == ops.len();
        let mask = ops.first_n_mask(count);
        let left = (x * conv.stride[1]) as isize - conv.padding[1];
        let columns = match P {
            1 => inside(left, conv.kernel[1], conv.dilation[1], input.width),
            _ => 0..conv.kernel[1],
        };
        let pixel_step = conv.stride[1] * input.stride;
        // SAFETY: the caller's.
        unsafe {
            let bias = ops.load_ptr(conv.bias.as_ptr().add(channel));
            let mut sums = [bias; P];
            for ky in line.taps.clone() {
                let y = (line.top + (ky * conv.dilation[0]) as isize) as usize;
                for kx in columns.clone() {
                    let tap = ky * conv.kernel[1] + kx;
                    let weight = (conv.weights.as_ptr()).add(tap * conv.tap_len + channel);
                    let weight = ops.load_ptr(weight);
                    let x = (left + (kx * conv.dilation[1]) as isize) as usize;
                    let from = (line.from).add((y * input.width + x) * input.stride + channel);
                    if is_whole {
                        for (p, sum) in sums.iter_mut().enumerate() {
                            *sum =
                                ops.mul_add(ops.load_ptr(from.add(p * pixel_step)), weight, *sum);
                        }
                    } else {
                        for (p, sum) in sums.iter_mut().enumerate() {
                            let value = ops.load_ptr_mask(from.add(p * pixel_step), mask);
                            *sum = ops.mul_add(value, weight, *sum);
                        }
                    }
                }
            }
            for (p, sum) in sums.into_iter().enumerate() {
                let pixel = line.row * conv.output.width + x + p;
                let mut residual = ops.zero();
                if let Some(map) = conv.residual {
                    let from = self.residual.add(pixel * map.stride + channel);
                    residual = ops.load_ptr_mask(from, mask);
                }
                let y = conv.epilogue.apply(isa, sum, residual);
                let to = self.output.add(pixel * conv.output.stride + channel);
                match is_whole {
                    true => ops.store_ptr(y, to),
                    false => ops.store_ptr_mask(y, to, mask),
                }
            }
        }
    }
}
