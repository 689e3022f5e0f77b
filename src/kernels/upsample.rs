//! Resizing.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::UPSAMPLE;
use crate::graph::{Upsample, UpsampleMode};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    scale: [f32; 2],
    unused: [u32; 2],
}

pub(super) fn dispatches(context: &NodeContext, op: &Upsample) -> Result<Vec<Dispatch>> {
    let size = |map: &Map| [map.height as usize, map.width as usize];
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        scale: (op.scale(size(&context.inputs[0]), size(&context.output))).map(|s| s as f32),
        unused: [0; 2],
    };
    // The number that `shaders/upsample.wgsl` has for it.
    let mode = match op.mode {
        UpsampleMode::Nearest => 0,
        UpsampleMode::Bilinear {
            align_corners: false,
        } => 1,
        UpsampleMode::Bilinear {
            align_corners: true,
        } => 2,
    };
    let dispatch = context.per_element(&UPSAMPLE, &params, vec![Read::Input(0)])?;
    Ok(vec![dispatch.constant("MODE", mode)])
}
