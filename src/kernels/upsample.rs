//! Resizing.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::{UPSAMPLE, UPSAMPLE_BACKWARD};
use crate::graph::{Upsample, UpsampleMode};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: TensorView,
    output: TensorView,
    scale: [f32; 2],
    unused: [u32; 2],
}

pub(super) fn dispatches(context: &LoweringContext, op: &Upsample) -> Result<Vec<Dispatch>> {
    let params = params(op, context, context.inputs[0], context.output);
    let dispatch = context.per_element(&UPSAMPLE, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch.constant("MODE", code(op.mode))])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &Upsample,
) -> Result<Vec<Dispatch>> {
    let params = params(op, context, context.output, context.inputs[0]);
    let dispatch = context.per_element(&UPSAMPLE_BACKWARD, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch.constant("MODE", code(op.mode))])
}

/// For a map that went from `before` to `after`.
fn params(
    op: &Upsample,
    context: &LoweringContext,
    before: TensorView,
    after: TensorView,
) -> Params {
    let size = |map: &TensorView| [map.height as usize, map.width as usize];
    Params {
        input: context.inputs[0],
        output: context.output,
        scale: op.scale(size(&before), size(&after)).map(|s| s as f32),
        unused: [0; 2],
    }
}

/// The number that `shaders/upsample.wgsl` has for it.
fn code(mode: UpsampleMode) -> u32 {
    match mode {
        UpsampleMode::Nearest => 0,
        UpsampleMode::Bilinear {
            align_corners: false,
        } => 1,
        UpsampleMode::Bilinear {
            align_corners: true,
        } => 2,
    }
}
