//! Maps into features.

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::FLATTEN;

pub(super) fn dispatches(context: &NodeContext) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    let params: [Map; 2] = [input, context.output];
    Ok(vec![context.per_element(
        &FLATTEN,
        &params,
        vec![Read::Input(0)],
    )?])
}
