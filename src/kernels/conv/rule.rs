//! The rule that selects a kernel for a convolution.

use super::super::{ConvKernel, NodeContext};
use super::dense::BLOCK;
use super::engine::{Engine, PixelsEach};
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
    Dense(Engine),
    /// 3×3 of stride 1 in one group.
    Winograd(Tile),
}

/// The algorithm for a convolution: the kernel that is preferred, if it is possible, else the one
/// that costs least, as far as can be told without running any.
pub(super) fn algorithm(context: &NodeContext, op: &Conv2d, filter: &Filter) -> Algorithm {
    if op.is_depthwise() {
        return Algorithm::Depthwise;
    }
    if !is_dense(filter) {
        return Algorithm::Grouped;
    }
    let preferred = context.device.prefer;
    let preferred = preferred.and_then(|kernel| possible(context, op, filter, kernel));
    if let Some(algorithm) = preferred {
        return algorithm;
    }
    let pixels = u64::from(context.output.pixels);
    if let Some(engine) = Engine::cooperative(context.device, pixels, filter) {
        return Algorithm::Dense(engine);
    }
    let inner = filter.group_inputs.div_ceil(4) as u64;
    let blocks = blocks(filter);
    let taps = (op.kernel[0] * op.kernel[1]) as u64;
    let dense = Algorithm::Dense(Engine::rule(context.device, pixels, blocks));
    let cost = PixelsEach::of(pixels).cost(pixels) * taps * inner * blocks;
    let winograd = [2, 4].into_iter().filter_map(|tile| {
        match possible(context, op, filter, ConvKernel::Winograd { tile })? {
            Algorithm::Winograd(tile) => Some((
                winograd_cost(context, inner, blocks, tile),
                Algorithm::Winograd(tile),
            )),
            _ => None,
        }
    });
    (std::iter::once((cost, dense)).chain(winograd))
        .min_by_key(|(cost, _)| *cost)
        .map_or(dense, |(_, algorithm)| algorithm)
}

/// Blocks of output channels.
pub(super) fn blocks(filter: &Filter) -> u64 {
    (filter.groups * filter.group_outputs.div_ceil(BLOCK)) as u64
}

/// Whether the dense shaders can compute it.
pub(super) fn is_dense(filter: &Filter) -> bool {
    let whole_elements =
        filter.group_inputs.is_multiple_of(4) && filter.group_outputs.is_multiple_of(4);
    filter.groups == 1 || whole_elements
}

/// A dense convolution by `kernel`, where that is possible.
fn possible(
    context: &NodeContext,
    op: &Conv2d,
    filter: &Filter,
    kernel: ConvKernel,
) -> Option<Algorithm> {
    let ConvKernel::Winograd { tile } = kernel else {
        let engine = Engine::of(kernel, context.device)?;
        let is_possible = !matches!(engine, Engine::Cooperative { .. }) || filter.groups == 1;
        return is_possible.then_some(Algorithm::Dense(engine));
    };
    let tile = match tile {
        2 => Tile::Two,
        _ => Tile::Four,
    };
    let is_plain = op.kernel == [3, 3] && op.stride == [1, 1] && op.dilation == [1, 1];
    let is_possible = is_plain
        && filter.groups == 1
        && !context.planar
        && context.node.fused.prologue.is_none()
        && fits(context, filter, tile);
    is_possible.then_some(Algorithm::Winograd(tile))
}

/// Whether what Winograd's convolution keeps between its steps, and its weights, can be bound.
fn fits(context: &NodeContext, filter: &Filter, tile: Tile) -> bool {
    let largest = context.device.largest_binding();
    let [transformed, products] = winograd::scratch(context, tile);
    let weights = winograd::weight_bytes(filter, tile);
    let rows = u64::from(tile.positions()) * filter.group_outputs.div_ceil(BLOCK) as u64;
    let limit = u64::from(context.device.limits.max_compute_workgroups_per_dimension);
    let mut all = [transformed, products, weights].into_iter();
    all.all(|bytes| bytes <= largest) && rows <= limit
}

/// In the unit of [`PixelsEach::cost`].
fn winograd_cost(context: &NodeContext, inner: u64, blocks: u64, tile: Tile) -> u64 {
    let tiles = tile.count(&context.output);
    let product = PixelsEach::of(tiles).cost(tiles);
    let products = product * u64::from(tile.positions()) * inner * blocks;
    // An element of one tile, through one transform.
    let transform = match tile {
        Tile::Two => 14,
        Tile::Four => 30,
    };
    products + transform * tiles * (inner + u64::from(context.output.groups))
}
