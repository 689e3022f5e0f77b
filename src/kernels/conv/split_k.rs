//! Convolution as an implicit GEMM whose sums along K are split between workgroups, for few output pixels: the parts
//! of all sums, then their sum.

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::loop_iterations::nested;
use super::super::prologue::Prologue;
use super::super::{Dispatch, LoweringContext, Read, Target, TensorView};
use super::filter::Filter;
use super::gemm::{self, Params};
use super::gemm_shader::GemmShader;
use super::problem::{ConvProblem, N_TILE};
use super::tiles::GemmTile;
use crate::error::Result;
use crate::gpu::CONV2D_SUM;
use crate::gpu::uniform::uniforms;

uniforms! {
    struct SumParams for CONV2D_SUM {
        output: TensorView,
        epilogue: EpilogueParams,
        first: u32,
        parts: u32,
        unused: [u32; 2],
    }
}

/// Both dispatches of a convolution with one group, whose weights fit one binding and whose input is not NCHW.
pub(super) fn dispatches(
    context: &LoweringContext,
    problem: &ConvProblem,
    filter: &Filter,
    tile: GemmTile,
    parts: u32,
) -> Result<Vec<Dispatch>> {
    let device = context.device;
    let output = context.output;
    let shader = GemmShader::Tiled(tile, parts);
    let phase = problem.phase();
    let k_c4 = shader.padded_k_c4(filter.group_inputs, false);
    let n_tiles = filter.group_outputs.div_ceil(N_TILE);
    let prologue = Prologue::of(context, filter.group_inputs);
    // A row of pixels for each part.
    let sums = TensorView {
        batch: 1,
        height: parts,
        width: output.pixels,
        channels: filter.group_outputs as u32,
        pixel_stride: output.c4,
        offset: context.workspace[0],
        c4: output.c4,
        pixels: parts * output.pixels,
    };
    let params = Params {
        output: sums,
        epilogue: EpilogueParams::nothing(sums),
        prologue_slope: prologue.slope,
        // All parts read the same weights.
        gemms: parts,
        part_steps: tile.part_steps(&problem.gemm(), parts) as u32,
        ..Params::of(context, filter, &phase, k_c4)
    };
    let no_bias = context.zeros(n_tiles * N_TILE);
    let weight = gemm::weight(
        context,
        filter,
        shader.weight_layout(),
        &[phase],
        &(0..k_c4),
        0..n_tiles,
        0..n_tiles,
    );
    let scales = prologue.read(&no_bias);
    let reads = vec![Read::Input(0), weight, no_bias.clone(), no_bias, scales];
    let products = gemm::dispatch(context, shader, false, &params, reads)?;

    let epilogue = Epilogue::of(context);
    let bias = gemm::bias(context, filter, n_tiles);
    let residual = epilogue.read(&bias);
    let params = SumParams {
        output,
        epilogue: epilogue.params,
        first: sums.offset,
        parts,
        unused: [0; 2],
    };
    let elements = u64::from(output.pixels) * u64::from(output.c4);
    let grid = device.flat_grid(&context.node.name, elements)?;
    let reads = vec![Read::Workspace(0), bias, residual];
    let iterations = nested([u64::from(parts)]);
    let sum = device.dispatch(&CONV2D_SUM, &params, reads, grid, iterations);
    Ok(vec![
        prologue.select(products).into_target(Target::Workspace(0)),
        epilogue.select(sum).operations(0),
    ])
}
