//! The rule that selects a kernel for a convolution.

use super::super::selection_reason::{GemmReason, WinogradReason, WinogradRejection};
use super::super::{ConvAlgorithm, NodeContext, SelectionReason};
use super::dense::BLOCK;
use super::depthwise;
use super::gemm_shader::{GemmShader, PixelsEach};
use super::geometry::{ConvProblem, Filter};
use super::winograd::{self, Tile};
use crate::gpu::Precision;

/// Tiles that Winograd's convolution is not worth its larger weights below.
const LEAST_TILES: u64 = 32;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    /// Each channel has its own kernel.
    Depthwise,
    /// Groups that are not whole elements.
    Grouped,
    /// One group, or groups of whole elements on both sides.
    Dense(GemmShader),
    /// 3×3 of stride 1 in one group.
    Winograd(Tile),
}

impl Algorithm {
    /// Its name, if there is a choice between it and others.
    pub fn kernel(self) -> Option<ConvAlgorithm> {
        match self {
            Self::Depthwise | Self::Grouped => None,
            Self::Dense(engine) => Some(engine.kernel()),
            Self::Winograd(tile) => Some(tile.kernel()),
        }
    }
}

/// What the rule answers.
pub(super) struct Selection {
    pub algorithm: Algorithm,
    pub why: SelectionReason,
}

/// The algorithm for a convolution: the kernel that is preferred, if it is possible, then the one
/// that tuning has found fastest, else the one that costs least, as far as can be told without
/// running any.
pub(super) fn select(context: &NodeContext, conv: &ConvProblem) -> Selection {
    let ConvProblem { op, filter, .. } = conv;
    let because = |algorithm, why| Selection { algorithm, why };
    if op.is_depthwise() {
        let in_rows = depthwise::in_rows(op).is_some();
        return because(Algorithm::Depthwise, SelectionReason::Depthwise { in_rows });
    }
    if !is_dense(filter) {
        return because(Algorithm::Grouped, SelectionReason::Grouped);
    }
    let asked_for = [
        (
            context.device.prefer,
            GemmReason::Preferred,
            WinogradReason::Preferred,
        ),
        (
            tuned(context, conv),
            GemmReason::Tuned,
            WinogradReason::Tuned,
        ),
    ];
    for (kernel, dense, winograd) in asked_for {
        let algorithm = kernel.and_then(|kernel| possible(context, conv, kernel));
        match algorithm {
            None => {}
            Some(algorithm @ Algorithm::Winograd(_)) => {
                return because(algorithm, SelectionReason::Winograd(winograd));
            }
            Some(algorithm) => return because(algorithm, SelectionReason::Dense(dense, None)),
        }
    }
    let pixels = u64::from(context.output.pixels);
    let cooperative = GemmShader::cooperative(context.device, pixels, filter);
    if let Some((engine, why)) = cooperative.filter(|_| !context.planar) {
        return because(Algorithm::Dense(engine), SelectionReason::Dense(why, None));
    }
    let inner = filter.group_inputs.div_ceil(4) as u64;
    let blocks = blocks(filter);
    let taps = (op.kernel[0] * op.kernel[1]) as u64;
    let (engine, why_engine) = GemmShader::rule(context.device, pixels, blocks, filter.groups);
    let dense = PixelsEach::of(pixels).cost(pixels) * taps * inner * blocks;
    let tiles = [Tile::Two, Tile::Four];
    let winograd = tiles
        .into_iter()
        .filter(|&tile| unfit(context, conv, tile).is_none())
        .map(|tile| (winograd_cost(context, inner, blocks, tile), tile))
        .min_by_key(|(cost, _)| *cost);
    let not = match winograd {
        Some((cost, tile)) if cost < dense => {
            let why = SelectionReason::Winograd(WinogradReason::CostsLess { cost, dense });
            return because(Algorithm::Winograd(tile), why);
        }
        Some((cost, _)) => Some(WinogradRejection::CostsMore { cost, dense }),
        None => unfit(context, conv, Tile::Two),
    };
    because(
        Algorithm::Dense(engine),
        SelectionReason::Dense(why_engine, not),
    )
}

/// Why the rule takes no Winograd of `tile`, whatever it costs.
fn unfit(context: &NodeContext, conv: &ConvProblem, tile: Tile) -> Option<WinogradRejection> {
    let count = tile.count(&context.output);
    not_winograd(context, conv, tile)
        // Transformed kernels are larger, 1.8 and 4 times: not worth their memory where few tiles
        // share them, as in the last maps of a classifier.
        .or((count < LEAST_TILES).then_some(WinogradRejection::FewTiles(count, LEAST_TILES)))
        .or((context.device.is_quarantined(tile.kernel()))
            .then_some(WinogradRejection::Quarantined(tile.kernel())))
}

