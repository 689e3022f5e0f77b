//! Batch normalisation that no convolution takes in.

use bytemuck::{Pod, Zeroable};

use super::prologue::Prologue;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::BATCH_NORM;
use crate::graph::{BatchNorm2d, Norm};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: TensorView,
    output: TensorView,
    slope: f32,
    unused: [u32; 3],
}

pub(super) fn dispatches(context: &LoweringContext, op: &BatchNorm2d) -> Result<Vec<Dispatch>> {
    let activation = context.node.fused.activation;
    let whole = Prologue::made_of(context, Some(norm(context, op)), activation, op.channels);
    dispatch(context, &whole)
}

/// The scale alone: shifts make no difference to how fast the answer grows.
pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &BatchNorm2d,
) -> Result<Vec<Dispatch>> {
    dispatch(context, &Prologue::scale_of(context, norm(context, op)))
}

fn norm(context: &LoweringContext, op: &BatchNorm2d) -> Norm {
    Norm {
        name: context.node.parameter_prefix().to_owned(),
        op: op.clone(),
    }
}

fn dispatch(context: &LoweringContext, whole: &Prologue) -> Result<Vec<Dispatch>> {
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
