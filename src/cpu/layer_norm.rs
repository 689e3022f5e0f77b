//! Layer normalization over the channels of each pixel.

use std::sync::Arc;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::kernel::{Kernel, Scratch, Values, part, pixel_tasks};
use super::map::Map;
use super::memory::Floats;
use super::packed::Building;
use super::simd::{activate, first_lanes, load, store};
use crate::error::Result;
use crate::graph::{Activation, GroupNorm, Node, NormOver};

/// Floats of a task at least.
const TASK_FLOATS: usize = 8192;

#[derive(Debug)]
pub(super) struct LayerNorm {
    input: Map,
    output: Map,
    eps: f32,
    centered: bool,
    /// The weights of all channels, then their biases.
    affine: Option<Arc<Floats>>,
    /// From the weights to the biases.
    biases: usize,
    activation: Option<Activation>,
    stages: [usize; 1],
}

impl LayerNorm {
    /// Whether this kernel computes it: each pixel by itself, all channels in one group.
    pub fn can_compute(op: &GroupNorm) -> bool {
        op.over == NormOver::Pixel && op.groups == 1
    }

    pub fn new(
        node: &Node,
        op: &GroupNorm,
        input: Map,
        output: Map,
        building: &mut Building,
    ) -> Result<Self> {
        let biases = op.channels.next_multiple_of(16);
        let weights = building.weights;
        let name = format!("{} weights and biases", node.name());
        let affine = op.affine.then(|| {
            building.packed.get(name, 2 * biases, |packed| {
                let (scales, offsets) = packed.split_at_mut(biases);
                let values = weights.read(&node.parameter_name("weight"))?;
                scales[..values.len()].copy_from_slice(&values);
                let values = weights.read(&node.parameter_name("bias"))?;
                offsets[..values.len()].copy_from_slice(&values);
                Ok(())
            })
        });
        Ok(Self {
            input,
            output,
            eps: op.eps as f32,
            centered: op.centered,
            affine: affine.transpose()?,
            biases,
            activation: node.fused.activation,
            stages: [pixel_tasks(&output, TASK_FLOATS, building.threads)],
        })
    }
}

impl Kernel for LayerNorm {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    unsafe fn run(&self, values: &Values, _stage: usize, task: usize, _scratch: Scratch) {
        RunTask {
            norm: self,
            task,
            input: values.inputs[0],
            output: values.output,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    norm: &'a LayerNorm,
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
        let norm = self.norm;
        let channels = norm.output.channels;
        for pixel in part(norm.output.pixels(), norm.stages[0], self.task) {
            // SAFETY: `Kernel::run`'s; vectors are masked where channels end.
            unsafe {
                let from = self.input.add(pixel * norm.input.stride);
                let to = self.output.add(pixel * norm.output.stride);
                let mean = match norm.centered {
                    true => {
                        let mut sum = ops.zero();
                        for channel in (0..channels).step_by(lanes) {
                            let mask = first_lanes(isa, channels - channel);
                            sum = ops.add(sum, load(isa, from.add(channel), mask));
                        }
                        ops.sum(sum) / channels as f32
                    }
                    false => 0.0,
                };
                let mean = ops.splat(mean);
                let mut sum = ops.zero();
                for channel in (0..channels).step_by(lanes) {
                    let mask = first_lanes(isa, channels - channel);
                    let x = ops.sub(load(isa, from.add(channel), mask), mean);
                    let square = ops.mul(x, x);
                    let square = match mask {
                        Some(mask) => ops.select(square, ops.zero(), mask),
                        None => square,
                    };
                    sum = ops.add(sum, square);
                }
                let variance = ops.sum(sum) / channels as f32;
                let scale = ops.splat(1.0 / (variance + norm.eps).sqrt());
                for channel in (0..channels).step_by(lanes) {
                    let mask = first_lanes(isa, channels - channel);
                    let x = ops.sub(load(isa, from.add(channel), mask), mean);
                    let mut y = ops.mul(x, scale);
                    if let Some(affine) = &norm.affine {
                        let weight = affine.as_ptr().add(channel);
                        let bias = weight.add(norm.biases);
                        y = ops.mul_add(y, load(isa, weight, mask), load(isa, bias, mask));
                    }
                    if let Some(activation) = norm.activation {
                        y = activate(isa, activation, y);
                    }
                    store(isa, y, to.add(channel), mask);
                }
            }
        }
    }
}
