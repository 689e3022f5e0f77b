//! Why a step has its kernel, in a sentence for reports.

use super::conv::{ConvKernel, Problem, winograd_costs};
use super::implicit_gemm::Rows;
use super::select::{PlacedNode, Selection};
use crate::graph::Op;
use crate::kernels::{ConvProblem, SelectionReason, WinogradReason, WinogradRejection};

/// That of a kernel without others of its operator.
pub(super) fn only() -> String {
    SelectionReason::Only.to_string()
}

/// Why `selection` computes the node.
pub(super) fn reason(selection: &Selection, placed: &PlacedNode) -> String {
    match selection {
        Selection::Conv(problem, kernel) => conv(problem, *kernel, &placed.node.op),
        Selection::PointwiseDepthwise(_) => format!(
            "depthwise: one filter for each channel; '{}', which nothing else reads, is computed in the same kernel",
            placed.read().node.name
        ),
        Selection::Reference => {
            let what = match &placed.node.op {
                // Vectors compute them, but not every setting or shape.
                Op::Pool2d(_) | Op::Binary(_) => "this form of the operator",
                _ => "this operator",
            };
            format!("no fast kernel for {what}: the reference backend computes it")
        }
        Selection::Affine
        | Selection::Binary(_)
        | Selection::Pool(..)
        | Selection::Copies(_)
        | Selection::Unary(_)
        | Selection::LayerNorm(_)
        | Selection::Upsample(_)
        | Selection::GridSample(_) => only(),
    }
}

fn conv(problem: &Problem, kernel: ConvKernel, op: &Op) -> String {
    let problem = match problem {
        Problem::Strided(_) => return "a product for each stride phase".to_owned(),
        Problem::Plain(problem) => problem,
    };
    match kernel {
        ConvKernel::Depthwise => "depthwise: one filter for each channel".to_owned(),
        ConvKernel::Winograd(_) => match winograd_costs(problem) {
            Some(costs) => WinogradReason::CostsLess {
                cost: costs.best,
                gemm: costs.product,
            }
            .to_string(),
            None => only(),
        },
        ConvKernel::Gemm(Rows::Runs { .. }) => {
            "few input channels: the pixels of a window's row are read as one run".to_owned()
        }
        ConvKernel::Gemm(Rows::Copies) => {
            let against = WinogradRejection::Prologue;
            format!("pixels are copied through the prologue; no Winograd: {against}")
        }
        ConvKernel::Gemm(Rows::Pixels) => match op {
            Op::Conv2d(_) | Op::ConvTranspose2d(_) => {
                let against = rejection(problem);
                format!("a product that reads pixels in place; no Winograd: {against}")
            }
            _ => "a product".to_owned(),
        },
    }
}

/// Why Winograd's convolution was not selected.
fn rejection(problem: &ConvProblem) -> WinogradRejection {
    let filter = &problem.filter;
    if filter.kernel != [3, 3] {
        return WinogradRejection::Kernel(filter.kernel);
    }
    if problem.stride != [1, 1] {
        return WinogradRejection::Stride(problem.stride);
    }
    if problem.dilation != [1, 1] {
        return WinogradRejection::Dilation(problem.dilation);
    }
    match winograd_costs(problem) {
        // It was selected, but for a limit of the weights.
        Some(costs) if costs.best < costs.product => WinogradRejection::Memory,
        Some(costs) => WinogradRejection::CostsMore {
            cost: costs.best,
            gemm: costs.product,
        },
        None => WinogradRejection::Groups(filter.groups),
    }
}
