//! The selection of kernels for a convolution.

use super::super::selection_reason::{GemmReason, WinogradReason, WinogradRejection};
use super::super::{Algorithm, ConvAlgorithm, DeviceContext, Selection, SelectionReason};
use super::candidates::{ConvKernels, signature, supported, winograd_unsupported};
use super::depthwise::DepthwiseShader;
use super::gemm_shader::{GemmShader, n_tile_cost};
use super::problem::{ConvProblem, GemmProblem, TransposedConvProblem};
use super::stride_phases::{merged, stride_phases};
use super::window::Phase;
use super::winograd::{self, Tile, WinogradKernels};

/// The kernels of a transposed convolution with a stride.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TransposedKernels {
    /// Each channel has its own filter.
    Depthwise,
    /// Sets of stride phases, each by kernels of its own.
    Phases(Vec<PhaseKernels>),
}

/// The kernel of some stride phases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PhaseKernels {
    /// One, or several that one dispatch can compute.
    pub(super) phases: Vec<Phase>,
    /// The GEMM shader; `None` for groups that are not whole elements.
    pub shader: Option<GemmShader>,
    pub reason: SelectionReason,
}

/// Selects the kernels of a convolution: the algorithm that the options prefer, if it is possible; then
/// the one that tuning found fastest; else the one with the least estimated cost.
pub(crate) fn select(problem: &ConvProblem, device: &DeviceContext) -> Selection {
    let (kernels, reason) = kernels(problem, device);
    Selection {
        algorithm: Algorithm::Conv(*problem, kernels),
        reason,
        workspace: match kernels {
            ConvKernels::Winograd(kernels) => {
                winograd::workspace(problem, kernels.tile, device).to_vec()
            }
            ConvKernels::Gemm(shader) => shader.workspace(&problem.gemm()),
            ConvKernels::Depthwise(_) | ConvKernels::Grouped => Vec::new(),
        },
        in_chunks: match kernels {
            ConvKernels::Winograd(kernels) => kernels.chunks(problem) > 1,
            _ => false,
        },
        ..Selection::default()
    }
}

fn kernels(problem: &ConvProblem, device: &DeviceContext) -> (ConvKernels, SelectionReason) {
    let gemm = problem.gemm();
    if problem.filter.is_depthwise() {
        let shader = DepthwiseShader::select(problem);
        let in_rows = matches!(shader, DepthwiseShader::Row { .. });
        return (
            ConvKernels::Depthwise(shader),
            SelectionReason::Depthwise { in_rows },
        );
    }
    if !gemm.has_whole_elements() {
        return (ConvKernels::Grouped, SelectionReason::Grouped);
    }
    let requested = [
        (
            device.prefer,
            GemmReason::Preferred,
            WinogradReason::Preferred,
        ),
        (
            tuned(problem, device),
            GemmReason::Tuned,
            WinogradReason::Tuned,
        ),
    ];
    for (algorithm, gemm_reason, winograd_reason) in requested {
        let kernels = algorithm.and_then(|algorithm| supported(problem, algorithm, device));
        match kernels {
            None => {}
            Some(kernels @ ConvKernels::Winograd(_)) => {
                return (kernels, SelectionReason::Winograd(winograd_reason));
            }
            Some(kernels) => return (kernels, SelectionReason::Gemm(gemm_reason, None)),
        }
    }
    let cooperative = GemmShader::select_cooperative(device, &gemm);
    if let Some((shader, reason)) = cooperative.filter(|_| !problem.nchw_input) {
        return (
            ConvKernels::Gemm(shader),
            SelectionReason::Gemm(reason, None),
        );
    }
    let (shader, reason) = GemmShader::select_uncooperative(device, &gemm);
    let gemm_cost = gemm_cost(problem, &gemm, shader, device);
    let winograd = [Tile::Two, Tile::Four]
        .into_iter()
        .filter(|&tile| reject_winograd(problem, tile, device).is_none())
        .map(|tile| (winograd::cost(problem, &gemm, tile, device), tile))
        .min_by_key(|(cost, _)| *cost);
    let rejection = match winograd {
        Some((cost, tile)) if cost < gemm_cost => {
            return (
                ConvKernels::Winograd(WinogradKernels::select(problem, tile, device)),
                SelectionReason::Winograd(WinogradReason::CostsLess {
                    cost,
                    gemm: gemm_cost,
                }),
            );
        }
        Some((cost, _)) => Some(WinogradRejection::CostsMore {
            cost,
            gemm: gemm_cost,
        }),
        None => reject_winograd(problem, Tile::Two, device),
    };
    (
        ConvKernels::Gemm(shader),
        SelectionReason::Gemm(reason, rejection),
    )
}

