//! Convolution by blocks of output channels.

use std::ops::Range;

use rayon::prelude::*;

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::prologue::Prologue;
use super::super::weight::split;
use super::super::{Dispatch, NodeContext, Read, TensorView, WORKGROUP};
use super::gemm_shader::{GemmShader, LANES, PixelsEach};
use super::geometry::{Filter, Outputs, Part, Window};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{
    CONV2D, CONV2D_COOPERATIVE, CONV2D_COOPERATIVE_EMULATED, CONV2D_NCHW, CONV2D_SUBGROUP,
    CONV2D_SUBGROUP_NCHW, CONV2D_TILED, CONV2D_TILED_NCHW, Cooperative,
};
use crate::weights::Weights;

/// Output channels of a block of the dense shaders.
pub(super) const BLOCK: usize = 16;

uniforms! {
    /// `Params` of `shaders/shared/conv2d.wgsl`.
    pub(super) struct Params for CONV2D, CONV2D_COOPERATIVE, CONV2D_COOPERATIVE_EMULATED, CONV2D_NCHW, CONV2D_SUBGROUP, CONV2D_SUBGROUP_NCHW, CONV2D_TILED, CONV2D_TILED_NCHW {
        pub input: TensorView,
        pub output: TensorView,
        pub window: Window,
        pub outputs: Outputs,
        pub epilogue: EpilogueParams,
        pub inner: u32,
        pub group_elements: u32,
        pub group_blocks: u32,
        pub first_block: u32,
        pub blocks: u32,
        pub prologue_slope: f32,
        pub plane_rows: u32,
        pub planes: u32,
        pub plane_step: u32,
        pub block_step: u32,
        pub blocks_first: u32,
        pub unused: u32,
    }
}

/// The dispatches of `places`, whose windows and numbers of outputs are equal: one, where the weights
/// of all fit a binding.
pub(super) fn dispatches(
    context: &NodeContext,
    filter: &Filter,
    places: &[Part],
    engine: GemmShader,
) -> Result<Vec<Dispatch>> {
    let place = &places[0];
    let inner = engine.inner(filter.group_inputs);
    let group_blocks = filter.group_outputs.div_ceil(BLOCK);
    let blocks = group_blocks * filter.groups;
    let taps = place.rows.len() * place.columns.len();
    let block_len = taps * inner * 4 * BLOCK;
    let precision = context.device.precision;
    let block_bytes = block_len as u64 / 4 * precision.element_bytes();
    let parts = split(
        context.device,
        &context.node.name,
        blocks * places.len(),
        block_bytes,
    )?;
    if places.len() > 1 && parts.len() > 1 {
        let alone = places
            .iter()
            .map(|place| dispatches(context, filter, std::slice::from_ref(place), engine));
        return Ok(alone
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect());
    }

    let bias = bias(context, filter, group_blocks);
    let epilogue = Epilogue::of(context);
    let prologue = Prologue::of(context, filter.groups * filter.group_inputs);
    let input_bytes = u64::from(context.inputs[0].pixels)
        * u64::from(context.inputs[0].groups)
        * precision.element_bytes();
    let mut steps = Vec::new();
    for part in parts {
        // Blocks, counted on from place to place.
        let in_place = part.start..part.end.min(part.start + blocks);
        let params = Params {
            input: context.inputs[0],
            output: context.output,
            window: place.window,
            outputs: place.outputs,
            epilogue: epilogue.params,
            inner: inner as u32,
            group_elements: filter.group_outputs.div_ceil(4) as u32,
            group_blocks: group_blocks as u32,
            first_block: in_place.start as u32,
            blocks: in_place.len() as u32,
            prologue_slope: prologue.slope,
            plane_rows: 0,
            planes: places.len() as u32,
            plane_step: in_place.len() as u32,
            block_step: 1,
            blocks_first: u32::from(input_bytes > in_place.len() as u64 * block_bytes),
            unused: 0,
        };
        let filter = filter.clone();
        let taps: Vec<_> = (places.iter())
            .map(|place| (place.rows.clone(), place.columns.clone()))
            .collect();
        let layout = format!("dense {inner} {part:?} {taps:?}{}", filter.form());
        // `wanted` counts on from place to place.
        let pack = move |weights: &Weights, name: &str, wanted: Range<usize>| {
            let block = |i: usize| in_place.start + i % in_place.len();
            let outputs = |block: usize| {
                let within = block % group_blocks * BLOCK;
                let first = block / group_blocks * filter.group_outputs + within;
                first..first + BLOCK.min(filter.group_outputs - within)
            };
            let read = wanted.clone().map(|i| outputs(block(i)));
            let first = read.clone().map(|outputs| outputs.start).min();
            let end = read.map(|outputs| outputs.end).max();
            let kernels = filter.read(weights, name, first.unwrap_or(0)..end.unwrap_or(0))?;
            let mut packed = vec![0.0; wanted.len() * block_len];
            // A remainder of a transposed convolution may have no taps, and so no weights.
            let blocks = packed.par_chunks_mut(block_len.max(1)).zip(wanted);
            blocks.for_each(|(packed, i)| {
                let (rows, columns) = &taps[i / in_place.len()];
                for (i, output) in outputs(block(i)).enumerate() {
                    for input in 0..filter.group_inputs {
                        let kernel = kernels.get(output, input);
                        for (y, row) in rows.iter().enumerate() {
                            for (x, column) in columns.iter().enumerate() {
                                let tap = y * columns.len() + x;
                                let at = (tap * inner * 4 + input) * BLOCK + i;
                                packed[at] = kernel[filter.tap(*row, *column)];
                            }
                        }
                    }
                }
            });
            Ok(packed)
        };
        let weight = context.weight_in_blocks(precision, &layout, part.len(), block_len, pack);
        let residual = epilogue.read(&bias);
        let scales = prologue.read(&bias);
        let reads = vec![Read::Input(0), weight, bias.clone(), residual, scales];
        let dispatch = step(context, engine, &params, reads)?;
        steps.push(prologue.select(epilogue.select(dispatch)));
    }
    Ok(steps)
}

