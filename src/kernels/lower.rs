//! The second phase: the dispatches of a node whose kernels are selected and whose values have places
//! in memory. Nothing here selects a kernel.

use super::{
    Algorithm, DeviceContext, Dispatch, Read, Selection, SelectionReason, TensorView, WORKGROUP,
};
use super::{
    activation, batch_norm, channels, constant, conv, cum_sum, elementwise, embedding, flatten,
    gather, grid_sample, group_norm, linear, local_response_norm, matmul, pad, pool, pool_backward,
    rearrange, reduce, reorg, resample, softmax, top_k, unary, upsample,
};
use crate::error::Result;
use crate::gpu::Shader;
use crate::graph::{Node, Op, ReduceKind};

/// Where the values of a node are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement<'a> {
    /// The node's inputs. Of one that is read NCHW, only the sizes count.
    pub inputs: &'a [TensorView],
    pub output: TensorView,
    /// The first element of each buffer of [`Selection::workspace`].
    pub workspace: &'a [u32],
    /// Whether the output takes the place of the residual.
    pub residual_in_place: bool,
    /// For each input of a concatenation, whether it is already in the output's memory.
    pub concat_in_place: &'a [bool],
}

/// The arguments of [`lower`], as kernels take them.
pub(super) struct LoweringContext<'a> {
    pub node: &'a Node,
    pub selection: &'a Selection,
    pub inputs: &'a [TensorView],
    pub output: TensorView,
    pub workspace: &'a [u32],
    pub residual_in_place: bool,
    pub device: &'a DeviceContext,
}

/// The dispatches that compute a node, in order.
///
/// # Errors
/// [`Error::Limit`](crate::Error::Limit) where the device cannot run them.
pub(crate) fn lower(
    node: &Node,
    selection: &Selection,
    placement: &Placement,
    device: &DeviceContext,
) -> Result<Vec<Dispatch>> {
    let dispatches = dispatches(node, selection, placement, device)?;
    for dispatch in &dispatches {
        device.check_loops(&node.name, dispatch.loop_iterations)?;
    }
    Ok(dispatches)
}

