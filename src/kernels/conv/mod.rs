//! Convolution and transposed convolution: the rule that selects a shader.

mod dense;
mod depthwise;
mod geometry;
mod grouped;

use super::{Dispatch, NodeContext};
use crate::error::Result;
use crate::graph::{Conv2d, ConvTranspose2d};
use geometry::{Filter, Part};

/// A convolution: depthwise where each channel has its own kernel; dense where both sides of a
/// group are whole elements, or there is one group; else grouped.
pub(super) fn dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    if op.is_depthwise() {
        return Ok(vec![depthwise::dispatch(context, op)?]);
    }
    part(context, &Filter::of(context, op), &Part::whole(context, op))
}

/// A transposed convolution: for each remainder of the output's rows and columns by the stride, the
/// taps that reach them are an ordinary convolution; one dispatch where all of these have equal windows.
pub(super) fn transposed_dispatches(
    context: &NodeContext,
    op: &ConvTranspose2d,
) -> Result<Vec<Dispatch>> {
    let filter = Filter::transposed(context, op);
    let places = Part::remainders(context, op);
    if is_dense(&filter)
        && let Some(merged) = Part::merged(&places)
    {
        return dense::dispatches(context, &filter, &merged);
    }
    let mut steps = Vec::new();
    for place in places {
        steps.extend(part(context, &filter, &place)?);
    }
    Ok(steps)
}

fn part(context: &NodeContext, filter: &Filter, place: &Part) -> Result<Vec<Dispatch>> {
    match is_dense(filter) {
        true => dense::dispatches(context, filter, std::slice::from_ref(place)),
        false => grouped::dispatches(context, filter, place),
    }
}

fn is_dense(filter: &Filter) -> bool {
    let whole_elements =
        filter.group_inputs.is_multiple_of(4) && filter.group_outputs.is_multiple_of(4);
    filter.groups == 1 || whole_elements
}
