//! The operators of ONNX: for each, what of the engine computes it.
//!
//! A handler returns one value for every output of its node. Errors are reasons without the node's name.

mod branch;
pub(in crate::onnx) mod cast;
mod choose;
mod conv;
mod conv3d;
mod elementwise;
mod gather;
mod grid_sample;
mod group_norm;
mod join;
pub(in crate::onnx) mod layout;
mod matmul;
mod norm;
mod pad;
pub(in crate::onnx) mod patterns;
mod pool;
mod positions;
mod quantized;
mod rank;
mod reduce;
mod resample;
mod resize;
mod scan;
mod scatter;
mod unary;
mod written_norm;

use super::import::Importer;
use super::node::OnnxNode;
use super::value::Value;

/// What adds a node's operator to the graph.
#[derive(Clone, Copy)]
pub(super) struct Handler(
    pub for<'m> fn(&mut Importer<'m>, OnnxNode<'m>) -> Result<Vec<Value<'m>>, String>,
);

/// What handles an operator of ONNX's own domain on values of the device.
pub(super) fn handler(op_type: &str) -> Option<Handler> {
    let handler: Handler = match op_type {
        "If" => Handler(branch::branch),
        "Conv" => Handler(conv::conv),
        "ConvTranspose" => Handler(conv::conv_transpose),
        "MaxPool" | "AveragePool" | "LpPool" => Handler(pool::pool),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => Handler(pool::global),
        "LRN" => Handler(norm::local_response_norm),
        "BatchNormalization" => Handler(norm::batch_norm),
        "InstanceNormalization" => Handler(group_norm::instance_norm),
        "GroupNormalization" => Handler(group_norm::group_norm),
        "LayerNormalization" => Handler(group_norm::layer_norm),
        "LpNormalization" => Handler(norm::lp_norm),
        "MeanVarianceNormalization" => Handler(group_norm::mean_variance_norm),
        "RMSNormalization" => Handler(group_norm::rms_norm),
        "Hardmax" | "Softmax" | "LogSoftmax" => Handler(norm::softmax),
        "DequantizeLinear" => Handler(quantized::dequantize_linear),
        "QuantizeLinear" => Handler(quantized::quantize_linear),
        "Gemm" => Handler(matmul::gemm),
        "MatMul" => Handler(matmul::matmul),
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Pow" | "Sum" | "Mean" | "PRelu"
        | "Mod" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And"
        | "Or" | "Xor" => Handler(elementwise::binary),
        "Where" => Handler(choose::choose),
        "Trilu" => Handler(choose::trilu),
        "Identity" | "Dropout" => Handler(unary::identity),
        "Cast" | "CastLike" => Handler(cast::cast),
        "ArgMax" | "ArgMin" => Handler(rank::arg_max),
        "TopK" => Handler(rank::top_k),
        "CumSum" => Handler(scan::cum_sum),
        "ReduceL1" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceMean" | "ReduceSum"
        | "ReduceMax" | "ReduceMin" | "ReduceL2" | "ReduceSumSquare" | "ReduceProd" => {
            Handler(reduce::reduce)
        }
        "Resize" | "Upsample" => Handler(resize::resize),
        "GridSample" => Handler(grid_sample::grid_sample),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => Handler(layout::reshape),
        "Transpose" => Handler(layout::transpose),
        "Slice" => Handler(layout::slice),
        "Split" => Handler(layout::split),
        "Concat" => Handler(join::concat),
        "Expand" => Handler(join::expand),
        "Tile" => Handler(join::tile),
        "Gather" => Handler(gather::gather),
        "GatherElements" => Handler(gather::gather_elements),
        "GatherND" => Handler(gather::gather_nd),
        "Scatter" | "ScatterElements" | "ScatterND" => Handler(scatter::scatter),
        "DepthToSpace" | "SpaceToDepth" => Handler(layout::depth_to_space),
        "Pad" => Handler(pad::pad),
        "CenterCropPad" => Handler(pad::center_crop_pad),
        "Shape" | "Size" => Handler(layout::shape),
        name if unary::is_unary(name) => Handler(unary::unary),
        _ => return None,
    };
    Some(handler)
}

#[cfg(test)]
mod tests;
