//! Maps into features, and back.

use super::{Dispatch, NodeContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::{FLATTEN, Shader, UNFLATTEN};

pub(super) fn dispatches(context: &NodeContext) -> Result<Vec<Dispatch>> {
    moved(context, &FLATTEN)
}

pub(super) fn back_dispatches(context: &NodeContext) -> Result<Vec<Dispatch>> {
    moved(context, &UNFLATTEN)
}

fn moved(context: &NodeContext, shader: &'static Shader) -> Result<Vec<Dispatch>> {
    let params: [TensorView; 2] = [context.inputs[0], context.output];
    let dispatch = context.per_element(shader, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch])
}