/// One dispatch of a dense shader.
pub(super) fn step(
    context: &NodeContext,
    engine: GemmShader,
    params: &Params,
    reads: Vec<Read>,
) -> Result<Dispatch> {
    let device = context.device;
    let name = &context.node.name;
    let pixels = u64::from(params.outputs.pixels);
    let work = u64::from(params.blocks) * u64::from(params.planes);
    let shader = match (engine, context.planar) {
        (GemmShader::Direct, false) => &CONV2D,
        (GemmShader::Direct, true) => &CONV2D_NCHW,
        (GemmShader::Subgroup, false) => &CONV2D_SUBGROUP,
        (GemmShader::Subgroup, true) => &CONV2D_SUBGROUP_NCHW,
        (GemmShader::Tiled { .. }, false) => &CONV2D_TILED,
        (GemmShader::Tiled { .. }, true) => &CONV2D_TILED_NCHW,
        // Never with planar input: see `GemmShader::cooperative`.
        (GemmShader::Cooperative { .. }, _) => match device.cooperative {
            Some(Cooperative::Emulated) => &CONV2D_COOPERATIVE_EMULATED,
            _ => &CONV2D_COOPERATIVE,
        },
    };
    let dispatch = match engine {
        GemmShader::Subgroup => {
            let each = PixelsEach::of(pixels);
            let subgroups = each.tiles(pixels) * work;
            let [x, y] = device.fold(name, subgroups.div_ceil(WORKGROUP / LANES))?;
            let dispatch = device.dispatch(shader, params, reads, [x, y, 1]);
            dispatch.constant("M_PER_INVOCATION", each.0)
        }
        GemmShader::Direct => {
            // As many pixels an invocation as leave none of a workgroup's without one.
            let each: u32 = match pixels.div_ceil(WORKGROUP) {
                0 | 1 => 1,
                2 => 2,
                _ => 4,
            };
            let [x, z] = device.fold(name, pixels.div_ceil(WORKGROUP * u64::from(each)))?;
            // `split` has seen to it that a dimension of a dispatch holds the blocks.
            let dispatch = device.dispatch(shader, params, reads, [x, work as u32, z]);
            dispatch.constant("M_PER_INVOCATION", each)
        }
        GemmShader::Tiled { each, blocks } => {
            let tile = WORKGROUP / u64::from(blocks) * u64::from(each);
            let [x, z] = device.fold(name, pixels.div_ceil(tile))?;
            let rows = params.blocks.div_ceil(blocks) * params.planes;
            let dispatch = device.dispatch(shader, params, reads, [x, rows, z]);
            let dispatch = dispatch.constant("M_PER_INVOCATION", each);
            dispatch.constant("N_TILES", blocks)
        }
        GemmShader::Cooperative { blocks } => {
            let tiles = pixels.div_ceil(GemmShader::cooperative_pixels(blocks));
            let [x, z] = device.fold(name, tiles)?;
            let rows = params.blocks.div_ceil(blocks) * params.planes;
            let dispatch = device.dispatch(shader, params, reads, [x, rows, z]);
            dispatch.constant("N_TILES", blocks)
        }
    };
    Ok(match context.planar {
        true => dispatch.constant("CHANNELS", params.input.channels),
        false => dispatch,
    })
}

/// The bias, laid out block by block as the weights are.
pub(super) fn bias(context: &NodeContext, filter: &Filter, group_blocks: usize) -> Read {
    let len = filter.groups * group_blocks * BLOCK;
    if filter.folding.has_no_bias() {
        return context.zeros(len);
    }
    let filter = filter.clone();
    context.per_channel("bias dense", len, move |weights| {
        let mut packed = vec![0.0; len];
        let values = filter.folding.bias(weights)?;
        for (group, values) in values.chunks(filter.group_outputs).enumerate() {
            let first = group * group_blocks * BLOCK;
            packed[first..][..filter.group_outputs].copy_from_slice(values);
        }
        Ok(packed)
    })
}
