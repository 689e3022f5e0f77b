//! All algorithms that could compute a convolution, and what identifies it in tuning files.

use std::fmt::Write as _;

use super::super::{ConvAlgorithm, DeviceContext};
use super::gemm_shader::GemmShader;
use super::problem::ConvProblem;
use super::select::{ConvKernels, winograd_unsupported};
use super::winograd::{Tile, WinogradKernels};
use crate::gpu::Precision;

/// The algorithms that can compute a convolution on `device`; none where there is no choice.
pub(crate) fn candidates(problem: &ConvProblem, device: &DeviceContext) -> Vec<ConvAlgorithm> {
    if problem.is_depthwise() || !problem.gemm().has_whole_elements() {
        return Vec::new();
    }
    (ConvAlgorithm::all().into_iter())
        .filter(|&algorithm| supported(problem, algorithm, device).is_some())
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
        let is_possible = shader.supports_groups(problem.groups)
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

/// All that the time of a convolution depends on, the device aside, in one line. Tuning files identify
/// convolutions by it, so a change of its format invalidates them.
pub(crate) fn signature(problem: &ConvProblem, precision: Precision) -> String {
    let ConvProblem {
        batch,
        in_channels,
        out_channels,
        groups,
        input: [height, width],
        output: [out_height, out_width],
        kernel: [kh, kw],
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
