//! Padding and cropping.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::PAD;
use crate::gpu::uniform::uniforms;
use crate::graph::{CenterCropOrPad, Pad2d};

uniforms! {
    struct Params for PAD {
        input: TensorView,
        output: TensorView,
        /// Rows above and columns on the left. Negative values wrap around, as in the shader's arithmetic.
        before: [u32; 2],
        value: f32,
        unused: u32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Pad2d) -> Result<Vec<Dispatch>> {
    pad(context, [op.top, op.left], op.value)
}

pub(super) fn center_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let size = |view: &TensorView| [view.height as usize, view.width as usize];
    let sides = CenterCropOrPad::sides(size(&context.inputs[0]), size(&context.output));
    let [top, _, left, _] = sides;
    pad(context, [top, left], 0.0)
}

fn pad(context: &LoweringContext, before: [isize; 2], value: f32) -> Result<Vec<Dispatch>> {
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
        NO_LOOPS,
    )?])
}
