//! Batch normalization and layer scales that are not fused with a convolution.

use super::prologue::Prologue;
use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::BATCH_NORM;
use crate::gpu::uniform::uniforms;
use crate::graph::{BatchNorm2d, ChannelAffine, Norm};

uniforms! {
    struct Params for BATCH_NORM {
        input: TensorView,
        output: TensorView,
        prologue_slope: f32,
        unused: [u32; 3],
    }
}

/// For a node of one of the two.
pub(super) fn dispatches(context: &LoweringContext, channels: usize) -> Result<Vec<Dispatch>> {
    let activation = context.node.fused.activation;
    let norm = Norm::of(context.node);
    dispatch(
        context,
        &Prologue::made_of(context, norm, activation, channels),
    )
}

/// Applies only the scale: the gradient does not depend on the shift.
pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &BatchNorm2d,
) -> Result<Vec<Dispatch>> {
    let norm = Norm {
        name: context.node.parameter_prefix().to_owned(),
        op: ChannelAffine::BatchNorm2d(op.clone()),
    };
    dispatch(context, &Prologue::scale_of(context, norm))
}

fn dispatch(context: &LoweringContext, affine: &Prologue) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        prologue_slope: affine.slope,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), affine.read(&Read::Input(0))];
    let dispatch = context.per_element(&BATCH_NORM, &params, reads, NO_LOOPS)?;
    Ok(vec![affine.select(dispatch)])
}
