//! Concatenation along the channels, one dispatch an input.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::CONCAT;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    first_channel: u32,
}

pub(super) fn dispatches(context: &NodeContext) -> Result<Vec<Dispatch>> {
    let mut first_channel = 0;
    let mut steps = Vec::new();
    for (i, input) in context.inputs.iter().enumerate() {
        let params = Params {
            input: *input,
            output: context.output,
            first_channel,
        };
        let last_channel = first_channel + input.channels - 1;
        let groups = last_channel / 4 - first_channel / 4 + 1;
        let count = u64::from(input.pixels) * u64::from(groups);
        let grid = context.device.flat_grid(&context.node.name, count)?;
        let reads = vec![Read::Input(i)];
        steps.push(context.device.dispatch(&CONCAT, &params, reads, grid));
        first_channel += input.channels;
    }
    Ok(steps)
}
