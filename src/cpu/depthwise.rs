//! Depthwise convolution: one kernel per channel. Vectors are of channels, and several output pixels of a row share each
//! load of the weights.
//!
//! A task computes one panel of channels after the other, in a few rows at a time. The rows of the input that these see
//! are brought to the thread's own cache first, between columns of zeros, so that windows need no checks and lie in few
//! cache lines. They are copied, or computed there by the 1x1 convolution before.

use std::ops::Range;
use std::sync::Arc;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::implicit_gemm::panel_columns;
use super::kernel::{Blocks, Kernel, Scratch, TASKS_PER_THREAD, Values, part};
use super::map::Map;
use super::memory::Floats;
use super::pointwise::Pointwise;
use super::simd::{Epilogue, Mask, first_lanes, load};
use super::tile::VECTORS;
use crate::kernels::ConvProblem;

/// Output pixels of a row that are computed together, at most.
const PIXELS: usize = 8;

/// Pixels of the input that are brought at a time, at least, where the map has as many.
const INPUT_PIXELS: usize = 128;

/// Rows (axis 0) or columns (1) of the input, padding included, that so many of the output see.
#[inline(always)]
fn seen(problem: &ConvProblem, axis: usize, output: usize) -> usize {
    let reach = (problem.filter.kernel[axis] - 1) * problem.dilation[axis];
    (output.max(1) - 1) * problem.stride[axis] + reach + 1
}

/// The row of the input, negative in the padding, that the first tap of a row of the output reads.
#[inline(always)]
fn top(problem: &ConvProblem, row: usize) -> isize {
    (row * problem.stride[0]) as isize - problem.padding[0]
}

/// Columns of zeros left of the map.
#[inline(always)]
fn left_columns(problem: &ConvProblem) -> usize {
    problem.padding[1].max(0) as usize
}

#[derive(Debug)]
pub(super) struct Depthwise {
    /// The convolution's input, which has no memory where `pointwise` computes it.
    input: Map,
    output: Map,
    residual: Option<Map>,
    problem: ConvProblem,
    /// `[panel][tap][channel]`: those of a panel arrive as one stream.
    weights: Arc<Floats>,
    bias: Arc<Floats>,
    epilogue: Epilogue,
    /// What computes the input.
    pointwise: Option<Pointwise>,
    /// Rows of the output that are computed at a time.
    step: usize,
    /// Rows of the input that exist at a time, and their columns.
    ring: [usize; 2],
    /// Bands of each image, and parts of the panels of each band.
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
        problem: ConvProblem,
        weights: Arc<Floats>,
        bias: Arc<Floats>,
        epilogue: Epilogue,
        pointwise: Option<Pointwise>,
        threads: usize,
    ) -> Self {
        let step = INPUT_PIXELS.div_ceil((input.width * problem.stride[0]).max(1));
        let step = step.clamp(1, output.height.max(1));
        let left = left_columns(&problem);
        let first = (left as isize - problem.padding[1]) as usize;
        let columns = (left + input.width).max(first + seen(&problem, 1, output.width));
        let (mut bands, mut panel_parts) = (1, 1);
        if threads > 1 {
            // Bands bring some rows twice, parts of the panels none.
            let batch = output.batch.max(1);
            let wanted = threads * TASKS_PER_THREAD;
            let panels = output.channels.div_ceil(panel_columns()).max(1);
            panel_parts = wanted.div_ceil(batch).min(panels);
            let steps = output.height.div_ceil(step).max(1);
            bands = wanted.div_ceil(batch * panel_parts).min(steps);
        }
        Self {
            input,
            output,
            residual,
            problem,
            weights,
            bias,
            epilogue,
            pointwise,
            step,
            ring: [seen(&problem, 0, step), columns],
            parts: [bands, panel_parts],
            stages: [output.batch * bands * panel_parts],
        }
    }
}

impl Kernel for Depthwise {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    fn scratch(&self) -> usize {
        self.ring[0] * self.ring[1] * panel_columns()
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, scratch: Scratch) {
        let [bands, panel_parts] = self.parts;
        let (band, panels) = (task / panel_parts, task % panel_parts);
        let (image, band) = (band / bands, band % bands);
        let all = self.output.channels.div_ceil(panel_columns());
        RunTask {
            conv: self,
            image,
            rows: part(self.output.height, bands, band),
            panels: part(all, panel_parts, panels),
            input: values.inputs[0],
            output: values.output,
            residual: values.inputs.last().copied().unwrap_or(values.inputs[0]),
            ring: scratch.own,
        }
        .dispatch();
    }
}

