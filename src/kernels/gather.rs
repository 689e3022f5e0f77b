//! Elements at indices that are known.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::GATHER;
use crate::gpu::uniform::uniforms;
use crate::graph::Gather;

uniforms! {
    struct Params for GATHER {
        input: TensorView,
        output: TensorView,
        count: u32,
        len: u32,
        inner: u32,
        unused: u32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Gather) -> Result<Vec<Dispatch>> {
    // `check` has bounded them by the number of elements, which is below 2^32.
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        count: op.count as u32,
        len: op.indices.len() as u32,
        inner: op.inner as u32,
        unused: 0,
    };
    let padded = op.indices.len().next_multiple_of(4);
    context.device.check_binding(
        &format!("the indices of '{}'", context.node.name),
        padded as u64 * 4,
        "use another device, or the CPU",
    )?;
    // Weights are float32: these have the bits of the integers, which the shader reads.
    let bits = op.indices.iter().copied().map(f32::from_bits).collect();
    let table = context.table("indices", bits);
    let reads = vec![Read::Input(0), table];
    Ok(vec![
        context.per_element(&GATHER, &params, reads, NO_LOOPS)?,
    ])
}
