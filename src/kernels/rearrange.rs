//! Elements in another order or number.

use super::{Dispatch, LoweringContext, Read, TensorView, nested};
use crate::error::Result;
use crate::gpu::REARRANGE;
use crate::gpu::uniform::uniforms;
use crate::graph::{ChannelShuffle, Factor, Rearrange};
use crate::tensor::Shape;

uniforms! {
    struct Params for REARRANGE {
        input: TensorView,
        output: TensorView,
        offset: u32,
        factor_count: u32,
        unused: [u32; 2],
        /// Extent and stride. Negative strides wrap around, as in the shader's arithmetic.
        factors: [[u32; 4]; Rearrange::MAX_FACTORS],
    }
}

pub(super) fn shuffle_dispatches(
    context: &LoweringContext,
    op: ChannelShuffle,
) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    let shape = [input.batch, input.channels, input.height, input.width];
    let shape = Shape::from(shape.map(|extent| extent as usize));
    dispatches(context, &op.rearrange(&shape))
}

pub(super) fn dispatches(context: &LoweringContext, op: &Rearrange) -> Result<Vec<Dispatch>> {
    let op = op.clone().merged();
    let mut factors = [[0; 4]; Rearrange::MAX_FACTORS];
    // `check` has bounded their number, and all indexes by 2^32.
    for (packed, Factor { extent, stride }) in factors.iter_mut().zip(&op.factors) {
        *packed = [*extent as u32, *stride as u32, 0, 0];
    }
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        offset: op.offset as u32,
        factor_count: op.factors.len() as u32,
        unused: [0; 2],
        factors,
    };
    let iterations = nested([op.factors.len() as u64]);
    let reads = vec![Read::Input(0)];
    Ok(vec![
        context.per_element(&REARRANGE, &params, reads, iterations)?,
    ])
}
