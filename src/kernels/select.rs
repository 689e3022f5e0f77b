//! The first phase: which kernels compute a node. Nothing here knows where values lie in memory.

use super::conv::{self, ConvKernels, ConvProblem, TransposedConvProblem, TransposedKernels};
use super::loop_iterations::REDUCTION_ITERATIONS;
use super::{DeviceContext, SelectionReason, group_norm, linear};
use crate::graph::{GroupNormBackward, Node, Op, Reduce, ReduceOver};
use crate::tensor::Shape;

/// What is to be computed: all that the selection of kernels may depend on, the device aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A convolution, or a transposed one of stride 1.
    Conv(ConvProblem),
    /// A transposed convolution with a stride.
    TransposedConv(TransposedConvProblem),
    /// A fully connected layer, as the convolution that has its rows as pixels.
    Linear(ConvProblem),
    /// The gradient of one, likewise.
    LinearBackward(ConvProblem),
    /// Sums or maxima that a team of invocations shares, with this many elements to read.
    Reduction { elements: u64 },
    /// An operator with one kernel.
    Other,
}

/// How a problem is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub algorithm: Algorithm,
    /// Why these kernels; dispatches that were selected by themselves have their own reasons.
    pub reason: SelectionReason,
    /// Bytes of each buffer between the dispatches of the node: the first dispatch writes the first
    /// and the second reads it, and so on. The first dispatch reads the inputs, and the last one the
    /// residual.
    pub workspace: Vec<u64>,
    /// Whether several dispatches may add to the output, which then cannot take the residual's place.
    pub in_parts: bool,
    /// Whether all dispatches run once for each of several chunks, so that inputs are read, and workspaces written,
    /// after a part of the output was.
    pub in_chunks: bool,
}

/// The kernels that were selected, with their variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// The operator's only kernel.
    OneKernel,
    /// A reduction within subgroups of at most this size, or through workgroup memory.
    Reduction { largest_subgroup: Option<u32> },
    /// A convolution, or rows of a fully connected layer as its pixels.
    Conv(ConvProblem, ConvKernels),
    /// A transposed convolution with a stride.
    TransposedConv(TransposedConvProblem, TransposedKernels),
}

impl Default for Selection {
    /// The only kernel of an operator.
    fn default() -> Self {
        Self {
            algorithm: Algorithm::OneKernel,
            reason: SelectionReason::Only,
            workspace: Vec::new(),
            in_parts: false,
            in_chunks: false,
        }
    }
}

impl Problem {
    /// The problem of `node`, by the shapes of its first input and of its output. `nchw_input` says
    /// that the first input is read as the user passes it: NCHW, float32.
    pub fn new(node: &Node, input: Option<&Shape>, output: &Shape, nchw_input: bool) -> Self {
        let fused = &node.fused;
        match (&node.op, input) {
            (Op::Conv2d(op), Some(input)) => {
                Self::Conv(ConvProblem::new(op, fused, input, output, nchw_input))
            }
            (Op::ConvTranspose2d(op), Some(input)) => match op.stride {
                [1, 1] => Self::Conv(ConvProblem::from_transposed(op, fused, input, output)),
                _ => Self::TransposedConv(TransposedConvProblem::new(op, fused, output)),
            },
            (Op::Linear(op), _) => Self::Linear(ConvProblem::from_linear(op, fused, output)),
            (Op::LinearBackward(op), _) => {
                Self::LinearBackward(ConvProblem::from_linear_backward(&op.0, fused, output))
            }
            // They read the channels twice.
            (Op::Softmax(_) | Op::Hardmax(_), _) => Self::Reduction {
                elements: 2 * output.nchw()[1].div_ceil(4) as u64,
            },
            (Op::GroupNorm(op) | Op::GroupNormBackward(GroupNormBackward(op)), _) => {
                match group_norm::subgroup_elements(op) {
                    Some(elements) => Self::Reduction { elements },
                    None => Self::Other,
                }
            }
            // It is split where it is long.
            (Op::AdaptiveAvgPool2d(_), _) => Self::Reduction { elements: 0 },
            (
                Op::Reduce(Reduce {
                    over: ReduceOver::Space,
                    ..
                }),
                _,
            ) => Self::Reduction { elements: 0 },
            _ => Self::Other,
        }
    }
}

impl Problem {
    /// Whether sums may be so long that several dispatches compute them, whichever kernel is selected.
    fn may_be_split(&self, device: &DeviceContext) -> bool {
        let filter = match self {
            Self::Conv(conv) | Self::Linear(conv) | Self::LinearBackward(conv) => &conv.filter,
            Self::TransposedConv(conv) => &conv.filter,
            Self::Reduction { .. } | Self::Other => return false,
        };
        let most = conv::most_loop_iterations(filter, device);
        device.max_loop_iterations.is_some_and(|limit| most > limit)
    }
}

/// Selects the kernels for `problem`. A plan calls this once for each of its nodes.
pub(crate) fn select(problem: &Problem, device: &DeviceContext) -> Selection {
    #[cfg(test)]
    SELECTIONS.set(SELECTIONS.get() + 1);
    let costs = device.class.costs();
    let mut selection = match problem {
        Problem::Conv(conv) => conv::select(conv, device),
        Problem::TransposedConv(conv) => conv::select_transposed(conv, device),
        Problem::Linear(conv) if !linear::is_faster(conv, device) => {
            conv::select_rows(conv, device)
        }
        Problem::LinearBackward(conv) if conv.m() >= costs.min_linear_backward_gemm_rows => {
            conv::select_rows(conv, device)
        }
        Problem::Linear(_) | Problem::LinearBackward(_) | Problem::Reduction { .. } => {
            let largest_subgroup = device
                .largest_subgroup
                .filter(|_| subgroups_suffice(problem, device));
            Selection {
                algorithm: Algorithm::Reduction { largest_subgroup },
                reason: SelectionReason::Reduction(largest_subgroup),
                ..Selection::default()
            }
        }
        Problem::Other => Selection::default(),
    };
    selection.in_parts = problem.may_be_split(device);
    selection
}

/// Whether a subgroup can reduce all elements within the device's limit of loop iterations. A workgroup has
/// more invocations.
fn subgroups_suffice(problem: &Problem, device: &DeviceContext) -> bool {
    let (Problem::Reduction { elements }, Some(limit)) = (problem, device.max_loop_iterations)
    else {
        return true;
    };
    let members = u64::from(device.subgroup_size.unwrap_or(1));
    elements.div_ceil(members) + REDUCTION_ITERATIONS <= limit
}

#[cfg(test)]
thread_local! {
    /// How often [`select`] ran in this thread.
    pub(crate) static SELECTIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
