//! Convolution and transposed convolution: the rule that selects a shader.

mod dense;
mod depthwise;
mod engine;
mod geometry;
mod grouped;
mod rule;
mod winograd;

use super::why::WhyEngine;
use super::{Choice, ConvKernel, Dispatch, NodeContext, Why};
use crate::error::Result;
use crate::graph::{Conv2d, ConvTranspose2d, Node, Op};
use crate::tensor::Shape;
use engine::Engine;
use geometry::{Filter, Part, Plain};
use rule::{Algorithm, Selection};

/// A convolution.
pub(super) fn dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    plain_dispatches(context, &Plain::of(context, op))
}

fn plain_dispatches(context: &NodeContext, conv: &Plain) -> Result<Vec<Dispatch>> {
    let Plain { filter, part, .. } = conv;
    rule::warn_of_impossible(context, conv);
    let Selection { algorithm, why } = rule::select(context, conv);
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

fn selected(steps: Vec<Dispatch>, kernel: Option<ConvKernel>, why: Why) -> Vec<Dispatch> {
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
        Op::Conv2d(op) => Some(Plain::of(context, op)),
        Op::ConvTranspose2d(op) => Plain::turned(context, op),
        _ => None,
    };
    match conv.map(|conv| rule::select(context, &conv).algorithm) {
        Some(Algorithm::Winograd(tile)) => winograd::scratch(context, tile).to_vec(),
        _ => Vec::new(),
    }
}

/// The kernels that can compute a convolution, where the rule has a choice.
pub(super) fn choice(context: &NodeContext, op: &Conv2d) -> Option<Choice> {
    let conv = Plain::of(context, op);
    Some(Choice {
        signature: rule::signature(context, &conv),
        rule: (rule::select(context, &conv).algorithm).kernel()?,
        candidates: rule::candidates(context, &conv),
    })
}

/// A transposed convolution: for each remainder of the output's rows and columns by the stride, the
/// taps that reach them are an ordinary convolution; one dispatch where all of these have equal windows,
/// and a choice of all kernels where there is one remainder.
pub(super) fn transposed_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
    if let Some(conv) = Plain::turned(context, op) {
        return plain_dispatches(context, &conv);
    }
    if op.is_depthwise() {
        let step = depthwise::transposed_dispatch(context, op)?;
        return Ok(vec![step.selected(None, Why::Depthwise { in_rows: false })]);
    }
    let filter = Filter::transposed(context, op);
    let places = Part::remainders(context, op);
    if rule::is_dense(&filter)
        && let Some(merged) = Part::merged(&places)
    {
        return dense_parts(context, &filter, &merged, Why::Transposed);
    }
    let mut steps = Vec::new();
    for place in places {
        steps.extend(part(context, &filter, &place, Why::Transposed)?);
    }
    Ok(steps)
}

/// The rows of a fully connected layer as pixels of the convolution `op`, without a choice of
/// algorithm.
pub(super) fn row_dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let filter = Filter::of(context, op);
    part(context, &filter, &Part::whole(context, op), Why::Rows)
}

/// As [`row_dispatches`], by weights that lie the other way round.
pub(super) fn transposed_row_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
    let filter = Filter::transposed(context, op);
    let mut steps = Vec::new();
    for place in Part::remainders(context, op) {
        steps.extend(part(context, &filter, &place, Why::Rows)?);
    }
    Ok(steps)
}

fn engine(context: &NodeContext, filter: &Filter, places: &[Part]) -> (Engine, WhyEngine) {
    let pixels: u64 = (places.iter())
        .map(|place| u64::from(place.outputs.pixels))
        .sum();
    // The tiles of one remainder hold nothing of another.
    Engine::cooperative(context.device, pixels / places.len() as u64, filter).unwrap_or_else(|| {
        Engine::rule(context.device, pixels, rule::blocks(filter), filter.groups)
    })
}

fn dense_parts(
    context: &NodeContext,
    filter: &Filter,
    places: &[Part],
    why: fn(WhyEngine) -> Why,
) -> Result<Vec<Dispatch>> {
    let (engine, why_engine) = engine(context, filter, places);
    let steps = dense::dispatches(context, filter, places, engine)?;
    Ok(selected(steps, Some(engine.kernel()), why(why_engine)))
}

fn part(
    context: &NodeContext,
    filter: &Filter,
    place: &Part,
    why: fn(WhyEngine) -> Why,
) -> Result<Vec<Dispatch>> {
    match rule::is_dense(filter) {
        true => dense_parts(context, filter, std::slice::from_ref(place), why),
        false => {
            let steps = grouped::dispatches(context, filter, place)?;
            Ok(selected(steps, None, Why::Grouped))
        }
    }
}

#[cfg(test)]
mod tests;
