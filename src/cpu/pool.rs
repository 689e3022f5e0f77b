//! Pooling. Vectors are of channels.

use std::ops::Range;

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, TASKS_PER_THREAD, Values, part};
use super::map::Map;
use super::prologue::Prologue;
use super::simd::{first_lanes, load, store};

/// Along one axis, the pixels of each window and what its sum is divided by.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub pixels: Vec<Range<usize>>,
    /// From one pixel of a window to the next.
    pub step: usize,
    pub divisors: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct Pool {
    input: Map,
    output: Map,
    /// Rows and columns.
    windows: [Windows; 2],
    /// Whether the maximum is computed, not the mean.
    is_max: bool,
    prologue: Option<Prologue>,
    /// Tasks of rows, and of channels.
    parts: [usize; 2],
    stages: [usize; 1],
}

impl Pool {
    pub fn new(
        input: Map,
        output: Map,
        windows: [Windows; 2],
        is_max: bool,
        prologue: Option<Prologue>,
        threads: usize,
    ) -> Self {
        let rows = output.batch * output.height;
        let vectors = output.channels.div_ceil(super::simd::lanes());
        let wanted = match threads {
            1 => 1,
            _ => threads * TASKS_PER_THREAD,
        };
        let row_parts = rows.min(wanted).max(1);
        let channel_parts = (wanted / row_parts).clamp(1, vectors);
        Self {
            input,
            output,
            windows,
            is_max,
            prologue,
            parts: [row_parts, channel_parts],
            stages: [row_parts * channel_parts],
        }
    }
}

impl Kernel for Pool {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            pool: self,
            task,
            input: values.inputs[0],
            output: values.output,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    pool: &'a Pool,
    task: usize,
    input: *const f32,
    output: *mut f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        let pool = self.pool;
        let (input, output) = (pool.input, pool.output);
        let [row_parts, channel_parts] = pool.parts;
        let vectors = output.channels.div_ceil(lanes);
        let channels = part(vectors, channel_parts, self.task / row_parts);
        let [rows, columns] = &pool.windows;
        for row in part(
            output.batch * output.height,
            row_parts,
            self.task % row_parts,
        ) {
            let (image, y) = (row / output.height, row % output.height);
            for x in 0..output.width {
                let divisor = rows.divisors[y] * columns.divisors[x];
                for vector in channels.clone() {
                    let channel = vector * lanes;
                    let mask = first_lanes(isa, output.channels - channel);
                    let mut sum = match pool.is_max {
                        true => ops.splat(f32::NEG_INFINITY),
                        false => ops.zero(),
                    };
                    // SAFETY: `Kernel::run`'s; windows lie inside the map.
                    unsafe {
                        // Sums of rows are added: rounding errors are smaller than those of one sum.
                        let empty = sum;
                        for iy in rows.pixels[y].clone().step_by(rows.step) {
                            let mut line = empty;
                            for ix in columns.pixels[x].clone().step_by(columns.step) {
                                let pixel = (image * input.height + iy) * input.width + ix;
                                let from = self.input.add(pixel * input.stride + channel);
                                let mut value = load(isa, from, mask);
                                if let Some(prologue) = &pool.prologue {
                                    value = prologue.apply(isa, value, channel, mask);
                                }
                                line = combine(isa, pool.is_max, line, value);
                            }
                            sum = combine(isa, pool.is_max, sum, line);
                        }
                        if !pool.is_max {
                            sum = ops.div(sum, ops.splat(divisor));
                        }
                        let pixel = row * output.width + x;
                        let to = self.output.add(pixel * output.stride + channel);
                        store(isa, sum, to, mask);
                    }
                }
            }
        }
    }
}

/// The sum, or the larger: NaN if either is.
#[inline(always)]
fn combine<I: Isa>(isa: I, is_max: bool, a: I::F32, b: I::F32) -> I::F32 {
    let ops = isa.f32();
    match is_max {
        // On x86, the larger is the second operand where either is NaN.
        true => ops.select(ops.max(a, b), a, ops.eq(a, a)),
        false => ops.add(a, b),
    }
}
