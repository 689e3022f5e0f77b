//! Gradients of pooling.

use super::loop_iterations::{SumPart, SumPartParams, in_parts, nested, plain};
use super::{Dispatch, LoweringContext, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{ADAPTIVE_AVG_POOL_BACKWARD, AVG_POOL_BACKWARD, MAX_POOL_BACKWARD};
use crate::graph::{Pool2d, PoolKind};

uniforms! {
    struct AdaptiveAverageParams for ADAPTIVE_AVG_POOL_BACKWARD {
        gradient: TensorView,
        output: TensorView,
        part: SumPartParams,
    }

    struct MaxParams for MAX_POOL_BACKWARD {
        gradient: TensorView,
        input: TensorView,
        pooled: TensorView,
        output: TensorView,
        part: SumPartParams,
        kernel: [u32; 2],
        stride: [u32; 2],
        dilation: [u32; 2],
        padding: [u32; 2],
    }

    struct AverageParams for AVG_POOL_BACKWARD {
        gradient: TensorView,
        output: TensorView,
        part: SumPartParams,
        kernel: [u32; 2],
        stride: [u32; 2],
        padding: [u32; 2],
        padding_after: [u32; 2],
        dilation: [u32; 2],
        divisor: u32,
        unused: u32,
    }
}

pub(super) fn max(context: &LoweringContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let [top, _, left, _] = padding(context, op);
    let params = |part: &SumPart| MaxParams {
        gradient: context.inputs[0],
        input: context.inputs[1],
        pooled: context.inputs[2],
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        dilation: op.dilation.map(|v| v as u32),
        padding: [top, left],
        part: part.into(),
    };
    let windows = windows_of_pixel(&context.inputs[0], &extent(op), &op.stride);
    // For each, the taps before the pixel's own are searched for an equal maximum.
    let taps = op.kernel[0].saturating_mul(op.kernel[1]) as u64;
    let iterations = |[rows, columns]: [usize; 2]| nested([rows as u64, columns as u64, taps]);
    in_parts(
        context,
        &MAX_POOL_BACKWARD,
        3,
        &[],
        windows,
        iterations,
        params,
    )
}

pub(super) fn average(context: &LoweringContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let [top, bottom, left, right] = padding(context, op);
    // The codes in `shaders/avg_pool_backward.wgsl`.
    let divisor = match op.kind {
        PoolKind::Average {
            count_include_pad: false,
        } => 0,
        PoolKind::Average { .. } => 1,
        PoolKind::Max | PoolKind::Lp { .. } => 2,
    };
    let params = |part: &SumPart| AverageParams {
        gradient: context.inputs[0],
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        padding: [top, left],
        padding_after: [bottom, right],
        part: part.into(),
        dilation: op.dilation.map(|v| v as u32),
        divisor,
        unused: 0,
    };
    let windows = windows_of_pixel(&context.inputs[0], &extent(op), &op.stride);
    in_parts(context, &AVG_POOL_BACKWARD, 1, &[], windows, plain, params)
}

pub(super) fn adaptive_average(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let params = |part: &SumPart| AdaptiveAverageParams {
        gradient: context.inputs[0],
        output: context.output,
        part: part.into(),
    };
    let (gradient, output) = (context.inputs[0], context.output);
    // Bins that a pixel is in; the first and the last may begin or end within it.
    let bins = |bins: u32, size: u32| bins.min(bins.div_ceil(size.max(1)).saturating_add(1));
    let bins = [
        bins(gradient.height, output.height) as usize,
        bins(gradient.width, output.width) as usize,
    ];
    in_parts(
        context,
        &ADAPTIVE_AVG_POOL_BACKWARD,
        1,
        &[],
        bins,
        plain,
        params,
    )
}

/// Rows and columns from the first to the last of a window.
fn extent(op: &Pool2d) -> [usize; 2] {
    [0, 1].map(|i| {
        let gaps = op.dilation[i].saturating_mul(op.kernel[i].saturating_sub(1));
        gaps.saturating_add(1)
    })
}

/// The most windows along both axes that contain a pixel.
fn windows_of_pixel(gradient: &TensorView, extent: &[usize; 2], stride: &[usize; 2]) -> [usize; 2] {
    let count = [gradient.height as usize, gradient.width as usize];
    [0, 1].map(|i| count[i].min(extent[i].div_ceil(stride[i].max(1))))
}

/// The padding `[top, bottom, left, right]` of the pooling's input, whose size is that of the gradient computed
/// here.
fn padding(context: &LoweringContext, op: &Pool2d) -> [u32; 4] {
    let size = [context.output.height, context.output.width];
    op.padding_for(size.map(|v| v as usize)).map(|v| v as u32)
}