/// Rows of a map, one panel of their channels: `[row][column][channel of the panel]`. A row takes the place of the one
/// that is as many rows before it as there is room for.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    /// The first column of the map, in row 0.
    first: *mut f32,
    rows: usize,
    /// Floats of a row, and of a pixel.
    row_len: usize,
    panel_len: usize,
}

impl Ring {
    /// The first pixel of a row of the map.
    #[inline(always)]
    pub fn row(&self, row: usize) -> *mut f32 {
        self.first.wrapping_add(row % self.rows * self.row_len)
    }

    /// A pixel, which may lie in the columns around the map.
    #[inline(always)]
    fn pixel(&self, row: usize, column: isize) -> *mut f32 {
        (self.row(row)).wrapping_offset(column * self.panel_len as isize)
    }
}

struct RunTask<'a> {
    conv: &'a Depthwise,
    image: usize,
    /// Rows of the output.
    rows: Range<usize>,
    panels: Range<usize>,
    input: *const f32,
    output: *mut f32,
    residual: *const f32,
    /// Memory for the ring.
    ring: *mut f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let conv = self.conv;
        let problem = &conv.problem;
        let panel_len = VECTORS * isa.f32().len();
        let [rows, columns] = conv.ring;
        let left = left_columns(problem);
        let ring = Ring {
            first: self.ring.wrapping_add(left * panel_len),
            rows,
            row_len: columns * panel_len,
            panel_len,
        };
        let height = conv.input.height;
        for row in 0..rows {
            for column in (0..left).chain(left + conv.input.width..columns) {
                let pixel = ring.pixel(row, column as isize - left as isize);
                // SAFETY: there is room for as much.
                unsafe { pixel.write_bytes(0, panel_len) };
            }
        }
        for panel in self.panels.clone() {
            // Rows before this one are there.
            let mut next = 0;
            let mut row = self.rows.start;
            while row < self.rows.end {
                let rows = row..(row + conv.step).min(self.rows.end);
                let first = top(problem, rows.start).max(0) as usize;
                let end = top(problem, rows.end - 1) + seen(problem, 0, 1) as isize;
                let first = first.max(next);
                let end = (end.max(0) as usize).min(height).max(first);
                // SAFETY: `Kernel::run`'s; no row that these rows of the output see is overwritten.
                unsafe {
                    self.bring(isa, first..end, panel, ring);
                    for row in rows.clone() {
                        self.row(isa, row, panel, ring);
                    }
                }
                (next, row) = (end, rows.end);
            }
        }
    }
}

/// The taps of a column of the kernel that lie inside the map, for the window that starts at `start`.
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
    /// The first channel of the first pixel.
    output: *mut f32,
    residual: *const f32,
    /// The kernel and the bias of the channels.
    weights: *const f32,
    bias: *const f32,
    /// Rows of the kernel that lie inside the map, and the row of the input of the first tap.
    taps: Range<usize>,
    top: isize,
    /// The column of the input of the first tap.
    left: isize,
    /// The first channel's index in the panel.
    lane: usize,
}

