//! Reductions over space or channels.

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::{REDUCE_CHANNELS, REDUCE_SPACE};
use crate::graph::{Reduce, ReduceKind, ReduceOver};

pub(super) fn dispatches(context: &NodeContext, op: Reduce) -> Result<Vec<Dispatch>> {
    let params: [Map; 2] = [context.inputs[0], context.output];
    let reads = vec![Read::Input(0)];
    let device = context.device;
    let dispatch = match op.over {
        ReduceOver::Space => {
            let grid = context.eight_elements_a_workgroup()?;
            device.dispatch(&REDUCE_SPACE, &params, reads, grid)
        }
        ReduceOver::Channels => {
            let pixels = u64::from(context.output.pixels);
            let grid = device.flat_grid(&context.node.name, pixels)?;
            device.dispatch(&REDUCE_CHANNELS, &params, reads, grid)
        }
    };
    // The number that `shaders/shared/reduce.wgsl` has for it.
    let code = match op.kind {
        ReduceKind::Sum => 0,
        ReduceKind::Mean => 1,
        ReduceKind::Max => 2,
        ReduceKind::Min => 3,
    };
    Ok(vec![dispatch.constant("OPERATION", code)])
}
