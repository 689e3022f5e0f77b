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
use crate::graph::{Conv2d, ConvTranspose2d, Node};
use crate::tensor::Shape;
use engine::Engine;
use geometry::{Filter, Part};
use rule::{Algorithm, Selection};

/// A convolution.
pub(super) fn dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let filter = Filter::of(context, op);
    let whole = Part::whole(context, op);
    rule::warn_of_impossible(context, op, &filter);
    let Selection { algorithm, why } = rule::select(context, op, &filter);
    let steps = match algorithm {
        Algorithm::Depthwise => vec![depthwise::dispatch(context, op)?],
        Algorithm::Grouped => grouped::dispatches(context, &filter, &whole)?,
        Algorithm::Dense(engine) => dense::dispatches(context, &filter, &[whole], engine)?,
        Algorithm::Winograd(tile) => {
            winograd::dispatches(context, &filter, &whole.window, tile, why)?
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

/// Bytes of the memories that a convolution needs between its dispatches.
pub(super) fn scratch(context: &NodeContext, op: &Conv2d) -> Vec<u64> {
    match rule::select(context, op, &Filter::of(context, op)).algorithm {
        Algorithm::Winograd(tile) => winograd::scratch(context, tile).to_vec(),
        _ => Vec::new(),
    }
}

/// The kernels that can compute a convolution, where the rule has a choice.
pub(super) fn choice(context: &NodeContext, op: &Conv2d) -> Option<Choice> {
    let filter = Filter::of(context, op);
    Some(Choice {
        signature: rule::signature(context, op),
        rule: (rule::select(context, op, &filter).algorithm).kernel()?,
        candidates: rule::candidates(context, op, &filter),
    })
}

/// A transposed convolution: for each remainder of the output's rows and columns by the stride, the
/// taps that reach them are an ordinary convolution; one dispatch where all of these have equal windows.
pub(super) fn transposed_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
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
