//! Pooling by windows.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::POOL;
use crate::graph::{Pool2d, PoolKind};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    kernel: [u32; 2],
    stride: [u32; 2],
    dilation: [u32; 2],
    padding: [u32; 2],
    padding_after: [u32; 2],
    count_include_pad: u32,
    empty: f32,
}

pub(super) fn dispatches(context: &NodeContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    let [top, bottom, left, right] = op
        .padding_for([input.height as usize, input.width as usize])
        .map(|v| v as u32);
    // The number that `shaders/pool.wgsl` has for it.
    let (code, count_include_pad, empty) = match op.kind {
        PoolKind::Max => (0, false, f32::NEG_INFINITY),
        PoolKind::Average { count_include_pad } => (1, count_include_pad, 0.0),
    };
    let params = Params {
        input,
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        dilation: op.dilation.map(|v| v as u32),
        padding: [top, left],
        padding_after: [bottom, right],
        count_include_pad: u32::from(count_include_pad),
        empty,
    };
    let dispatch = context.per_element(&POOL, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch.constant("OPERATION", code)])
}