/// Selects the kernel for rows of a fully connected layer as pixels. Winograd's convolution and tuning
/// are not considered.
pub(crate) fn select_rows(problem: &ConvProblem, device: &DeviceContext) -> Selection {
    let (shader, reason) = GemmShader::select(device, &problem.gemm());
    Selection {
        algorithm: Algorithm::Conv(*problem, ConvKernels::Gemm(shader)),
        reason: SelectionReason::Rows(reason),
        workspace: shader.workspace(&problem.gemm()),
        ..Selection::default()
    }
}

/// The estimated cycles of [`select_rows`]'s kernel; `None` where it is not selected by an estimate.
pub(crate) fn rows_cycles(problem: &ConvProblem, device: &DeviceContext) -> Option<u64> {
    let gemm = problem.gemm();
    match GemmShader::select(device, &gemm) {
        (shader, GemmReason::Tile(_) | GemmReason::Subgroup | GemmReason::Cooperative) => {
            shader.cycles(&gemm, device)
        }
        _ => None,
    }
}

/// Selects the kernels of a transposed convolution with a stride: one dispatch for all stride phases
/// where these have equal windows, else each phase by itself.
pub(crate) fn select_transposed(
    problem: &TransposedConvProblem,
    device: &DeviceContext,
) -> Selection {
    let kernels = transposed_kernels(problem, device);
    let reason = match &kernels {
        TransposedKernels::Depthwise => SelectionReason::Depthwise { in_rows: false },
        // Phases have reasons of their own.
        TransposedKernels::Phases(phases) => {
            (phases.first()).map_or(SelectionReason::Only, |phase| phase.reason)
        }
    };
    Selection {
        algorithm: Algorithm::TransposedConv(*problem, kernels),
        reason,
        ..Selection::default()
    }
}

fn transposed_kernels(
    problem: &TransposedConvProblem,
    device: &DeviceContext,
) -> TransposedKernels {
    if problem.filter.is_depthwise() {
        return TransposedKernels::Depthwise;
    }
    let all = stride_phases(problem);
    let sets = match merged(&all) {
        Some(merged) if problem.gemm(&merged).has_whole_elements() => vec![merged],
        _ => all.into_iter().map(|phase| vec![phase]).collect(),
    };
    let kernels = sets.into_iter().map(|phases| {
        let gemm = problem.gemm(&phases);
        let (shader, reason) = match gemm.has_whole_elements() {
            true => {
                let (shader, reason) = GemmShader::select(device, &gemm);
                (Some(shader), SelectionReason::Transposed(reason))
            }
            false => (None, SelectionReason::Grouped),
        };
        PhaseKernels {
            phases,
            shader,
            reason,
        }
    });
    TransposedKernels::Phases(kernels.collect())
}

/// The algorithm that tuning found fastest, if this convolution was tuned.
fn tuned(problem: &ConvProblem, device: &DeviceContext) -> Option<ConvAlgorithm> {
    let tuned = device.tuned.as_ref()?;
    if tuned.algorithms.is_empty() {
        return None;
    }
    let signature = signature(problem, device.precision);
    let algorithm = *tuned.algorithms.get(&signature)?;
    if tuned.quarantined.contains(&algorithm) {
        return None;
    }
    if supported(problem, algorithm, device).is_none() {
        let device = &device.name;
        tracing::warn!("'{signature}' was tuned to {algorithm}, which {device} cannot use for it");
    }
    Some(algorithm)
}

/// Why the heuristic does not select Winograd's convolution with `tile`, whatever it costs.
fn reject_winograd(
    problem: &ConvProblem,
    tile: Tile,
    device: &DeviceContext,
) -> Option<WinogradRejection> {
    let tiles = tile.count(problem);
    let least = device.class.costs().min_winograd_tiles;
    winograd_unsupported(problem, tile, device)
        .or((tiles < least).then_some(WinogradRejection::FewTiles { tiles, least }))
        .or((device.is_quarantined(tile.algorithm()))
            .then_some(WinogradRejection::Quarantined(tile.algorithm())))
}

/// The estimated cost of an implicit GEMM by `shader`, in the unit of the cost table.
fn gemm_cost(
    problem: &ConvProblem,
    gemm: &GemmProblem,
    shader: GemmShader,
    device: &DeviceContext,
) -> u64 {
    if device.class.costs().workgroup_memory_helps {
        return shader.cycles(gemm, device).unwrap_or(u64::MAX);
    }
    let taps = (problem.filter.kernel[0] * problem.filter.kernel[1]) as u64;
    n_tile_cost(gemm.m, device.class.costs()) * taps * gemm.k_c4() * gemm.n_tiles()
}
