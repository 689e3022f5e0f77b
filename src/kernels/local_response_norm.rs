//! Local response normalisation.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::LOCAL_RESPONSE_NORM;
use crate::graph::LocalResponseNorm;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    before: u32,
    after: u32,
    share: f32,
    beta: f32,
    k: f32,
    unused: [u32; 3],
}

pub(super) fn dispatches(context: &NodeContext, op: &LocalResponseNorm) -> Result<Vec<Dispatch>> {
    // More than there are channels is as many as there are, and does not overflow.
    let reach = |channels: usize| channels.min(context.output.channels as usize) as u32;
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        before: reach(op.size / 2),
        after: reach((op.size - 1) / 2),
        share: (op.alpha / op.size as f64) as f32,
        beta: op.beta as f32,
        k: op.k as f32,
        unused: [0; 3],
    };
    Ok(vec![context.per_element(
        &LOCAL_RESPONSE_NORM,
        &params,
        vec![Read::Input(0)],
    )?])
}
