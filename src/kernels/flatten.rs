//! Maps into features.

use super::{Dispatch, Map, NodeContext, Read, is_alias};
use crate::error::Result;
use crate::gpu::FLATTEN;

pub(super) fn dispatches(context: &NodeContext) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    if is_alias(&context.node.op, &input) {
        return Ok(Vec::new());
    }
    let params: [Map; 2] = [input, context.output];
    Ok(vec![context.per_element(
        &FLATTEN,
        &params,
        vec![Read::Input(0)],
    )?])
}
