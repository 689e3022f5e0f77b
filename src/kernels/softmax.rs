//! Softmax and hardmax over the channels.

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::{HARDMAX, HARDMAX_SUBGROUP, SOFTMAX, SOFTMAX_SUBGROUP, Shader};

pub(super) fn dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    by_teams(context, &SOFTMAX, &SOFTMAX_SUBGROUP)
}

pub(super) fn hard_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    by_teams(context, &HARDMAX, &HARDMAX_SUBGROUP)
}

/// A team a pixel.
fn by_teams(
    context: &LoweringContext,
    plain: &'static Shader,
    by_subgroups: &'static Shader,
) -> Result<Vec<Dispatch>> {
    let params: [TensorView; 2] = [context.inputs[0], context.output];
    let pixels = u64::from(context.output.pixels);
    let [x, y] = (context.device).fold(&context.node.name, context.teams(pixels))?;
    let reads = vec![Read::Input(0)];
    let (shader, reason) = context.reducing(plain, by_subgroups);
    let dispatch = (context.device).dispatch(shader, &params, reads, [x, y, 1]);
    Ok(vec![dispatch.selected(None, reason)])
}
