//! Pixels of a map at positions that are values.

use super::{Dispatch, LoweringContext, Read, TensorView, nested};
use crate::error::Result;
use crate::gpu::GRID_SAMPLE;
use crate::gpu::uniform::uniforms;
use crate::graph::{GridSample, GridSampleMode, GridSamplePadding};

uniforms! {
    struct Params for GRID_SAMPLE {
        input: TensorView,
        positions: TensorView,
        output: TensorView,
        height: u32,
        width: u32,
        depth: u32,
        unused: u32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &GridSample) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    // Shape inference has counted the elements of the input, which these are the extents of.
    let [depth, height, width] = match op.volume {
        Some(size) => size.map(|extent| extent as u32),
        None => [1, input.height, input.width],
    };
    let params = Params {
        input: context.inputs[0],
        positions: context.inputs[1],
        output: context.output,
        height,
        width,
        depth,
        unused: 0,
    };
    // The codes in `shaders/grid_sample.wgsl`.
    let (mode, taps) = match op.mode {
        GridSampleMode::Nearest => (0, 1),
        GridSampleMode::Bilinear => (1, 2),
        GridSampleMode::Bicubic => (2, 4),
    };
    let layers = if op.volume.is_some() { taps } else { 1 };
    let padding = match op.padding {
        GridSamplePadding::Zeros => 0,
        GridSamplePadding::Border => 1,
        GridSamplePadding::Reflection => 2,
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch =
        context.per_element(&GRID_SAMPLE, &params, reads, nested([layers, taps, taps]))?;
    Ok(vec![dispatch.constants(&[
        ("MODE", mode),
        ("PADDING", padding),
        ("ALIGN_CORNERS", u32::from(op.align_corners)),
        ("VOLUME", u32::from(op.volume.is_some())),
    ])])
}
