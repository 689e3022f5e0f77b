//! Flattening feature maps to features, and back.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{FLATTEN, Shader, UNFLATTEN};

uniforms! {
    struct Params for FLATTEN, UNFLATTEN {
        input: TensorView,
        output: TensorView,
    }
}

pub(super) fn dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    reshape(context, &FLATTEN)
}

pub(super) fn back_dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    reshape(context, &UNFLATTEN)
}

fn reshape(context: &LoweringContext, shader: &'static Shader) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
    };
    let dispatch = context.per_element(shader, &params, vec![Read::Input(0)], NO_LOOPS)?;
    Ok(vec![dispatch])
}
