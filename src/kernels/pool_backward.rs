//! Gradients of pooling.

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{ADAPTIVE_AVG_POOL_BACKWARD, AVG_POOL_BACKWARD, MAX_POOL_BACKWARD};
use crate::graph::{Pool2d, PoolKind};

uniforms! {
    struct AdaptiveAverageParams for ADAPTIVE_AVG_POOL_BACKWARD {
        gradient: TensorView,
        output: TensorView,
    }

    struct MaxParams for MAX_POOL_BACKWARD {
        gradient: TensorView,
        input: TensorView,
        pooled: TensorView,
        output: TensorView,
        kernel: [u32; 2],
        stride: [u32; 2],
        dilation: [u32; 2],
        padding: [u32; 2],
    }

    struct AverageParams for AVG_POOL_BACKWARD {
        gradient: TensorView,
        output: TensorView,
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
        padding_after: [u32; 2],
        count_include_pad: u32,
        unused: [u32; 3],
    }
}

pub(super) fn max(context: &LoweringContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let [top, _, left, _] = padding(context, op);
    let params = MaxParams {
        gradient: context.inputs[0],
        input: context.inputs[1],
        pooled: context.inputs[2],
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        dilation: op.dilation.map(|v| v as u32),
        padding: [top, left],
    };
    let reads = [0, 1, 2].map(Read::Input).to_vec();
    Ok(vec![context.per_element(
        &MAX_POOL_BACKWARD,
        &params,
        reads,
    )?])
}

pub(super) fn average(context: &LoweringContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let [top, bottom, left, right] = padding(context, op);
    let count_include_pad = matches!(
        op.kind,
        PoolKind::Average {
            count_include_pad: true
        }
    );
    let params = AverageParams {
        gradient: context.inputs[0],
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        padding: [top, left],
        padding_after: [bottom, right],
        count_include_pad: u32::from(count_include_pad),
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0)];
    Ok(vec![context.per_element(
        &AVG_POOL_BACKWARD,
        &params,
        reads,
    )?])
}

pub(super) fn adaptive_average(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let params = AdaptiveAverageParams {
        gradient: context.inputs[0],
        output: context.output,
    };
    let reads = vec![Read::Input(0)];
    Ok(vec![context.per_element(
        &ADAPTIVE_AVG_POOL_BACKWARD,
        &params,
        reads,
    )?])
}

/// The padding `[top, bottom, left, right]` of the pooling's input, whose size is that of the gradient computed
/// here.
fn padding(context: &LoweringContext, op: &Pool2d) -> [u32; 4] {
    let size = [context.output.height, context.output.width];
    op.padding_for(size.map(|v| v as usize)).map(|v| v as u32)
}
