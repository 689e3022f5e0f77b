//! Convolution and transposed convolution.

mod candidates;
mod cooperative_tiles;
mod depthwise;
mod filter;
mod gemm;
mod gemm_shader;
mod grouped;
mod problem;
mod select;
mod split_k;
mod stride_phases;
mod tiles;
mod window;
mod winograd;
mod winograd_weight;

use super::loop_iterations::nested;
use super::{DeviceContext, Dispatch, LoweringContext};
use crate::error::Result;
use crate::graph::{Conv2d, Node};
use crate::tensor::Shape;
pub(super) use candidates::{ConvKernels, candidates, estimates, signature};
pub(crate) use cooperative_tiles::{COOPERATIVE_TILES, smallest_cooperative};
pub(crate) use filter::{Filter, Kernels};
use gemm_shader::{GemmShader, cooperative_iterations};
use problem::FilterShape;
pub(crate) use problem::{ConvProblem, TransposedConvProblem};
pub(super) use select::{TransposedKernels, rows_cycles, select, select_rows, select_transposed};
pub(crate) use stride_phases::stride_phases;
pub(crate) use tiles::{LARGEST_K_STEP_C4, SPLITS, TILES};
pub(crate) use window::Phase;

/// Whether the kernels read an image of this shape as users pass it: where its channels fit one
/// element. Prologues are not applied to such an input.
pub(super) fn reads_nchw_input(node: &Node, op: &Conv2d, shape: &Shape) -> bool {
    let is_image = shape.rank() == 4 && op.in_channels <= 4;
    is_image && op.groups == 1 && node.fused.prologue.is_none()
}

/// The most loop iterations that any of a device's kernels needs for a sum.
pub(super) fn most_loop_iterations(filter: &FilterShape, device: &DeviceContext) -> u64 {
    let [height, width] = filter.kernel.map(|v| v as u64);
    let k_c4 = filter.group_inputs().div_ceil(4) as u64;
    match device.cooperative {
        Some(_) => cooperative_iterations([height, width, k_c4.next_multiple_of(16)]),
        None => nested([height, width, k_c4.next_multiple_of(4), 64]),
    }
}

/// The dispatches of a convolution.
pub(super) fn lower(
    context: &LoweringContext,
    problem: &ConvProblem,
    kernels: ConvKernels,
) -> Result<Vec<Dispatch>> {
    let filter = Filter::new(context.node, &problem.filter);
    let reason = context.selection.reason;
    let dispatches = match kernels {
        ConvKernels::Depthwise(shader) => depthwise::dispatches(context, problem, &filter, shader)?,
        ConvKernels::Grouped => grouped::dispatches(context, &filter, &problem.phase())?,
        ConvKernels::Gemm(GemmShader::Tiled(tile, parts @ 2..)) => {
            split_k::dispatches(context, problem, &filter, tile, parts)?
        }
        ConvKernels::Gemm(shader) => gemm::dispatches(
            context,
            &filter,
            &[problem.phase()],
            shader,
            problem.nchw_input,
        )?,
        // Its GEMM has a reason of its own.
        ConvKernels::Winograd(kernels) => {
            return winograd::dispatches(context, problem, &filter, kernels, reason);
        }
    };
    let select = |dispatch: Dispatch| dispatch.selected(kernels.algorithm(), reason);
    Ok(dispatches.into_iter().map(select).collect())
}

/// The dispatches of a transposed convolution with a stride.
pub(super) fn lower_transposed(
    context: &LoweringContext,
    problem: &TransposedConvProblem,
    kernels: &TransposedKernels,
) -> Result<Vec<Dispatch>> {
    let filter = Filter::new(context.node, &problem.filter);
    let sets = match kernels {
        TransposedKernels::Depthwise => {
            let dispatches = depthwise::transposed_dispatches(context, problem, &filter)?;
            let reason = context.selection.reason;
            let dispatches = dispatches.into_iter();
            return Ok(dispatches.map(|it| it.selected(None, reason)).collect());
        }
        TransposedKernels::Phases(sets) => sets,
    };
    let mut dispatches = Vec::new();
    for set in sets {
        let (algorithm, lowered) = match set.shader {
            Some(shader) => (
                Some(shader.algorithm()),
                gemm::dispatches(context, &filter, &set.phases, shader, false)?,
            ),
            None => {
                let phases = set.phases.iter();
                let phases = phases.map(|phase| grouped::dispatches(context, &filter, phase));
                let lowered = phases.collect::<Result<Vec<_>>>()?;
                (None, lowered.into_iter().flatten().collect())
            }
        };
        let lowered = lowered.into_iter();
        dispatches.extend(lowered.map(|dispatch| dispatch.selected(algorithm, set.reason)));
    }
    Ok(dispatches)
}

/// The uniform blocks of the convolutions.
#[cfg(test)]
pub(super) fn uniforms() -> Vec<crate::gpu::uniform::UniformBlock> {
    [
        gemm::uniforms(),
        depthwise::uniforms(),
        grouped::uniforms(),
        split_k::uniforms(),
        winograd::uniforms(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
