//! Padding and cropping.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::PAD;
use crate::graph::{CenterCropOrPad, Pad2d};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: TensorView,
    output: TensorView,
    /// Wraps around below zero, as the shader's arithmetic does.
    before: [u32; 2],
    value: f32,
    unused: u32,
}

pub(super) fn dispatches(context: &LoweringContext, op: &Pad2d) -> Result<Vec<Dispatch>> {
    moved(context, [op.top, op.left], op.value)
}

pub(super) fn center_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let (input, output) = (&context.inputs[0], &context.output);
    let before = [
        CenterCropOrPad::before(input.height as usize, output.height as usize),
        CenterCropOrPad::before(input.width as usize, output.width as usize),
    ];
    moved(context, before, 0.0)
}

fn moved(context: &LoweringContext, before: [isize; 2], value: f32) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        before: before.map(|v| v as u32),
        value,
        unused: 0,
    };
    Ok(vec![context.per_element(
        &PAD,
        &params,
        vec![Read::Input(0)],
    )?])
}
