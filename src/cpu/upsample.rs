//! Nearest and bilinear resizing. Vectors are of channels.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, Values, part, row_tasks};
use super::map::Map;
use super::simd::{first_lanes, load, store};

/// The two pixels that an output pixel is made of along an axis, and the weight of the second.
type Source = (usize, usize, f32);

#[derive(Debug)]
pub(super) struct Upsampling {
    input: Map,
    output: Map,
    rows: Vec<Source>,
    columns: Vec<Source>,
    stages: [usize; 1],
}

impl Upsampling {
    pub fn new(input: Map, output: Map, [rows, columns]: [Vec<Source>; 2], threads: usize) -> Self {
        Self {
            input,
            output,
            rows,
            columns,
            stages: [row_tasks(&output, threads)],
        }
    }
}

impl Kernel for Upsampling {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            kernel: self,
            task,
            input: values.inputs[0],
            output: values.output,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a Upsampling,
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
        let kernel = self.kernel;
        let (input, output) = (kernel.input, kernel.output);
        for row in part(output.batch * output.height, kernel.stages[0], self.task) {
            let image = row / output.height * input.height;
            let (top, bottom, v) = kernel.rows[row % output.height];
            for (x, &(left, right, u)) in kernel.columns.iter().enumerate() {
                // SAFETY: `Kernel::run`'s; sources lie inside the map.
                unsafe {
                    let from = |y: usize, x: usize| {
                        self.input
                            .add(((image + y) * input.width + x) * input.stride)
                    };
                    let corners = [
                        from(top, left),
                        from(top, right),
                        from(bottom, left),
                        from(bottom, right),
                    ];
                    let to = self.output.add((row * output.width + x) * output.stride);
                    if u == 0.0 && v == 0.0 {
                        corners[0].copy_to_nonoverlapping(to, output.channels);
                        continue;
                    }
                    let (u0, u1) = (ops.splat(1.0 - u), ops.splat(u));
                    let (v0, v1) = (ops.splat(1.0 - v), ops.splat(v));
                    let mut channel = 0;
                    while channel < output.channels {
                        let mask = first_lanes(isa, output.channels - channel);
                        let [a, b, c, d] =
                            [0, 1, 2, 3].map(|i| load(isa, corners[i].add(channel), mask));
                        let top = ops.add(ops.mul(a, u0), ops.mul(b, u1));
                        let bottom = ops.add(ops.mul(c, u0), ops.mul(d, u1));
                        let y = ops.add(ops.mul(top, v0), ops.mul(bottom, v1));
                        store(isa, y, to.add(channel), mask);
                        channel += lanes;
                    }
                }
            }
        }
    }
}
