//! Which shader computes a node, with what parameters, workgroups and packed weights. One file an
//! operator family; nothing here touches a device, so all of it is testable without one.

mod activation;
mod batch_norm;
mod channels;
mod choice;
mod conv;
mod device;
mod elementwise;
mod embedding;
mod epilogue;
mod flatten;
mod layout;
mod linear;
mod local_response_norm;
mod norm;
mod pad;
mod pool;
mod pool_backward;
mod prologue;
mod reduce;
mod reorg;
mod selection_reason;
mod softmax;
mod tensor_view;
mod upsample;
mod weight;

use std::sync::Arc;

pub use choice::Choice;
pub use choice::ConvAlgorithm;
pub(crate) use choice::Tuned;
pub(crate) use device::DeviceContext;
pub(crate) use layout::{pack, unpack};
pub(crate) use selection_reason::SelectionReason;
pub(crate) use tensor_view::TensorView;
pub(crate) use weight::PackedWeight;

use crate::error::Result;
use crate::gpu::{PipelineKey, Shader};
use crate::graph::{Node, Op, ReduceKind};
use crate::tensor::Shape;

/// Invocations a workgroup, in every shader: what WebGPU's defaults allow everywhere, and a whole
/// number of subgroups on every GPU.
pub(crate) const WORKGROUP: u64 = 64;

/// A node to be computed, its values laid out.
pub(crate) struct NodeContext<'a> {
    pub node: &'a Node,
    pub inputs: &'a [TensorView],
    pub output: TensorView,
    /// Whether the residual lies where the output goes.
    pub residual_in_place: bool,
    /// Whether the inputs that [`reads_planar_input`] are given so: their maps then tell only sizes.
    pub planar: bool,
    /// The first element of each of the memories that [`scratch`] asked for.
    pub scratch: &'a [u32],
    pub device: &'a DeviceContext,
}

/// One dispatch, all but its buffers decided.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub target: Target,
    pub key: PipelineKey,
    pub params: Vec<u8>,
    pub reads: Vec<Read>,
    pub workgroups: [u32; 3],
    /// Multiplications and additions, where they are other than the node's.
    pub operations: Option<u64>,
    /// The way to compute a convolution that this is, or is a part of.
    pub kernel: Option<ConvAlgorithm>,
    pub why: SelectionReason,
}

/// What a dispatch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Output,
    /// The node's scratch memory of this index.
    Scratch(usize),
}

/// What a dispatch reads.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    /// The node's input of this index.
    Input(usize),
    /// The node's scratch memory of this index.
    Scratch(usize),
    /// A weight, in the layout that the shader wants.
    Weight(Arc<PackedWeight>),
}

/// Bytes of the memories that a node's dispatches need between them: the first is written by the
/// first dispatch and read by the second, and so on; the first dispatch reads the inputs, but the
/// last the residual. Where things lie makes no difference to them.
pub(crate) fn scratch(context: &NodeContext) -> Vec<u64> {
    match &context.node.op {
        Op::Conv2d(_) | Op::ConvTranspose2d(_) => conv::scratch(context),
        _ => Vec::new(),
    }
}

/// The dispatches that compute a node, in order. `in_place` tells of a concatenation's input whether
/// it lies where it belongs already.
pub(crate) fn dispatches(
    context: &NodeContext,
    in_place: &dyn Fn(usize) -> bool,
) -> Result<Vec<Dispatch>> {
    match &context.node.op {
        Op::Conv2d(op) => conv::dispatches(context, op),
        Op::Linear(op) => linear::dispatches(context, op),
        Op::BatchNorm2d(op) => batch_norm::dispatches(context, op),
        Op::Activation(op) => activation::dispatches(context, *op),
        Op::Pool2d(op) => pool::dispatches(context, op),
        Op::AdaptiveAvgPool2d(_) => reduce::over_space(context, ReduceKind::Mean),
        Op::Softmax(_) => softmax::dispatches(context),
        Op::Binary(op) => elementwise::dispatches(context, *op),
        Op::Concat(_) => channels::concat(context, in_place),
        Op::SliceChannels(op) => channels::slice(context, *op),
        Op::ConvTranspose2d(op) => conv::transposed_dispatches(context, op),
        Op::Upsample(op) => upsample::dispatches(context, op),
        Op::LocalResponseNorm(op) => local_response_norm::dispatches(context, op),
        Op::Pad2d(op) => pad::dispatches(context, op),
        Op::CenterCropOrPad(_) => pad::center_dispatches(context),
        Op::Reorg(op) => reorg::dispatches(context, *op),
        Op::Reduce(op) => reduce::dispatches(context, *op),
        Op::Embedding(op) => embedding::dispatches(context, op),
        Op::Flatten(_) => flatten::dispatches(context),
        Op::ActivationBackward(op) => activation::backward_dispatches(context, op.0),
        Op::AdaptiveAvgPool2dBackward(_) => pool_backward::adaptive_average(context),
        Op::AvgPool2dBackward(op) => pool_backward::average(context, &op.pool),
        Op::BatchNorm2dBackward(op) => batch_norm::backward_dispatches(context, &op.0),
        Op::Hardmax(_) => softmax::hard_dispatches(context),
        Op::LinearBackward(op) => linear::backward_dispatches(context, &op.0),
        Op::LocalResponseNormBackward(op) => {
            local_response_norm::backward_dispatches(context, &op.0)
        }
        Op::MaxPool2dBackward(op) => pool_backward::max(context, &op.0),
        Op::Unflatten(_) => flatten::back_dispatches(context),
        Op::UpsampleBackward(op) => upsample::backward_dispatches(context, &op.upsample),
        Op::Input(_) | Op::Dropout => Ok(Vec::new()),
    }
}

/// What kernels a node can be computed with; `None` where there is no choice. Where things lie makes
/// no difference to it.
pub(crate) fn choice(context: &NodeContext) -> Option<Choice> {
    match &context.node.op {
        Op::Conv2d(op) => conv::choice(context, op),
        _ => None,
    }
}

/// Whether a node can read its input `input` as users give it, NCHW float32, so that nothing has to
/// be packed for it.
pub(crate) fn reads_planar_input(node: &Node, input: usize, shape: &Shape) -> bool {
    match &node.op {
        Op::Conv2d(op) => input == 0 && conv::reads_planar_input(node, op, shape),
        _ => false,
    }
}

impl NodeContext<'_> {
    /// The common case: one dispatch with an invocation for every element of the output.
    fn per_element(
        &self,
        shader: &'static Shader,
        params: &impl bytemuck::Pod,
        reads: Vec<Read>,
    ) -> Result<Dispatch> {
        let count = u64::from(self.output.pixels) * u64::from(self.output.groups);
        let grid = self.device.flat_grid(&self.node.name, count)?;
        Ok(self.device.dispatch(shader, params, reads, grid))
    }
}

impl Dispatch {
    fn into_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// What a rule has selected it as, and why.
    fn selected(mut self, kernel: Option<ConvAlgorithm>, why: SelectionReason) -> Self {
        (self.kernel, self.why) = (kernel, why);
        self
    }

    fn operations(mut self, operations: u64) -> Self {
        self.operations = Some(operations);
        self
    }

    fn constant(self, name: &'static str, value: u32) -> Self {
        self.constants(&[(name, value)])
    }

    fn constants(mut self, constants: &[(&'static str, u32)]) -> Self {
        self.key.constants.extend(constants);
        self
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod uniforms;
#[cfg(test)]
pub(crate) use uniforms::uniforms;
