//! Element-wise functions of two values.

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::BINARY;
use crate::graph::Binary;

pub(super) fn dispatches(context: &NodeContext, op: Binary) -> Result<Vec<Dispatch>> {
    let params: [Map; 3] = [context.inputs[0], context.inputs[1], context.output];
    let reads = vec![Read::Input(0), Read::Input(1)];
    // The number that `shaders/binary.wgsl` has for it.
    let code = match op {
        Binary::Add => 0,
        Binary::Mul => 1,
        Binary::Sub => 2,
        Binary::Div => 3,
        Binary::Max => 4,
        Binary::Min => 5,
    };
    let dispatch = context.per_element(&BINARY, &params, reads)?;
    Ok(vec![dispatch.constant("OPERATION", code)])
}
