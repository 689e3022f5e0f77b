//! Upsampling.

use super::loop_iterations::{SumPart, SumPartParams, in_parts, plain};
use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{UPSAMPLE, UPSAMPLE_BACKWARD};
use crate::graph::{Upsample, UpsampleMode};

uniforms! {
    struct Params for UPSAMPLE {
        input: TensorView,
        output: TensorView,
        scale: [f32; 2],
        unused: [u32; 2],
    }

    struct BackwardParams for UPSAMPLE_BACKWARD {
        gradient: TensorView,
        output: TensorView,
        part: SumPartParams,
        scale: [f32; 2],
        unused: [u32; 2],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Upsample) -> Result<Vec<Dispatch>> {
    let (input, output) = (context.inputs[0], context.output);
    let params = Params {
        input,
        output,
        scale: scale(op, &input, &output),
        unused: [0; 2],
    };
    let dispatch = context.per_element(&UPSAMPLE, &params, vec![Read::Input(0)], NO_LOOPS)?;
    Ok(vec![dispatch.constant("MODE", code(op.mode))])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &Upsample,
) -> Result<Vec<Dispatch>> {
    let (gradient, output) = (context.inputs[0], context.output);
    let params = |part: &SumPart| BackwardParams {
        gradient,
        output,
        part: part.into(),
        // The gradient has the size of the upsampling's output, and its own output that of the input.
        scale: scale(op, &output, &gradient),
        unused: [0; 2],
    };
    let constants = [("MODE", code(op.mode))];
    let scale = scale(op, &output, &gradient);
    // As `contribution_range` of the shader.
    let most = |count: u32, size: u32, scale: f32| match size > 1 && scale > 0.0 {
        true => (count as usize).min((2.0 / f64::from(scale)).ceil() as usize + 6),
        false => count as usize,
    };
    let window = [
        most(gradient.height, output.height, scale[0]),
        most(gradient.width, output.width, scale[1]),
    ];
    in_parts(
        context,
        &UPSAMPLE_BACKWARD,
        1,
        &constants,
        window,
        plain,
        params,
    )
}

/// Input pixels per output pixel of an upsampling from `input` to `output`, along each axis.
fn scale(op: &Upsample, input: &TensorView, output: &TensorView) -> [f32; 2] {
    let size = |view: &TensorView| [view.height as usize, view.width as usize];
    op.scale(size(input), size(output)).map(|s| s as f32)
}

/// The mode's code in `shaders/upsample.wgsl`.
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