/// The kernels that can compute a convolution here; none where there is no choice.
pub(super) fn candidates(context: &NodeContext, conv: &ConvProblem) -> Vec<ConvAlgorithm> {
    let ConvProblem { op, filter, .. } = conv;
    if op.is_depthwise() || !is_dense(filter) {
        return Vec::new();
    }
    (ConvAlgorithm::all().into_iter())
        .filter(|&kernel| possible(context, conv, kernel).is_some())
        .collect()
}

/// What the time of a convolution depends on, the device aside, in a line. It names what tuning
/// finds in files, so that a change of it makes those useless.
pub(super) fn signature(context: &NodeContext, conv: &ConvProblem) -> String {
    let op = &conv.op;
    let (input, output) = (&context.inputs[0], &context.output);
    let fused = &context.node.fused;
    let precision = match context.device.precision {
        Precision::F32 => "f32",
        Precision::F16 => "f16",
    };
    // Negative where the input is cropped.
    let [top, left] = conv.part.window.padding.map(|v| v as i32);
    let pair = |[a, b]: [usize; 2]| format!("{a}x{b}");
    format!(
        "{precision} {}x{}x{}x{} to {}x{}x{} kernel {} stride {} dilation {} groups {} padding {top},{left}{}{}",
        input.batch,
        op.in_channels,
        input.height,
        input.width,
        op.out_channels,
        output.height,
        output.width,
        pair(op.kernel),
        pair(op.stride),
        pair(op.dilation),
        op.groups,
        if fused.prologue.is_some() {
            " prologue"
        } else {
            ""
        },
        if fused.residual.is_some() {
            " residual"
        } else {
            ""
        },
    )
}

/// The kernel that tuning has found fastest, if this convolution was among those that were tuned.
fn tuned(context: &NodeContext, conv: &ConvProblem) -> Option<ConvAlgorithm> {
    let tuned = context.device.tuned.as_ref()?;
    let kernel = *tuned.kernels.get(&signature(context, conv))?;
    (!tuned.quarantined.contains(&kernel)).then_some(kernel)
}

/// Tells in the log of a tuned choice that the device does not allow, where the rule decides.
pub(super) fn warn_of_impossible(context: &NodeContext, conv: &ConvProblem) {
    if let Some(kernel) = tuned(context, conv)
        && !candidates(context, conv).contains(&kernel)
    {
        let (name, device) = (&context.node.name, &context.device.name);
        tracing::warn!("'{name}' was tuned to {kernel}, which {device} cannot use for it");
    }
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
fn possible(context: &NodeContext, conv: &ConvProblem, kernel: ConvAlgorithm) -> Option<Algorithm> {
    let filter = &conv.filter;
    let ConvAlgorithm::Winograd { tile } = kernel else {
        let engine = GemmShader::of(kernel, context.device);
        let engine = engine.filter(|engine| {
            let reads_planar = !matches!(engine, GemmShader::Cooperative { .. });
            engine.takes(filter.groups) && (reads_planar || !context.planar)
        });
        return engine.map(Algorithm::Dense);
    };
    let tile = match tile {
        2 => Tile::Two,
        _ => Tile::Four,
    };
    let is_possible = not_winograd(context, conv, tile).is_none();
    is_possible.then_some(Algorithm::Winograd(tile))
}

/// Why Winograd's convolution cannot compute it, if so.
fn not_winograd(
    context: &NodeContext,
    conv: &ConvProblem,
    tile: Tile,
) -> Option<WinogradRejection> {
    let ConvProblem { op, filter, .. } = conv;
    let reasons = [
        (op.kernel != [3, 3], WinogradRejection::Kernel(op.kernel)),
        (op.stride != [1, 1], WinogradRejection::Stride(op.stride)),
        (
            op.dilation != [1, 1],
            WinogradRejection::Dilation(op.dilation),
        ),
        (filter.groups != 1, WinogradRejection::Groups(filter.groups)),
        (context.planar, WinogradRejection::Planar),
        (
            context.node.fused.prologue.is_some(),
            WinogradRejection::Prologue,
        ),
        (!fits(context, filter, tile), WinogradRejection::Memory),
    ];
    let found = reasons.into_iter().find(|(is, _)| *is);
    found.map(|(_, reason)| reason)
}

/// Whether what Winograd's convolution keeps between its steps, and its weights, can be bound.
fn fits(context: &NodeContext, filter: &Filter, tile: Tile) -> bool {
    // Elements are counted in 32 bits.
    let addressable = u64::from(u32::MAX) * Precision::F32.element_bytes();
    let largest = context.device.largest_binding().min(addressable);
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
