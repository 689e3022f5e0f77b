//! What of ONNX computes each operator.

use super::writer::GraphWriter;
use super::{activation, elementwise, layout, norm, resize, window};
use crate::graph::{Node, Op, ValueId};

/// Adds the nodes that compute `value`, and returns the name of what the last of them returns, or of a value that is
/// there already. Errors are reasons without the node's name.
pub(super) fn write(
    writer: &mut GraphWriter,
    value: ValueId,
    node: &Node,
) -> Result<String, String> {
    writer.begin(value);
    Ok(match node.op() {
        // Its value is there from the start.
        Op::Input(_) => node.name().to_owned(),
        Op::Dropout => writer.input(0),
        Op::Constant(_) => writer.parameter("weight"),
        Op::Activation(op) => activation::activation(writer, *op),
        Op::Unary(op) => activation::unary(writer, *op),
        Op::Binary(op) => elementwise::binary(writer, *op),
        Op::Where(_) => elementwise::choose(writer),
        Op::Conv2d(op) => window::conv(writer, op),
        Op::ConvTranspose2d(op) => window::conv_transpose(writer, op),
        Op::Linear(op) => window::linear(writer, op),
        Op::MatMul(_) => {
            let [a, b] = [writer.input(0), writer.input(1)];
            writer.op("MatMul", &[&a, &b], Vec::new())
        }
        Op::Pool2d(op) => window::pool(writer, op)?,
        Op::AdaptiveAvgPool2d(op) => resize::adaptive_avg_pool(writer, op),
        Op::BatchNorm2d(op) => norm::batch_norm(writer, op),
        Op::LayerScale(_) => norm::layer_scale(writer),
        Op::GroupNorm(op) => norm::group_norm(writer, op),
        Op::LocalResponseNorm(op) => norm::local_response_norm(writer, op),
        Op::Softmax(_) => norm::over_channels(writer, "Softmax"),
        Op::Hardmax(_) => norm::over_channels(writer, "Hardmax"),
        Op::TopK(op) => elementwise::top_k(writer, *op),
        Op::Reduce(op) => elementwise::reduce(writer, *op),
        Op::CumSum(op) => elementwise::cum_sum(writer, *op),
        Op::Concat(_) => layout::concat(writer),
        Op::SliceChannels(op) => layout::slice_channels(writer, *op),
        Op::Flatten(_) => layout::flatten(writer),
        Op::Unflatten(op) => layout::unflatten(writer, *op),
        Op::Rearrange(op) => layout::rearrange(writer, op),
        Op::Reorg(op) => layout::reorg(writer, *op),
        Op::ChannelShuffle(op) => layout::channel_shuffle(writer, *op),
        Op::Gather(op) => layout::gather(writer, op),
        Op::Embedding(_) => layout::embedding(writer),
        Op::Pad2d(op) => resize::pad(writer, op),
        Op::CenterCropOrPad(_) => resize::center_crop_or_pad(writer),
        Op::Upsample(op) => resize::upsample(writer, op),
        Op::Resample(op) => resize::resample(writer, op),
        Op::GridSample(op) => resize::grid_sample(writer, op)?,
        Op::ActivationBackward(_)
        | Op::AdaptiveAvgPool2dBackward(_)
        | Op::AvgPool2dBackward(_)
        | Op::BatchNorm2dBackward(_)
        | Op::GridSampleBackward(_)
        | Op::GridSamplePositionsBackward(_)
        | Op::GroupNormBackward(_)
        | Op::LinearBackward(_)
        | Op::LocalResponseNormBackward(_)
        | Op::MaxPool2dBackward(_)
        | Op::UnaryBackward(_)
        | Op::UpsampleBackward(_) => {
            return Err(
                "ONNX has no such operator: it computes a gradient; write the graph without gradients"
                    .to_owned(),
            );
        }
    })
}
