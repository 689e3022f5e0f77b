//! Reductions over space or channels. Adaptive average pooling, and so global average pooling, is a reduction
//! over space.

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
    }
}

uniforms! {
    struct ChannelsParams for REDUCE_CHANNELS {
        input: TensorView,
        output: TensorView,
    }

    struct SpaceParams for REDUCE_SPACE, REDUCE_SPACE_SUBGROUP {
        input: TensorView,
        output: TensorView,
        prologue_slope: f32,
        unused: [u32; 3],
    }
}

/// Elements per workgroup of `reduce_space.wgsl`.
const ELEMENTS: u32 = 8;

/// Reduces the bins of the input, one per output pixel.
pub(super) fn over_space(context: &LoweringContext, kind: ReduceKind) -> Result<Vec<Dispatch>> {
    let (device, output) = (context.device, context.output);
    let prologue = Prologue::of(context, context.inputs[0].channels as usize);
    let params = SpaceParams {
        input: context.inputs[0],
        output,
        prologue_slope: prologue.slope,
        unused: [0; 3],
    };
    let workgroups = u64::from(output.pixels) * u64::from(output.c4.div_ceil(ELEMENTS));
    let [x, y] = device.fold(&context.node.name, workgroups)?;
    let reads = vec![Read::Input(0), prologue.read(&Read::Input(0))];
    let (shader, reason) = context.reducing(&REDUCE_SPACE, &REDUCE_SPACE_SUBGROUP);
    let dispatch = device.dispatch(shader, &params, reads, [x, y, 1]);
    let dispatch = prologue.select(dispatch).selected(None, reason);
    Ok(vec![dispatch.constant("OPERATION", code(kind))])
}

fn over_channels(context: &LoweringContext, kind: ReduceKind) -> Result<Vec<Dispatch>> {
    let params = ChannelsParams {
        input: context.inputs[0],
        output: context.output,
    };
    let pixels = u64::from(context.output.pixels);
    let grid = context.device.flat_grid(&context.node.name, pixels)?;
    let reads = vec![Read::Input(0)];
    let dispatch = (context.device).dispatch(&REDUCE_CHANNELS, &params, reads, grid);
    Ok(vec![dispatch.constant("OPERATION", code(kind))])
}
