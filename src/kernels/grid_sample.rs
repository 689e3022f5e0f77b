//! Pixels of a map at positions that are values.

use super::loop_iterations::{SumPart, SumPartParams, in_parts, nested, split_sum};
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{GRID_SAMPLE, GRID_SAMPLE_BACKWARD, GRID_SAMPLE_POSITIONS_BACKWARD};
use crate::graph::{GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding};

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

    struct BackwardParams for GRID_SAMPLE_BACKWARD {
        gradient: TensorView,
        positions: TensorView,
        output: TensorView,
        part: SumPartParams,
    }

    struct PositionsParams for GRID_SAMPLE_POSITIONS_BACKWARD {
        gradient: TensorView,
        input: TensorView,
        positions: TensorView,
        output: TensorView,
        first_c4: u32,
        end_c4: u32,
        unused: [u32; 2],
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
    let taps = taps(op);
    let layers = if op.volume.is_some() { taps } else { 1 };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch =
        context.per_element(&GRID_SAMPLE, &params, reads, nested([layers, taps, taps]))?;
    let dispatch = dispatch.constants(&constants(op));
    Ok(vec![
        dispatch.constant("VOLUME", u32::from(op.volume.is_some())),
    ])
}

/// Pixels along an axis.
fn taps(op: &GridSample) -> u64 {
    match op.mode {
        GridSampleMode::Nearest => 1,
        GridSampleMode::Bilinear => 2,
        GridSampleMode::Bicubic => 4,
    }
}

/// The codes in `shaders/shared/grid_sample.wgsl`.
fn constants(op: &GridSample) -> [(&'static str, u32); 3] {
    let mode = match op.mode {
        GridSampleMode::Nearest => 0,
        GridSampleMode::Bilinear => 1,
        GridSampleMode::Bicubic => 2,
    };
    let padding = match op.padding {
        GridSamplePadding::Zeros => 0,
        GridSamplePadding::Border => 1,
        GridSamplePadding::Reflection => 2,
    };
    [
        ("MODE", mode),
        ("PADDING", padding),
        ("ALIGN_CORNERS", u32::from(op.align_corners)),
    ]
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &GridSampleBackward,
) -> Result<Vec<Dispatch>> {
    let gradient = context.inputs[0];
    let params = |part: &SumPart| BackwardParams {
        gradient,
        positions: context.inputs[1],
        output: context.output,
        part: part.into(),
    };
    // Every pixel looks at every sample.
    let samples = [gradient.height as usize, gradient.width as usize];
    let taps = 2 * taps(&op.sample);
    let iterations = |[rows, columns]: [usize; 2]| nested([rows as u64, columns as u64, taps]);
    in_parts(
        context,
        &GRID_SAMPLE_BACKWARD,
        2,
        &constants(&op.sample),
        samples,
        iterations,
        params,
    )
}

pub(super) fn positions_backward_dispatches(
    context: &LoweringContext,
    op: &GridSample,
) -> Result<Vec<Dispatch>> {
    let (device, input) = (context.device, context.inputs[1]);
    let taps = taps(op);
    let iterations = |elements: usize| nested([taps, taps, elements as u64]);
    let limit = device.max_loop_iterations;
    let parts = split_sum([1, 1], input.c4 as usize, limit, |_, elements| {
        iterations(elements)
    });
    let grid = device.flat_grid(&context.node.name, u64::from(context.output.pixels))?;
    let dispatch = |part: SumPart| {
        let params = PositionsParams {
            gradient: context.inputs[0],
            input,
            positions: context.inputs[2],
            output: context.output,
            first_c4: part.inner.start as u32,
            end_c4: part.inner.end as u32,
            unused: [0; 2],
        };
        let shader = &GRID_SAMPLE_POSITIONS_BACKWARD;
        let reads = (0..3).map(Read::Input).collect();
        let iterations = iterations(part.inner.len());
        let dispatch = device.dispatch(shader, &params, reads, grid, iterations);
        let (name, value) = part.accumulate();
        dispatch.constants(&constants(op)).constant(name, value)
    };
    Ok(parts.into_iter().map(dispatch).collect())
}
