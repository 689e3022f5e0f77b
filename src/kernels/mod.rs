//! The compute shaders of a node: which, with what parameters, workgroups and packed weights. Nothing
//! here touches a device, so all of it is testable without one.
//!
//! There are two phases. [`select()`] decides which kernels compute a [`Problem`], which holds shapes
//! and settings only. [`lower()`] makes dispatches of the [`Selection`] once the values have a
//! [`Placement`] in memory. There is one file per family of operators.

mod activation;
mod batch_norm;
mod channels;
mod constant;
mod conv;
mod conv_algorithm;
mod cost_table;
mod cum_sum;
mod device;
mod dispatch;
mod elementwise;
mod embedding;
mod epilogue;
mod flatten;
mod gather;
mod grid_sample;
mod group_norm;
mod layout;
mod linear;
mod local_response_norm;
mod loop_iterations;
mod lower;
mod matmul;
mod norm;
mod pad;
mod pool;
mod pool_backward;
mod prologue;
mod rearrange;
mod reduce;
mod reorg;
mod resample;
mod select;
mod selection_reason;
#[cfg(feature = "internals")]
pub(crate) mod shader_forms;
mod softmax;
mod tensor_view;
mod top_k;
mod unary;
mod upsample;
mod weight;

pub(crate) use conv::{
    ConvProblem, Filter, Kernels, Phase, TransposedConvProblem, smallest_cooperative, stride_phases,
};
pub use conv_algorithm::Choice;
pub use conv_algorithm::ConvAlgorithm;
pub(crate) use conv_algorithm::Tuned;
pub(crate) use cost_table::DeviceClass;
pub(crate) use device::DeviceContext;
pub(crate) use dispatch::{Dispatch, Read, Target};
pub(crate) use layout::{pack, unpack};
pub use loop_iterations::max_loop_iterations;
pub(crate) use loop_iterations::{NO_LOOPS, nested};
use lower::LoweringContext;
pub(crate) use lower::{Placement, lower};
pub(crate) use norm::Affine;
#[cfg(test)]
pub(crate) use select::SELECTIONS;
pub(crate) use select::{Algorithm, Problem, Selection, select};
pub(crate) use selection_reason::{SelectionReason, WinogradReason, WinogradRejection};
pub(crate) use tensor_view::TensorView;
pub(crate) use weight::PackedWeight;

use crate::graph::{Node, Op};
use crate::tensor::Shape;

/// Invocations per workgroup in every shader: what WebGPU's default limits allow everywhere, and a
/// whole number of subgroups on every GPU.
pub(crate) const WORKGROUP: u64 = 64;

/// The algorithms that could compute a node with this selection; `None` where there is one only.
pub(crate) fn choice(selection: &Selection, device: &DeviceContext) -> Option<Choice> {
    match &selection.algorithm {
        Algorithm::Conv(problem, kernels) => {
            let candidates = conv::candidates(problem, device);
            Some(Choice {
                signature: conv::signature(problem, device.precision),
                selected: kernels.algorithm()?,
                estimates: conv::estimates(problem, &candidates, device),
                candidates,
            })
        }
        _ => None,
    }
}

/// Whether a node can read its input `input` as users pass it, NCHW float32, so that nothing has to
/// be packed for it.
pub(crate) fn reads_nchw_input(node: &Node, input: usize, shape: &Shape) -> bool {
    match &node.op {
        Op::Conv2d(op) => input == 0 && conv::reads_nchw_input(node, op, shape),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod uniforms;
#[cfg(test)]
pub(crate) use uniforms::uniforms;
