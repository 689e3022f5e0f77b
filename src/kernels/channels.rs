//! Copies of channels: concatenation, one dispatch per input, and slices.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::COPY_CHANNELS;
use crate::gpu::uniform::uniforms;
use crate::graph::SliceChannels;

uniforms! {
    struct Params for COPY_CHANNELS {
        input: TensorView,
        output: TensorView,
        first_input: u32,
        first_output: u32,
        count: u32,
        unused: u32,
    }
}

pub(super) fn concat(context: &LoweringContext, in_place: &[bool]) -> Result<Vec<Dispatch>> {
    let mut first_output = 0;
    let mut steps = Vec::new();
    for (i, input) in context.inputs.iter().enumerate() {
        if !in_place[i] {
            steps.push(copy(context, i, 0, first_output, input.channels)?);
        }
        first_output += input.channels;
    }
    Ok(steps)
}

pub(super) fn slice(context: &LoweringContext, op: SliceChannels) -> Result<Vec<Dispatch>> {
    // Shape inference has checked that the input has these channels.
    let count = (op.end - op.start) as u32;
    Ok(vec![copy(context, 0, op.start as u32, 0, count)?])
}

fn copy(
    context: &LoweringContext,
    input: usize,
    first_input: u32,
    first_output: u32,
    count: u32,
) -> Result<Dispatch> {
    let params = Params {
        input: context.inputs[input],
        output: context.output,
        first_input,
        first_output,
        count,
        unused: 0,
    };
    let c4 = (first_output + count - 1) / 4 - first_output / 4 + 1;
    let invocations = u64::from(context.output.pixels) * u64::from(c4);
    let grid = context.device.flat_grid(&context.node.name, invocations)?;
    let reads = vec![Read::Input(input)];
    Ok((context.device).dispatch(&COPY_CHANNELS, &params, reads, grid, NO_LOOPS))
}
