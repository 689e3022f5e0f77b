//! Reductions over space or channels. Adaptive average pooling, and so global average pooling, is a reduction
//! over space.

use super::loop_iterations::{REDUCTION_ITERATIONS, SumPart, nested, split_sum};
use super::prologue::Prologue;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{REDUCE_CHANNELS, REDUCE_SPACE, REDUCE_SPACE_SUBGROUP};
use crate::graph::{Reduce, ReduceKind, ReduceOver};

pub(super) fn dispatches(context: &LoweringContext, op: Reduce) -> Result<Vec<Dispatch>> {
    match op.over {
        ReduceOver::Space => over_space(context, op.kind),
        ReduceOver::Channels => over_channels(context, op.kind),
    }
}

/// The operation's code in `shaders/shared/reduce.wgsl`.
fn code(kind: ReduceKind) -> u32 {
    match kind {
        ReduceKind::Sum => 0,
        ReduceKind::Mean => 1,
        ReduceKind::Max => 2,
        ReduceKind::Min => 3,
        ReduceKind::Prod => 4,
    }
}

uniforms! {
    struct ChannelsParams for REDUCE_CHANNELS {
        input: TensorView,
        output: TensorView,
        first: u32,
        end: u32,
        unused: [u32; 2],
    }

    struct SpaceParams for REDUCE_SPACE, REDUCE_SPACE_SUBGROUP {
        input: TensorView,
        output: TensorView,
        prologue_slope: f32,
        first: u32,
        len: u32,
        unused: u32,
    }
}

/// Elements per workgroup of `reduce_space.wgsl`.
const ELEMENTS: u32 = 8;
/// Invocations that share the pixels of a bin.
const PARTS: usize = 8;

/// Reduces the bins of the input, one per output pixel.
pub(super) fn over_space(context: &LoweringContext, kind: ReduceKind) -> Result<Vec<Dispatch>> {
    let (device, output) = (context.device, context.output);
    let prologue = Prologue::of(context, context.inputs[0].channels as usize);
    let workgroups = u64::from(output.pixels) * u64::from(output.c4.div_ceil(ELEMENTS));
    let [x, y] = device.fold(&context.node.name, workgroups)?;
    let reads = vec![Read::Input(0), prologue.read(&Read::Input(0))];
    let (shader, reason) = context.reducing(&REDUCE_SPACE, &REDUCE_SPACE_SUBGROUP);
    let pixels = largest_bin(&context.inputs[0], &output);
    let iterations = |pixels: usize| pixels.div_ceil(PARTS) as u64 + REDUCTION_ITERATIONS;
    let parts = split_sum([1, 1], pixels, device.max_loop_iterations, |_, pixels| {
        iterations(pixels)
    });
    let dispatch = |part: SumPart| {
        let params = SpaceParams {
            input: context.inputs[0],
            output,
            prologue_slope: prologue.slope,
            first: part.inner.start as u32,
            len: part.inner.len() as u32,
            unused: 0,
        };
        let iterations = iterations(part.inner.len());
        let dispatch = device.dispatch(shader, &params, reads.clone(), [x, y, 1], iterations);
        let dispatch = prologue.select(dispatch).selected(None, reason);
        dispatch.constants(&[("OPERATION", code(kind)), part.accumulate()])
    };
    Ok(parts.into_iter().map(dispatch).collect())
}

/// The most pixels of a bin.
fn largest_bin(input: &TensorView, output: &TensorView) -> usize {
    let extent = |size: u32, bins: u32| match size % bins.max(1) {
        0 => size / bins.max(1),
        // A bin may begin and end within a pixel.
        _ => (size / bins + 2).min(size),
    };
    let rows = extent(input.height, output.height) as usize;
    rows.saturating_mul(extent(input.width, output.width) as usize)
}

fn over_channels(context: &LoweringContext, kind: ReduceKind) -> Result<Vec<Dispatch>> {
    let pixels = u64::from(context.output.pixels);
    let grid = context.device.flat_grid(&context.node.name, pixels)?;
    let reads = vec![Read::Input(0)];
    let channels = context.inputs[0].channels as usize;
    let iterations = |channels: usize| nested([channels as u64]);
    let limit = context.device.max_loop_iterations;
    let parts = split_sum([1, 1], channels, limit, |_, channels| iterations(channels));
    let dispatch = |part: SumPart| {
        let params = ChannelsParams {
            input: context.inputs[0],
            output: context.output,
            first: part.inner.start as u32,
            end: part.inner.end as u32,
            unused: [0; 2],
        };
        let iterations = iterations(part.inner.len());
        let dispatch =
            (context.device).dispatch(&REDUCE_CHANNELS, &params, reads.clone(), grid, iterations);
        dispatch.constants(&[("OPERATION", code(kind)), part.accumulate()])
    };
    Ok(parts.into_iter().map(dispatch).collect())
}
