//! The rule that selects an algorithm for a convolution.

use super::super::NodeContext;
use super::dense::{self, BLOCK};
use super::geometry::Filter;
use super::winograd::{self, Tile};
use crate::graph::Conv2d;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// Each channel has its own kernel.
    Depthwise,
    /// Groups that are not whole elements.
    Grouped,
    /// One group, or groups of whole elements on both sides.
    Dense,
    /// 3×3 of stride 1 in one group, where it costs less.
    Winograd(Tile),
}

/// The algorithm that costs least, as far as can be told without running any.
pub(super) fn algorithm(context: &NodeContext, op: &Conv2d, filter: &Filter) -> Algorithm {
    if op.is_depthwise() {
        return Algorithm::Depthwise;
    }
    if !is_dense(filter) {
        return Algorithm::Grouped;
    }
    let inner = filter.group_inputs.div_ceil(4) as u64;
    let blocks = (filter.groups * filter.group_outputs.div_ceil(BLOCK)) as u64;
    let taps = (op.kernel[0] * op.kernel[1]) as u64;
    let pixels = u64::from(context.output.pixels);
    let direct = dense::pixels_each(pixels).cost * taps * inner * blocks;
    let winograd = [Tile::Two, Tile::Four].into_iter().filter(|tile| {
        is_winograd(context, op, filter) && fits(context, filter, *tile)
    });
    (winograd.map(|tile| (winograd_cost(context, inner, blocks, tile), Algorithm::Winograd(tile))))
        .chain([(direct, Algorithm::Dense)])
        .min_by_key(|(cost, _)| *cost)
        .map_or(Algorithm::Dense, |(_, algorithm)| algorithm)
}

/// Whether the dense shaders can compute it.
pub(super) fn is_dense(filter: &Filter) -> bool {
    let whole_elements =
        filter.group_inputs.is_multiple_of(4) && filter.group_outputs.is_multiple_of(4);
    filter.groups == 1 || whole_elements
}

fn is_winograd(context: &NodeContext, op: &Conv2d, filter: &Filter) -> bool {
    let is_plain = op.kernel == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1];
    is_plain && filter.groups == 1 && context.node.fused.prologue.is_none()
}

/// Whether what it keeps between its steps, and its weights, can be bound.
fn fits(context: &NodeContext, filter: &Filter, tile: Tile) -> bool {
    let largest = context.device.largest_binding();
    let [transformed, products] = winograd::scratch(context, tile);
    let weights = winograd::weight_bytes(context, filter, tile);
    let rows = u64::from(tile.positions()) * filter.group_outputs.div_ceil(BLOCK) as u64;
    let limit = u64::from(context.device.limits.max_compute_workgroups_per_dimension);
    [transformed, products, weights].iter().all(|bytes| *bytes <= largest) && rows <= limit
}

/// In the unit of [`dense::pixels_each`].
fn winograd_cost(context: &NodeContext, inner: u64, blocks: u64, tile: Tile) -> u64 {
    let tiles = tile.count(&context.output);
    let products = dense::pixels_each(tiles).cost * u64::from(tile.positions()) * inner * blocks;
    // An element of one tile, through one transform.
    let transform = match tile {
        Tile::Two => 14,
        Tile::Four => 30,
    };
    products + transform * tiles * (inner + u64::from(context.output.groups))
}
