//! Fully connected layers and their gradients, for few rows. Many rows are a convolution's pixels.

use std::ops::Range;

use rayon::prelude::*;

use super::conv::{self, ConvProblem};
use super::epilogue::{Epilogue, EpilogueParams};
use super::loop_iterations::{REDUCTION_ITERATIONS, split_sum};
use super::norm::Folding;
use super::weight::split;
use super::{DeviceContext, Dispatch, LoweringContext, Read, TensorView, WORKGROUP};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{LINEAR, LINEAR_BACKWARD, LINEAR_BACKWARD_SUBGROUP, LINEAR_SUBGROUP};
use crate::graph::Linear;
use crate::weights::Weights;

uniforms! {
    struct Params for LINEAR, LINEAR_SUBGROUP {
        input: TensorView,
        output: TensorView,
        epilogue: EpilogueParams,
        first_output_c4: u32,
        output_c4: u32,
        unused: [u32; 2],
    }

    struct BackwardParams for LINEAR_BACKWARD, LINEAR_BACKWARD_SUBGROUP {
        gradient: TensorView,
        output: TensorView,
        first_output_c4: u32,
        output_c4: u32,
        unused: [u32; 2],
    }
}

/// Rows that a team of `linear.wgsl` computes, of a layer with this number of rows.
fn team_rows(rows: u64, device: &DeviceContext) -> u64 {
    let most = device.class.costs().max_linear_team_rows;
    // As few teams as possible, then as few rows beyond the last.
    let groups = rows.div_ceil(most).max(1);
    rows.div_ceil(groups).next_power_of_two()
}

/// Whether `linear.wgsl` is faster for this layer than a GEMM that has its rows as pixels.
pub(super) fn is_faster(problem: &ConvProblem, device: &DeviceContext) -> bool {
    let rows = problem.m();
    let [may_be_gemm, always_gemm] = device.class.costs().linear_gemm_rows;
    if rows < may_be_gemm || rows >= always_gemm {
        return rows < may_be_gemm;
    }
    let gemm = conv::rows_cycles(problem, device);
    gemm.is_some_and(|gemm| cycles(problem, device) < gemm)
}

/// The estimated cycles of `linear.wgsl`, by the model of `GemmTile::cycles`. For each input
/// element, a team loads four weights and an element of each of its rows.
fn cycles(problem: &ConvProblem, device: &DeviceContext) -> u64 {
    /// Bytes that a compute unit loads a cycle, of which some are not in its own cache. Guessed.
    const BYTES: u64 = 32;
    let team_rows = team_rows(problem.m(), device);
    let [inputs, outputs] = [problem.filter.in_channels, problem.filter.out_channels]
        .map(|features| features.div_ceil(4) as u64);
    let teams = outputs * problem.m().div_ceil(team_rows);
    let mine = teams.div_ceil(device.compute_units);
    let loads = 4 + team_rows;
    let loading = loads * device.precision.element_bytes() * WORKGROUP / BYTES;
    // An instruction of a subgroup takes two cycles on one of two SIMDs. The sums, the loads with their addresses, the
    // loop.
    let computing = 16 * team_rows + 6 * loads + 12;
    mine * loading.max(computing) * inputs / WORKGROUP
}

/// Few rows: a team of invocations for each four output features of some rows.
pub(super) fn dispatches(context: &LoweringContext, op: &Linear) -> Result<Vec<Dispatch>> {
    let outputs = op.out_features;
    let rows = u64::from(context.output.pixels);
    let team_rows = team_rows(rows, context.device);
    // Few: many rows are a GEMM.
    let row_groups = rows.div_ceil(team_rows) as u32;
    let folding = Folding::new(context.node, outputs, op.bias);
    let (shader, reason) = context.reducing(&LINEAR, &LINEAR_SUBGROUP);
    let input = context.inputs[0];
    let iterations =
        |c4: usize| (c4 as u64).div_ceil(context.team_members()) + REDUCTION_ITERATIONS * team_rows;
    let limit = context.device.max_loop_iterations;
    let sums = split_sum([1, 1], input.c4 as usize, limit, |_, c4| iterations(c4));
    let mut steps = Vec::new();
    for sum in sums {
        let epilogue = Epilogue::of_part(context, &sum);
        let bias = match sum.is_first {
            true => context.bias(&folding, outputs.next_multiple_of(4)),
            false => context.zeros(outputs.next_multiple_of(4)),
        };
        for (part, weight) in weights(context, op, &folding, &sum.inner)? {
            let params = Params {
                input: TensorView {
                    offset: input.offset + sum.inner.start as u32,
                    c4: sum.inner.len() as u32,
                    ..input
                },
                output: context.output,
                epilogue: epilogue.params,
                first_output_c4: part.start as u32,
                output_c4: part.len() as u32,
                unused: [0; 2],
            };
            let workgroups = context.teams(part.len() as u64);
            let [y, z] = context.device.fold(&context.node.name, workgroups)?;
            let grid = [row_groups, y, z];
            let residual = epilogue.read(&bias);
            let reads = vec![Read::Input(0), weight, bias.clone(), residual];
            let iterations = iterations(sum.inner.len());
            let steps_along_k = (sum.inner.len() as u64).div_ceil(context.most_team_members());
            let dispatch = (context.device)
                .dispatch(shader, &params, reads, grid, iterations)
                .products(16 * team_rows * steps_along_k, 1)
                .constant("ROWS", team_rows as u32);
            steps.push(epilogue.select(dispatch).selected(None, reason));
        }
    }
    Ok(steps)
}

