//! Samples of a map at given positions. Vectors are of channels.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, Values, part, row_tasks};
use super::map::Map;
use super::simd::{first_lanes, load, store};
use crate::graph::{GridSample, GridSampleMode};
use crate::reference::{grid_coordinate, grid_nearest, grid_pixel};

#[derive(Debug)]
pub(super) struct GridSampling {
    op: GridSample,
    input: Map,
    /// Of each output pixel, the column and the row.
    positions: Map,
    output: Map,
    stages: [usize; 1],
}

impl GridSampling {
    /// Whether it computes the operator.
    pub fn can_compute(op: &GridSample) -> bool {
        op.volume.is_none() && op.mode != GridSampleMode::Bicubic
    }

    pub fn new(op: GridSample, [input, positions]: [Map; 2], output: Map, threads: usize) -> Self {
        Self {
            op,
            input,
            positions,
            output,
            stages: [row_tasks(&output, threads)],
        }
    }

    /// The two pixels of an axis of `size` pixels that a position is made of, and their weights: 0 for what is outside.
    fn taps(&self, position: f32, size: usize) -> [(usize, f32); 2] {
        let (x, _) = grid_coordinate(&self.op, position, size);
        let tap = |at: f32, weight: f32| match grid_pixel(&self.op, at, size) {
            Some(pixel) => (pixel, weight),
            None => (0, 0.0),
        };
        match self.op.mode {
            GridSampleMode::Nearest => [tap(grid_nearest(x), 1.0), (0, 0.0)],
            _ => {
                let (first, part) = (x.floor(), x - x.floor());
                [tap(first, 1.0 - part), tap(first + 1.0, part)]
            }
        }
    }
}

impl Kernel for GridSampling {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            kernel: self,
            task,
            input: values.inputs[0],
            positions: values.inputs[1],
            output: values.output,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a GridSampling,
    task: usize,
    input: *const f32,
    positions: *const f32,
    output: *mut f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        let GridSampling {
            input,
            positions,
            output,
            ..
        } = *self.kernel;
        for row in part(
            output.batch * output.height,
            self.kernel.stages[0],
            self.task,
        ) {
            let image = row / output.height * input.height;
            for x in 0..output.width {
                let pixel = row * output.width + x;
                // SAFETY: `Kernel::run`'s; each output pixel has two positions, and taps lie inside the map.
                unsafe {
                    let position = self.positions.add(pixel * positions.stride);
                    let [column, line] = [*position, *position.add(1)];
                    let to = self.output.add(pixel * output.stride);
                    if column.is_nan() || line.is_nan() {
                        std::slice::from_raw_parts_mut(to, output.channels).fill(f32::NAN);
                        continue;
                    }
                    let rows = self.kernel.taps(line, input.height);
                    let columns = self.kernel.taps(column, input.width);
                    let taps = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(i, j)| {
                        let at = (image + rows[i].0) * input.width + columns[j].0;
                        (self.input.add(at * input.stride), rows[i].1 * columns[j].1)
                    });
                    let mut channel = 0;
                    while channel < output.channels {
                        let mask = first_lanes(isa, output.channels - channel);
                        let mut sum = ops.splat(0.0);
                        for (from, weight) in taps {
                            // What is not part of the sample may be infinite.
                            if weight != 0.0 {
                                let value = load(isa, from.add(channel), mask);
                                sum = ops.mul_add(value, ops.splat(weight), sum);
                            }
                        }
                        store(isa, sum, to.add(channel), mask);
                        channel += lanes;
                    }
                }
            }
        }
    }
}
