//! Darknet's reorg, a space-to-depth.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::REORG;
use crate::gpu::uniform::uniforms;
use crate::graph::Reorg;

uniforms! {
    struct Params for REORG {
        input: TensorView,
        output: TensorView,
        stride: u32,
        unused: [u32; 3],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Reorg) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        stride: op.stride as u32,
        unused: [0; 3],
    };
    Ok(vec![context.per_element(
        &REORG,
        &params,
        vec![Read::Input(0)],
        NO_LOOPS,
    )?])
}