/// Output elements per workgroup of `linear_backward.wgsl`.
const ELEMENTS: u32 = 4;

pub(super) fn backward_dispatches(context: &LoweringContext, op: &Linear) -> Result<Vec<Dispatch>> {
    let device = context.device;
    let workgroups = u64::from(context.output.c4.div_ceil(ELEMENTS));
    let [x, y] = device.fold(&context.node.name, workgroups)?;
    // The rows are few.
    let z = context.output.pixels;
    let (shader, reason) = context.reducing(&LINEAR_BACKWARD, &LINEAR_BACKWARD_SUBGROUP);
    let folding = Folding::new(context.node, op.out_features, false);
    let mut steps = Vec::new();
    let all = 0..op.in_features.div_ceil(4);
    for (part, weight) in weights(context, op, &folding, &all)? {
        let params = BackwardParams {
            gradient: context.inputs[0],
            output: context.output,
            first_output_c4: part.start as u32,
            output_c4: part.len() as u32,
            unused: [0; 2],
        };
        let reads = vec![Read::Input(0), weight];
        // As many invocations share the sum of an element.
        let share = (part.len() as u64).div_ceil(WORKGROUP / u64::from(ELEMENTS));
        let iterations = share + REDUCTION_ITERATIONS;
        let dispatch = device.dispatch(shader, &params, reads, [x, y, z], iterations);
        steps.push(dispatch.selected(None, reason));
    }
    Ok(steps)
}

/// The weights, `[out / 4][in]` with four output features per element, in parts that fit one binding
/// each. Returns each part with its range of elements of output features. A layer and its gradient
/// share them. Of the input features, those of the elements `k` are packed.
fn weights(
    context: &LoweringContext,
    op: &Linear,
    folding: &Folding,
    k: &Range<usize>,
) -> Result<Vec<(Range<usize>, Read)>> {
    let (inputs, outputs) = (op.in_features, op.out_features);
    let padded = 4 * k.len();
    let packed_inputs = 4 * k.start..inputs.min(4 * k.end);
    let suffix = match *k == (0..inputs.div_ceil(4)) {
        true => String::new(),
        false => format!(" of inputs {packed_inputs:?}"),
    };
    let groups = outputs.div_ceil(4);
    let precision = context.device.precision;
    let group_bytes = padded as u64 * precision.element_bytes();
    let mut parts = Vec::new();
    for part in split(context.device, &context.node.name, groups, group_bytes)? {
        let folding = folding.clone();
        let range = part.clone();
        let layout = format!("linear {part:?}{suffix}");
        let packed_inputs = packed_inputs.clone();
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
                        for (input, value) in row[packed_inputs.clone()].iter().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Fused;
    use crate::kernels::DeviceClass;
    use crate::tensor::Shape;

    #[test]
    fn teams_have_as_many_rows_as_they_need() {
        let device = DeviceContext::assumed(wgpu::Limits::default());
        let rows = [1, 2, 3, 5, 8, 9, 17, 32].map(|rows| team_rows(rows, &device));
        assert_eq!(rows, [1, 2, 4, 8, 8, 8, 8, 8]);
        let software = DeviceContext {
            class: DeviceClass::Software,
            ..device
        };
        assert_eq!(team_rows(3, &software), 1);
    }

    #[test]
    fn few_rows_are_no_gemm() {
        let device = DeviceContext::assumed(wgpu::Limits::default());
        let is_faster = |device: &DeviceContext, rows: usize, inputs, outputs| {
            let op = Linear::new(inputs, outputs);
            let output = Shape::from([rows, outputs]);
            is_faster(
                &ConvProblem::from_linear(&op, &Fused::default(), &output),
                device,
            )
        };
        // VGG-16's: more rows would read the 411 MB of weights several times.
        for (rows, expected) in [(1, true), (8, true), (16, true), (32, false), (64, false)] {
            assert_eq!(is_faster(&device, rows, 25_088, 4_096), expected, "{rows}");
        }
        // ResNet's, whose GEMM needs its sums split for enough workgroups.
        assert!(is_faster(&device, 4, 2_048, 1_000));
        assert!(!is_faster(&device, 32, 2_048, 1_000));
        let software = DeviceContext {
            class: DeviceClass::Software,
            ..device
        };
        assert!(is_faster(&software, 3, 2_048, 1_000));
        assert!(!is_faster(&software, 4, 2_048, 1_000));
    }
}
