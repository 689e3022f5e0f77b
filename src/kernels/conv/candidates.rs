//! The algorithms that can compute a convolution, and what identifies it in tuning files.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::selection_reason::WinogradRejection;
use super::super::{ConvAlgorithm, DeviceContext};
use super::depthwise::DepthwiseShader;
use super::gemm_shader::GemmShader;
use super::problem::{ConvProblem, FilterShape, N_TILE};
use super::winograd::{self, Tile, WinogradKernels};
use crate::gpu::Precision;

/// The kernels of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConvKernels {
    /// Each channel has its own filter.
    Depthwise(DepthwiseShader),
    /// Groups that are not whole elements.
    Grouped,
    /// One group, or groups of whole elements on both sides.
    Gemm(GemmShader),
    /// 3×3 with stride 1 in one group.
    Winograd(WinogradKernels),
}

impl ConvKernels {
    /// The algorithm, if there is a choice between it and others.
    pub fn algorithm(self) -> Option<ConvAlgorithm> {
        match self {
            Self::Depthwise(_) | Self::Grouped => None,
            Self::Gemm(shader) => Some(shader.algorithm()),
            Self::Winograd(kernels) => Some(kernels.tile.algorithm()),
        }
    }
}

/// The algorithms that can compute a convolution on `device`; none where there is no choice.
pub(crate) fn candidates(problem: &ConvProblem, device: &DeviceContext) -> Vec<ConvAlgorithm> {
    if problem.filter.is_depthwise() || !problem.gemm().has_whole_elements() {
        return Vec::new();
    }
    (ConvAlgorithm::all().into_iter())
        .filter(|&algorithm| supported(problem, algorithm, device).is_some())
        .collect()
}

/// The estimated cycles of those of `algorithms` that have an estimate; empty in software, where the heuristic does not
/// estimate cycles.
pub(crate) fn estimates(
    problem: &ConvProblem,
    algorithms: &[ConvAlgorithm],
    device: &DeviceContext,
) -> BTreeMap<ConvAlgorithm, u64> {
    if !device.class.costs().workgroup_memory_helps {
        return BTreeMap::new();
    }
    let gemm = problem.gemm();
    let estimate = |algorithm| match supported(problem, algorithm, device)? {
        ConvKernels::Gemm(shader) => shader.cycles(&gemm, device),
        ConvKernels::Winograd(kernels) => {
            Some(winograd::cost(problem, &gemm, kernels.tile, device))
        }
        ConvKernels::Depthwise(_) | ConvKernels::Grouped => None,
    };
    (algorithms.iter())
        .filter_map(|&algorithm| Some((algorithm, estimate(algorithm)?)))
        .collect()
}

/// The kernels of `algorithm` for a convolution that the GEMM shaders can compute, where the device and
/// the problem allow them.
pub(super) fn supported(
    problem: &ConvProblem,
    algorithm: ConvAlgorithm,
    device: &DeviceContext,
) -> Option<ConvKernels> {
    let ConvAlgorithm::Winograd { tile } = algorithm else {
        let shader = GemmShader::new(algorithm, device, &problem.gemm())?;
        let is_possible = shader.supports_groups(problem.filter.groups)
            && (shader.supports_nchw_input() || !problem.nchw_input);
        return is_possible.then_some(ConvKernels::Gemm(shader));
    };
    let tile = match tile {
        2 => Tile::Two,
        _ => Tile::Four,
    };
    match winograd_unsupported(problem, tile, device) {
        Some(_) => None,
        None => Some(ConvKernels::Winograd(WinogradKernels::select(
            problem, tile, device,
        ))),
    }
}

/// Why Winograd's convolution with `tile` cannot compute it, if so.
pub(super) fn winograd_unsupported(
    problem: &ConvProblem,
    tile: Tile,
    device: &DeviceContext,
) -> Option<WinogradRejection> {
    let FilterShape { kernel, groups, .. } = problem.filter;
    let (stride, dilation) = (problem.stride, problem.dilation);
    let rejections = [
        (kernel != [3, 3], WinogradRejection::Kernel(kernel)),
        (stride != [1, 1], WinogradRejection::Stride(stride)),
        (dilation != [1, 1], WinogradRejection::Dilation(dilation)),
        (groups != 1, WinogradRejection::Groups(groups)),
        (problem.nchw_input, WinogradRejection::NchwInput),
        (problem.has_prologue, WinogradRejection::Prologue),
    ];
    let found = rejections.into_iter().find(|(applies, _)| *applies);
    let is_too_long = || {
        let kernels = WinogradKernels::select(problem, tile, device);
        let limit = device.max_loop_iterations;
        limit.is_some_and(|limit| kernels.loop_iterations(problem) > limit)
    };
    found
        .map(|(_, rejection)| rejection)
        .or((!winograd_fits(problem, tile, device)).then_some(WinogradRejection::Memory))
        .or_else(|| is_too_long().then_some(WinogradRejection::LoopIterations))
}

/// Whether the workspace of Winograd's convolution, and its weights, can be bound.
fn winograd_fits(problem: &ConvProblem, tile: Tile, device: &DeviceContext) -> bool {
    // Elements are counted in 32 bits.
    let addressable = u64::from(u32::MAX) * Precision::F32.element_bytes();
    let largest = device.largest_binding().min(addressable);
    let [transformed, products] = winograd::workspace(problem, tile, device);
    let weights = winograd::weight_bytes(problem, tile);
    let rows = u64::from(tile.points()) * problem.filter.out_channels.div_ceil(N_TILE) as u64;
    let limit = u64::from(device.limits.max_compute_workgroups_per_dimension);
    let mut all = [transformed, products, weights].into_iter();
    all.all(|bytes| bytes <= largest) && rows <= limit
}

/// All that the time of a convolution depends on, the device aside, in one line. Tuning files identify
/// convolutions by it, so a change of its format invalidates them.
pub(crate) fn signature(problem: &ConvProblem, precision: Precision) -> String {
    let FilterShape {
        in_channels,
        out_channels,
        groups,
        kernel: [kh, kw],
        ..
    } = problem.filter;
    let ConvProblem {
        batch,
        input: [height, width],
        output: [out_height, out_width],
        stride: [sh, sw],
        dilation: [dh, dw],
        // Negative where the input is cropped.
        padding: [top, left],
        ..
    } = *problem;
    let precision = match precision {
        Precision::F32 => "f32",
        Precision::F16 => "f16",
    };
    let mut signature = String::with_capacity(128);
    // Writing to a string cannot fail.
    let _ = write!(
        signature,
        "{precision} {batch}x{in_channels}x{height}x{width} to {out_channels}x{out_height}x{out_width} \
         kernel {kh}x{kw} stride {sh}x{sw} dilation {dh}x{dw} groups {groups} padding {top},{left}"
    );
    if problem.has_prologue {
        signature.push_str(" prologue");
    }
    if problem.has_residual {
        signature.push_str(" residual");
    }
    signature
}
