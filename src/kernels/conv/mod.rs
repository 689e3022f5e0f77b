//! Convolution and transposed convolution: the rule that selects a shader.

mod dense;
mod depthwise;
mod gemm_shader;
mod geometry;
mod grouped;
mod select;
mod winograd;

use super::selection_reason::GemmReason;
use super::{Choice, ConvAlgorithm, Dispatch, NodeContext, SelectionReason};
use crate::error::Result;
use crate::graph::{Conv2d, ConvTranspose2d, Node, Op};
use crate::tensor::Shape;
use gemm_shader::GemmShader;
use geometry::{ConvProblem, Filter, Part};
use select::{Algorithm, Selection};

/// A convolution.
pub(super) fn dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    plain_dispatches(context, &ConvProblem::of(context, op))
}

fn plain_dispatches(context: &NodeContext, conv: &ConvProblem) -> Result<Vec<Dispatch>> {
    let ConvProblem { filter, part, .. } = conv;
    select::warn_of_impossible(context, conv);
    let Selection { algorithm, why } = select::select(context, conv);
    let steps = match algorithm {
        Algorithm::Depthwise => vec![depthwise::dispatch(context, conv)?],
        Algorithm::Grouped => grouped::dispatches(context, filter, part)?,
        Algorithm::Dense(engine) => {
            dense::dispatches(context, filter, std::slice::from_ref(part), engine)?
        }
        Algorithm::Winograd(tile) => {
            winograd::dispatches(context, filter, &part.window, tile, why)?
        }
    };
    Ok(match algorithm {
        // Its product has a reason of its own.
        Algorithm::Winograd(_) => steps,
        _ => selected(steps, algorithm.kernel(), why),
    })
}

fn selected(
    steps: Vec<Dispatch>,
    kernel: Option<ConvAlgorithm>,
    why: SelectionReason,
) -> Vec<Dispatch> {
    let select = |step: Dispatch| step.selected(kernel, why);
    steps.into_iter().map(select).collect()
}

/// Whether the kernels read an image of this shape as users give it: where its channels make one
/// element. Prologues are left to values that kernels leave.
pub(super) fn reads_planar_input(node: &Node, op: &Conv2d, shape: &Shape) -> bool {
    let is_image = shape.rank() == 4 && op.in_channels <= 4;
    is_image && op.groups == 1 && node.fused.prologue.is_none()
}

/// Bytes of the memories that a convolution, transposed or not, needs between its dispatches.
pub(super) fn scratch(context: &NodeContext) -> Vec<u64> {
    let conv = match &context.node.op {
        Op::Conv2d(op) => Some(ConvProblem::of(context, op)),
        Op::ConvTranspose2d(op) => ConvProblem::from_transposed(context, op),
        _ => None,
    };
    match conv.map(|conv| select::select(context, &conv).algorithm) {
        Some(Algorithm::Winograd(tile)) => winograd::scratch(context, tile).to_vec(),
        _ => Vec::new(),
    }
}

/// The kernels that can compute a convolution, where the rule has a choice.
pub(super) fn choice(context: &NodeContext, op: &Conv2d) -> Option<Choice> {
    let conv = ConvProblem::of(context, op);
    Some(Choice {
        signature: select::signature(context, &conv),
        rule: (select::select(context, &conv).algorithm).kernel()?,
        candidates: select::candidates(context, &conv),
    })
}

/// A transposed convolution: for each remainder of the output's rows and columns by the stride, the
/// taps that reach them are an ordinary convolution; one dispatch where all of these have equal windows,
/// and a choice of all kernels where there is one remainder.
pub(super) fn transposed_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
    if let Some(conv) = ConvProblem::from_transposed(context, op) {
        return plain_dispatches(context, &conv);
    }
    if op.is_depthwise() {
        let step = depthwise::transposed_dispatch(context, op)?;
        return Ok(vec![
            step.selected(None, SelectionReason::Depthwise { in_rows: false }),
        ]);
    }
    let filter = Filter::transposed(context, op);
    let places = Part::remainders(context, op);
    if select::is_dense(&filter)
        && let Some(merged) = Part::merged(&places)
    {
        return dense_parts(context, &filter, &merged, SelectionReason::Transposed);
    }
    let mut steps = Vec::new();
    for place in places {
        steps.extend(part(context, &filter, &place, SelectionReason::Transposed)?);
    }
    Ok(steps)
}

/// The rows of a fully connected layer as pixels of the convolution `op`, without a choice of
/// algorithm.
pub(super) fn row_dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let filter = Filter::of(context, op);
    part(
        context,
        &filter,
        &Part::whole(context, op),
        SelectionReason::Rows,
    )
}

/// As [`row_dispatches`], by weights that lie the other way round.
pub(super) fn transposed_row_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
    let filter = Filter::transposed(context, op);
    let mut steps = Vec::new();
    for place in Part::remainders(context, op) {
        steps.extend(part(context, &filter, &place, SelectionReason::Rows)?);
    }
    Ok(steps)
}

fn engine(context: &NodeContext, filter: &Filter, places: &[Part]) -> (GemmShader, GemmReason) {
    let pixels: u64 = (places.iter())
        .map(|place| u64::from(place.outputs.pixels))
        .sum();
    // The tiles of one remainder hold nothing of another.
    GemmShader::cooperative(context.device, pixels / places.len() as u64, filter).unwrap_or_else(
        || {
            GemmShader::rule(
                context.device,
                pixels,
                select::blocks(filter),
                filter.groups,
            )
        },
    )
}

fn dense_parts(
    context: &NodeContext,
    filter: &Filter,
    places: &[Part],
    why: fn(GemmReason) -> SelectionReason,
) -> Result<Vec<Dispatch>> {
    let (engine, why_engine) = engine(context, filter, places);
    let steps = dense::dispatches(context, filter, places, engine)?;
    Ok(selected(steps, Some(engine.kernel()), why(why_engine)))
}

fn part(
    context: &NodeContext,
    filter: &Filter,
    place: &Part,
    why: fn(GemmReason) -> SelectionReason,
) -> Result<Vec<Dispatch>> {
    match select::is_dense(filter) {
        true => dense_parts(context, filter, std::slice::from_ref(place), why),
        false => {
            let steps = grouped::dispatches(context, filter, place)?;
            Ok(selected(steps, None, SelectionReason::Grouped))
        }
    }
}

/// The uniform blocks of the convolutions.
#[cfg(test)]
pub(super) fn uniforms() -> Vec<crate::gpu::uniform::UniformBlock> {
    [
        dense::uniforms(),
        depthwise::uniforms(),
        grouped::uniforms(),
        winograd::uniforms(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests;
