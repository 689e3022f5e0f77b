//! Fully connected layers.

use std::ops::Range;

use rayon::prelude::*;

use super::epilogue::{Epilogue, EpilogueParams};
use super::norm::Folding;
use super::weight::split;
use super::{Dispatch, NodeContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{LINEAR, LINEAR_BACKWARD, LINEAR_BACKWARD_SUBGROUP, LINEAR_SUBGROUP};
use crate::graph::{Conv2d, ConvTranspose2d, Linear};
use crate::weights::Weights;

uniforms! {
    struct Params for LINEAR, LINEAR_SUBGROUP {
        input: TensorView,
        output: TensorView,
        epilogue: EpilogueParams,
        first_group: u32,
        groups: u32,
        unused: [u32; 2],
    }

    struct BackwardParams for LINEAR_BACKWARD, LINEAR_BACKWARD_SUBGROUP {
        gradient: TensorView,
        output: TensorView,
        first_group: u32,
        groups: u32,
        unused: [u32; 2],
    }
}

/// Rows from which on a product that reads each weight once for several of them is faster than
/// [`LINEAR`], which reads it for each, its inner dimension split over a team of invocations.
const MANY_ROWS: u32 = 4;

pub(super) fn dispatches(context: &NodeContext, op: &Linear) -> Result<Vec<Dispatch>> {
    if context.output.pixels >= MANY_ROWS {
        // Rows are pixels of a convolution of 1×1; the weights lie alike.
        let product = Conv2d::new(op.in_features, op.out_features, 1).bias(op.bias);
        return super::conv::row_dispatches(context, &product);
    }
    let outputs = op.out_features;
    let rows = u64::from(context.output.pixels);
    let [y, z] = context.device.fold(&context.node.name, rows)?;
    let folding = Folding::of(context, outputs, op.bias);
    let bias = context.bias(&folding, outputs.next_multiple_of(4));
    let epilogue = Epilogue::of(context);
    let (shader, why) = context.device.reducing(&LINEAR, &LINEAR_SUBGROUP);
    let mut steps = Vec::new();
    for (part, weight) in weights(context, op, &folding)? {
        let params = Params {
            input: context.inputs[0],
            output: context.output,
            epilogue: epilogue.params,
            first_group: part.start as u32,
            groups: part.len() as u32,
            unused: [0; 2],
        };
        let grid = [context.device.teams(part.len() as u64) as u32, y, z];
        let residual = epilogue.read(&bias);
        let reads = vec![Read::Input(0), weight, bias.clone(), residual];
        let dispatch = context.device.dispatch(shader, &params, reads, grid);
        steps.push(epilogue.select(dispatch).selected(None, why));
    }
    Ok(steps)
}

/// Elements that a workgroup of `linear_backward.wgsl` answers.
const ELEMENTS: u32 = 4;

pub(super) fn backward_dispatches(context: &NodeContext, op: &Linear) -> Result<Vec<Dispatch>> {
    if context.output.pixels >= MANY_ROWS {
        // The weights lie as those of a transposed convolution of 1×1.
        let product = ConvTranspose2d::new(op.out_features, op.in_features, 1, 1).bias(false);
        return super::conv::transposed_row_dispatches(context, &product);
    }
    let device = context.device;
    let workgroups = u64::from(context.output.groups.div_ceil(ELEMENTS));
    let [x, y] = device.fold(&context.node.name, workgroups)?;
    // Rows, which are few.
    let z = context.output.pixels;
    let (shader, why) = device.reducing(&LINEAR_BACKWARD, &LINEAR_BACKWARD_SUBGROUP);
    let folding = Folding::of(context, op.out_features, false);
    let mut steps = Vec::new();
    for (part, weight) in weights(context, op, &folding)? {
        let params = BackwardParams {
            gradient: context.inputs[0],
            output: context.output,
            first_group: part.start as u32,
            groups: part.len() as u32,
            unused: [0; 2],
        };
        let reads = vec![Read::Input(0), weight];
        let dispatch = device.dispatch(shader, &params, reads, [x, y, z]);
        steps.push(dispatch.selected(None, why));
    }
    Ok(steps)
}

/// The weights, `[out / 4][in]`, four output features to an element, in parts that fit a binding each;
/// with the groups of output features that each holds. A layer and its gradient share them.
fn weights(
    context: &NodeContext,
    op: &Linear,
    folding: &Folding,
) -> Result<Vec<(Range<usize>, Read)>> {
    let (inputs, outputs) = (op.in_features, op.out_features);
    let padded = inputs.next_multiple_of(4);
    let groups = outputs.div_ceil(4);
    let precision = context.device.precision;
    let group_bytes = padded as u64 * precision.element_bytes();
    let mut parts = Vec::new();
    for part in split(context.device, &context.node.name, groups, group_bytes)? {
        let folding = folding.clone();
        let range = part.clone();
        let layout = format!("linear {part:?}");
        let pack = move |weights: &Weights, name: &str, groups: Range<usize>| {
            let first = (range.start + groups.start) * 4;
            let end = ((range.start + groups.end) * 4).min(outputs);
            let values = weights.read_range(name, first * inputs..end * inputs)?;
            let values = folding.scaled(weights, values, first..end)?;
            let mut packed = vec![0.0; groups.len() * padded * 4];
            packed
                .par_chunks_mut(padded * 4)
                .zip(values.par_chunks(inputs * 4))
                .for_each(|(packed, rows)| {
                    for (lane, row) in rows.chunks(inputs).enumerate() {
                        for (input, value) in row.iter().enumerate() {
                            packed[input * 4 + lane] = *value;
                        }
                    }
                });
            Ok(packed)
        };
        let weight = context.weight_in_blocks(precision, &layout, part.len(), padded * 4, pack);
        parts.push((part, weight));
    }
    Ok(parts)
}