impl RunTask<'_> {
    /// Brings a panel of rows of the input to the ring.
    #[inline(always)]
    unsafe fn bring<I: Isa>(&self, isa: I, rows: Range<usize>, panel: usize, ring: Ring) {
        let conv = self.conv;
        let lanes = isa.f32().len();
        let Map {
            height,
            width,
            stride,
            ..
        } = conv.input;
        // SAFETY: the caller's.
        unsafe {
            if let Some(pointwise) = &conv.pointwise {
                pointwise.rows(isa, self.input, self.image, rows, panel, ring);
                return;
            }
            let first = panel * ring.panel_len;
            let channels = (conv.output.channels - first).min(ring.panel_len);
            for row in rows {
                let pixel = (self.image * height + row) * width;
                let from = self.input.wrapping_add(pixel * stride + first);
                let to = ring.row(row);
                for x in 0..width {
                    let from = from.wrapping_add(x * stride);
                    let to = to.wrapping_add(x * ring.panel_len);
                    let mut channel = 0;
                    while channel < channels {
                        let mask = first_lanes(isa, channels - channel);
                        let value = load(isa, from.add(channel), mask);
                        isa.f32().store_ptr(value, to.add(channel));
                        channel += lanes;
                    }
                }
            }
        }
    }

    /// Computes a panel of a row of the output.
    #[inline(always)]
    unsafe fn row<I: Isa>(&self, isa: I, row: usize, panel: usize, ring: Ring) {
        let conv = self.conv;
        let problem = &conv.problem;
        let kernel = problem.filter.kernel;
        let output = conv.output;
        let lanes = isa.f32().len();
        let top = top(problem, row);
        let taps = inside(top, kernel[0], problem.dilation[0], conv.input.height);
        let blocks = Blocks::new(output.width, PIXELS);
        let panel_weights = kernel[0] * kernel[1] * ring.panel_len;
        let residual_stride = conv.residual.map_or(0, |residual| residual.stride);
        for lane in (0..ring.panel_len).step_by(lanes) {
            let channel = panel * ring.panel_len + lane;
            if channel >= output.channels {
                break;
            }
            let mask = first_lanes(isa, output.channels - channel);
            let mut x = 0;
            for block in 0..blocks.count {
                let pixels = blocks.len(block);
                let pixel = (self.image * output.height + row) * output.width + x;
                // SAFETY: the caller's.
                unsafe {
                    let run = Run {
                        output: self.output.add(pixel * output.stride + channel),
                        residual: self
                            .residual
                            .wrapping_add(pixel * residual_stride + channel),
                        weights: conv.weights.as_ptr().add(panel * panel_weights + lane),
                        bias: conv.bias.as_ptr().add(channel),
                        taps: taps.clone(),
                        top,
                        left: (x * problem.stride[1]) as isize - problem.padding[1],
                        lane,
                    };
                    match pixels {
                        1 => self.run::<I, 1>(isa, &run, mask, ring),
                        2 => self.run::<I, 2>(isa, &run, mask, ring),
                        3 => self.run::<I, 3>(isa, &run, mask, ring),
                        4 => self.run::<I, 4>(isa, &run, mask, ring),
                        5 => self.run::<I, 5>(isa, &run, mask, ring),
                        6 => self.run::<I, 6>(isa, &run, mask, ring),
                        7 => self.run::<I, 7>(isa, &run, mask, ring),
                        _ => self.run::<I, PIXELS>(isa, &run, mask, ring),
                    }
                }
                x += pixels;
            }
        }
    }

    #[inline(always)]
    unsafe fn run<I: Isa, const P: usize>(&self, isa: I, run: &Run, mask: Mask<I>, ring: Ring) {
        let ops = isa.f32();
        let conv = self.conv;
        let problem = &conv.problem;
        let columns = problem.filter.kernel[1];
        let tap_step = problem.dilation[1] * ring.panel_len;
        let pixel_step = problem.stride[1] * ring.panel_len;
        // SAFETY: the caller's; the ring has whole vectors.
        unsafe {
            let mut sums = [ops.load_ptr(run.bias); P];
            for ky in run.taps.clone() {
                let row = (run.top + (ky * problem.dilation[0]) as isize) as usize;
                let mut from = ring.pixel(row, run.left).add(run.lane).cast_const();
                let mut weights = run.weights.add(ky * columns * ring.panel_len);
                for _ in 0..columns {
                    let weight = ops.load_ptr(weights);
                    for (p, sum) in sums.iter_mut().enumerate() {
                        let value = ops.load_ptr(from.wrapping_add(p * pixel_step));
                        *sum = ops.mul_add(value, weight, *sum);
                    }
                    from = from.wrapping_add(tap_step);
                    weights = weights.wrapping_add(ring.panel_len);
                }
            }
            let residual_stride = conv.residual.map_or(0, |residual| residual.stride);
            let mut residuals = [run.residual; P];
            let mut outputs = [run.output; P];
            for p in 0..P {
                residuals[p] = run.residual.wrapping_add(p * residual_stride);
                outputs[p] = run.output.wrapping_add(p * conv.output.stride);
            }
            (conv.epilogue).store(isa, sums, &residuals, &outputs, 0, mask);
        }
    }
}
