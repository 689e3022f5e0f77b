//! Batch normalisation that no convolution takes in.

use bytemuck::{Pod, Zeroable};

use super::prologue::Prologue;
use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::BATCH_NORM;
use crate::graph::{BatchNorm2d, Norm};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    slope: f32,
    unused: [u32; 3],
}

pub(super) fn dispatches(context: &NodeContext, op: &BatchNorm2d) -> Result<Vec<Dispatch>> {
    let norm = Norm {
        name: context.node.name.clone(),
        op: op.clone(),
    };
    let activation = context.node.fused.activation;
    let whole = Prologue::made_of(context, Some(norm), activation, op.channels);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        slope: whole.slope,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), whole.read(&Read::Input(0))];
    let dispatch = context.per_element(&BATCH_NORM, &params, reads)?;
    Ok(vec![whole.select(dispatch)])
}
