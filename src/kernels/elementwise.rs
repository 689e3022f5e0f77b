//! Element-wise functions of two tensors.

use super::activation;
use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::BINARY;
use crate::gpu::uniform::uniforms;
use crate::graph::Binary;

uniforms! {
    struct Params for BINARY {
        a: TensorView,
        b: TensorView,
        output: TensorView,
        slope: f32,
        unused: [u32; 3],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Binary) -> Result<Vec<Dispatch>> {
    let (activation, slope) = activation::code(context.node.fused.activation);
    let params = Params {
        a: context.inputs[0],
        b: context.inputs[1],
        output: context.output,
        slope,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    // The operation's code in `shaders/binary.wgsl`.
    let code = match op {
        Binary::Add => 0,
        Binary::Mul => 1,
        Binary::Sub => 2,
        Binary::Div => 3,
        Binary::Max => 4,
        Binary::Min => 5,
    };
    let dispatch = context.per_element(&BINARY, &params, reads, NO_LOOPS)?;
    let dispatch = dispatch.constant("OPERATION", code);
    Ok(vec![dispatch.constant("ACTIVATION", activation)])
}
