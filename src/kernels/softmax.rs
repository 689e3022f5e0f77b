//! Softmax and hardmax over the channels.

use super::loop_iterations::REDUCTION_ITERATIONS;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{HARDMAX, HARDMAX_SUBGROUP, SOFTMAX, SOFTMAX_SUBGROUP, Shader};

uniforms! {
    struct Params for SOFTMAX, SOFTMAX_SUBGROUP {
        input: TensorView,
        output: TensorView,
        nan: f32,
        unused: [u32; 3],
    }

    struct HardParams for HARDMAX, HARDMAX_SUBGROUP {
        input: TensorView,
        output: TensorView,
    }
}

pub(super) fn dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        nan: f32::NAN,
        unused: [0; 3],
    };
    per_pixel_team(context, &params, &SOFTMAX, &SOFTMAX_SUBGROUP)
}

pub(super) fn hard_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let params = HardParams {
        input: context.inputs[0],
        output: context.output,
    };
    per_pixel_team(context, &params, &HARDMAX, &HARDMAX_SUBGROUP)
}

/// One team (`shaders/shared/reduction_team.wgsl`) per pixel.
fn per_pixel_team(
    context: &LoweringContext,
    params: &impl bytemuck::Pod,
    portable: &'static Shader,
    subgroup: &'static Shader,
) -> Result<Vec<Dispatch>> {
    let pixels = u64::from(context.output.pixels);
    let [x, y] = (context.device).fold(&context.node.name, context.teams(pixels))?;
    let reads = vec![Read::Input(0)];
    let (shader, reason) = context.reducing(portable, subgroup);
    // The channels are read twice.
    let elements = 2 * u64::from(context.output.c4);
    let iterations = elements.div_ceil(context.team_members()) + REDUCTION_ITERATIONS;
    let dispatch = (context.device).dispatch(shader, params, reads, [x, y, 1], iterations);
    Ok(vec![dispatch.selected(None, reason)])
}
