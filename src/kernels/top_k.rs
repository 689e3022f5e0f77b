//! The largest or smallest elements over the channels.

use super::loop_iterations::nested;
use super::{Dispatch, LoweringContext, Read, TensorView, WORKGROUP};
use crate::error::Result;
use crate::gpu::TOP_K_CHANNELS;
use crate::gpu::uniform::uniforms;
use crate::graph::{TopK, TopKOutput};

uniforms! {
    struct Params for TOP_K_CHANNELS {
        input: TensorView,
        output: TensorView,
    }
}

/// Elements of four channels that an invocation searches at most, while the team of a pixel can grow.
const ELEMENTS_PER_MEMBER: u32 = 8;

pub(super) fn dispatches(context: &LoweringContext, op: TopK) -> Result<Vec<Dispatch>> {
    let (input, output) = (context.inputs[0], context.output);
    let params = Params { input, output };
    let members = input.c4.div_ceil(ELEMENTS_PER_MEMBER).next_power_of_two();
    // A power of two as well, and at most a workgroup.
    let team = members.min(WORKGROUP as u32);
    let pixels = u64::from(output.pixels);
    let workgroups = pixels.div_ceil(WORKGROUP / u64::from(team));
    let [x, y] = (context.device).fold(&context.node.name, workgroups)?;
    // Each member's elements of four channels, and the steps to the best of the team.
    let search = nested([u64::from(input.c4.div_ceil(team)), 5]) + u64::from(team.ilog2()) + 2;
    let iterations = nested([u64::from(output.channels), search]);
    let reads = vec![Read::Input(0)];
    let device = context.device;
    let dispatch = device.dispatch(&TOP_K_CHANNELS, &params, reads, [x, y, 1], iterations);
    Ok(vec![dispatch.constants(&[
        ("TEAM", team),
        ("SMALLEST", u32::from(!op.largest)),
        ("INDICES", u32::from(op.output == TopKOutput::Indices)),
    ])])
}