fn dispatches(
    node: &Node,
    selection: &Selection,
    placement: &Placement,
    device: &DeviceContext,
) -> Result<Vec<Dispatch>> {
    let context = &LoweringContext {
        node,
        selection,
        inputs: placement.inputs,
        output: placement.output,
        workspace: placement.workspace,
        residual_in_place: placement.residual_in_place,
        device,
    };
    match &selection.algorithm {
        Algorithm::Conv(problem, kernels) => return conv::lower(context, problem, *kernels),
        Algorithm::TransposedConv(problem, kernels) => {
            return conv::lower_transposed(context, problem, kernels);
        }
        Algorithm::OneKernel | Algorithm::Reduction { .. } => {}
    }
    match &node.op {
        Op::Linear(op) => linear::dispatches(context, op),
        Op::BatchNorm2d(op) => batch_norm::dispatches(context, op.channels),
        Op::LayerScale(op) => batch_norm::dispatches(context, op.channels),
        Op::Activation(op) => activation::dispatches(context, *op),
        Op::Pool2d(op) => pool::dispatches(context, op),
        Op::AdaptiveAvgPool2d(_) => reduce::over_space(context, ReduceKind::Mean),
        Op::GroupNorm(op) => group_norm::dispatches(context, op),
        Op::Softmax(_) => softmax::dispatches(context),
        Op::Binary(op) => elementwise::dispatches(context, *op),
        Op::Concat(_) => channels::concat(context, placement.concat_in_place),
        Op::Constant(op) => constant::dispatches(context, op),
        Op::SliceChannels(op) => channels::slice(context, *op),
        Op::Upsample(op) => upsample::dispatches(context, op),
        Op::LocalResponseNorm(op) => local_response_norm::dispatches(context, op),
        Op::Pad2d(op) => pad::dispatches(context, op),
        Op::CenterCropOrPad(_) => pad::center_dispatches(context),
        Op::Reorg(op) => reorg::dispatches(context, *op),
        Op::Resample(op) => resample::dispatches(context, op),
        Op::Rearrange(op) => rearrange::dispatches(context, op),
        Op::ChannelShuffle(op) => rearrange::shuffle_dispatches(context, *op),
        Op::Reduce(op) => reduce::dispatches(context, *op),
        Op::Embedding(op) => embedding::dispatches(context, op),
        Op::GridSample(op) => grid_sample::dispatches(context, op),
        Op::GridSampleBackward(op) => grid_sample::backward_dispatches(context, op),
        Op::GridSamplePositionsBackward(op) => {
            grid_sample::positions_backward_dispatches(context, &op.0)
        }
        Op::Flatten(_) => flatten::dispatches(context),
        Op::ActivationBackward(op) => activation::backward_dispatches(context, op.0),
        Op::AdaptiveAvgPool2dBackward(_) => pool_backward::adaptive_average(context),
        Op::AvgPool2dBackward(op) => pool_backward::average(context, &op.pool),
        Op::BatchNorm2dBackward(op) => batch_norm::backward_dispatches(context, &op.0),
        Op::GroupNormBackward(op) => group_norm::backward_dispatches(context, &op.0),
        Op::Hardmax(_) => softmax::hard_dispatches(context),
        Op::LinearBackward(op) => linear::backward_dispatches(context, &op.0),
        Op::LocalResponseNormBackward(op) => {
            local_response_norm::backward_dispatches(context, &op.0)
        }
        Op::MaxPool2dBackward(op) => pool_backward::max(context, &op.0),
        Op::Unary(op) => unary::dispatches(context, *op),
        Op::UnaryBackward(op) => unary::backward_dispatches(context, op.0),
        Op::Unflatten(_) => flatten::back_dispatches(context),
        Op::UpsampleBackward(op) => upsample::backward_dispatches(context, &op.upsample),
        Op::CumSum(op) => cum_sum::dispatches(context, *op),
        Op::Gather(op) => gather::dispatches(context, op),
        Op::MatMul(_) => matmul::dispatches(context),
        Op::TopK(op) => top_k::dispatches(context, *op),
        Op::Where(_) => elementwise::where_dispatches(context),
        // Convolutions are lowered above.
        Op::Input(_) | Op::Dropout | Op::Conv2d(_) | Op::ConvTranspose2d(_) => Ok(Vec::new()),
    }
}

impl LoweringContext<'_> {
    /// The common case: one dispatch with an invocation for every element of the output.
    pub fn per_element(
        &self,
        shader: &'static Shader,
        params: &impl bytemuck::Pod,
        reads: Vec<Read>,
        loop_iterations: u64,
    ) -> Result<Dispatch> {
        let count = u64::from(self.output.pixels) * u64::from(self.output.c4);
        let grid = self.device.flat_grid(&self.node.name, count)?;
        Ok((self.device).dispatch(shader, params, reads, grid, loop_iterations))
    }

    /// The variant of a shader with `#import reduction` that was selected.
    pub fn reducing(
        &self,
        workgroup: &'static Shader,
        subgroup: &'static Shader,
    ) -> (&'static Shader, SelectionReason) {
        let shader = match self.largest_subgroup() {
            Some(_) => subgroup,
            None => workgroup,
        };
        (shader, self.selection.reason)
    }

    /// Workgroups for `count` teams of such a shader, as `shaders/shared/reduction_team.wgsl` forms
    /// them: enough where subgroups are as large as possible.
    pub fn teams(&self, count: u64) -> u64 {
        count.div_ceil(WORKGROUP / self.most_team_members())
    }

    /// Invocations of a team, where subgroups are as large as possible.
    pub fn most_team_members(&self) -> u64 {
        let subgroup = self.largest_subgroup().map_or(WORKGROUP, u64::from);
        subgroup.min(WORKGROUP)
    }

    /// Invocations of a team, where subgroups are as small as possible.
    pub fn team_members(&self) -> u64 {
        match self.largest_subgroup() {
            Some(_) => u64::from(self.device.subgroup_size.unwrap_or(1)),
            None => WORKGROUP,
        }
    }

    fn largest_subgroup(&self) -> Option<u32> {
        match self.selection.algorithm {
            Algorithm::Reduction { largest_subgroup } => largest_subgroup,
            _ => None,
        }
    }
}
