//! Convolution by blocks of output channels.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::super::weight::split;
use super::super::{Dispatch, Map, NodeContext, Read, WORKGROUP};
use super::geometry::{Filter, Outputs, Part, Window};
use crate::error::Result;
use crate::gpu::CONV2D;
use crate::weights::Weights;

/// Output channels of a block of `conv2d.wgsl`.
const BLOCK: usize = 16;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    window: Window,
    outputs: Outputs,
    inner: u32,
    group_elements: u32,
    group_blocks: u32,
    first_block: u32,
}

pub(super) fn dispatches(
    context: &NodeContext,
    filter: &Filter,
    place: &Part,
) -> Result<Vec<Dispatch>> {
    let inner = filter.group_inputs.div_ceil(4);
    let group_blocks = filter.group_outputs.div_ceil(BLOCK);
    let blocks = group_blocks * filter.groups;
    let taps = place.rows.len() * place.columns.len();
    let block_len = taps * inner * 4 * BLOCK;
    let block_bytes = block_len as u64 / 4 * context.device.precision.element_bytes();

    // As many pixels an invocation as leave none of a workgroup's invocations without one.
    let pixels = u64::from(place.outputs.pixels);
    let pixels_each: u32 = match pixels.div_ceil(WORKGROUP) {
        0 | 1 => 1,
        2 => 2,
        _ => 4,
    };
    let tiles = pixels.div_ceil(WORKGROUP * u64::from(pixels_each));
    let [x, z] = context.device.fold(&context.node.name, tiles)?;

    let bias = bias(context, filter, group_blocks);
    let mut steps = Vec::new();
    for part in split(context.device, &context.node.name, blocks, block_bytes)? {
        let params = Params {
            input: context.inputs[0],
            output: context.output,
            window: place.window,
            outputs: place.outputs,
            inner: inner as u32,
            group_elements: filter.group_outputs.div_ceil(4) as u32,
            group_blocks: group_blocks as u32,
            first_block: part.start as u32,
        };
        let (filter, range) = (*filter, part.clone());
        let (rows, columns) = (place.rows.clone(), place.columns.clone());
        let layout = format!("dense {part:?} {rows:?} {columns:?}");
        let pack = move |weights: &Weights, name: &str, blocks: Range<usize>| {
            let range = range.start + blocks.start..range.start + blocks.end;
            let outputs = |block: usize| {
                let within = block % group_blocks * BLOCK;
                let first = block / group_blocks * filter.group_outputs + within;
                first..first + BLOCK.min(filter.group_outputs - within)
            };
            let all = outputs(range.start).start..outputs(range.end - 1).end;
            let kernels = filter.read(weights, name, all)?;
            let mut packed = vec![0.0; range.len() * block_len];
            // A remainder of a transposed convolution may have no taps, and so no weights.
            let blocks = packed.par_chunks_mut(block_len.max(1)).zip(range.clone());
            blocks.for_each(|(packed, block)| {
                for (i, output) in outputs(block).enumerate() {
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
        let weight = context.weight_in_blocks(&layout, part.len(), block_len, pack);
        let grid = [x, part.len() as u32, z];
        let reads = vec![Read::Input(0), weight, bias.clone()];
        let dispatch = context.device.dispatch(&CONV2D, &params, reads, grid);
        steps.push(dispatch.constant("PIXELS", pixels_each));
    }
    Ok(steps)
}

/// The bias, laid out block by block as the weights are.
fn bias(context: &NodeContext, filter: &Filter, group_blocks: usize) -> Read {
    let filter = *filter;
    let len = filter.groups * group_blocks * BLOCK;
    let parameter = context.node.parameter_name("bias");
    context.per_channel("bias dense", len, move |weights| {
        let mut packed = vec![0.0; len];
        if filter.has_bias {
            let values = weights.read(&parameter)?;
            for (group, values) in values.chunks(filter.group_outputs).enumerate() {
                let first = group * group_blocks * BLOCK;
                packed[first..][..filter.group_outputs].copy_from_slice(values);
            }
        }
        Ok(packed)
    })
}
