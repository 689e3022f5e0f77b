//! Maps into features, and back.

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::{FLATTEN, Shader, UNFLATTEN};

pub(super) fn dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    moved(context, &FLATTEN)
}

pub(super) fn back_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    moved(context, &UNFLATTEN)
}

fn moved(context: &LoweringContext, shader: &'static Shader) -> Result<Vec<Dispatch>> {
    let params: [TensorView; 2] = [context.inputs[0], context.output];
    let dispatch = context.per_element(shader, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch])
}
