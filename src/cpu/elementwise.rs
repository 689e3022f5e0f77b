//! Element-wise functions: of one value, with a norm and an activation, or of two, of which one may have one pixel per
//! image.

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::Gelu;

use super::kernel::{Kernel, Scratch, Values, part, pixel_tasks};
use super::map::Map;
use super::prologue::Prologue;
use super::simd::{activate, first_lanes, keep_nan, load, store};
use crate::graph::{Activation, Binary, Unary};
use crate::reference::unary_of;

/// Floats of a task at least.
const TASK_FLOATS: usize = 8192;

/// What is computed of a vector.
#[derive(Clone, Debug)]
pub(super) enum Function {
    /// Of one value: a norm, an activation or both.
    Affine(Prologue),
    /// Of one value, without a norm.
    One(Unary),
    /// Of two values.
    Two(Binary, Option<Activation>),
}

impl Function {
    /// Whether vectors can compute it.
    pub fn is_fast(op: Binary) -> bool {
        matches!(op, Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)
    }
}

/// An input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub map: Map,
    /// Whether its one pixel is that of all pixels of the image.
    pub is_broadcast: bool,
}

#[derive(Debug)]
pub(super) struct Elementwise {
    operands: Vec<Operand>,
    output: Map,
    function: Function,
    stages: [usize; 1],
}

impl Elementwise {
    pub fn new(operands: Vec<Operand>, output: Map, function: Function, threads: usize) -> Self {
        Self {
            operands,
            output,
            function,
            stages: [pixel_tasks(&output, TASK_FLOATS, threads)],
        }
    }
}

impl Kernel for Elementwise {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            kernel: self,
            pixels: part(self.output.pixels(), self.stages[0], task),
            inputs: values.inputs,
            output: values.output,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a Elementwise,
    pixels: std::ops::Range<usize>,
    inputs: &'a [*const f32],
    output: *mut f32,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        let kernel = self.kernel;
        let output = kernel.output;
        let plane = output.height * output.width;
        for pixel in self.pixels.clone() {
            // SAFETY: `Kernel::run`'s.
            unsafe {
                let from = |i: usize| {
                    let operand = &kernel.operands[i];
                    let pixel = match operand.is_broadcast {
                        true => pixel / plane,
                        false => pixel,
                    };
                    self.inputs[i].add(pixel * operand.map.stride)
                };
                let a = from(0);
                let to = self.output.add(pixel * output.stride);
                let mut channel = 0;
                match &kernel.function {
                    Function::Affine(affine) => affine.copy(isa, a, to, output.channels),
                    Function::One(Unary::Gelu) => {
                        while channel < output.channels {
                            let mask = first_lanes(isa, output.channels - channel);
                            let x = load(isa, a.add(channel), mask);
                            let y = keep_nan(isa, x, Gelu {}.eval(isa, x));
                            store(isa, y, to.add(channel), mask);
                            channel += lanes;
                        }
                    }
                    Function::One(op) => {
                        for channel in 0..output.channels {
                            *to.add(channel) = unary_of(*op, *a.add(channel));
                        }
                    }
                    Function::Two(op, activation) => {
                        let b = from(1);
                        while channel < output.channels {
                            let mask = first_lanes(isa, output.channels - channel);
                            let x = load(isa, a.add(channel), mask);
                            let y = load(isa, b.add(channel), mask);
                            let mut z = match op {
                                Binary::Add => ops.add(x, y),
                                Binary::Sub => ops.sub(x, y),
                                Binary::Mul => ops.mul(x, y),
                                _ => ops.div(x, y),
                            };
                            if let Some(activation) = activation {
                                z = activate(isa, *activation, z);
                            }
                            store(isa, z, to.add(channel), mask);
                            channel += lanes;
                        }
                    }
                }
            }
        }
    }
}
