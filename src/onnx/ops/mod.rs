//! The operators of ONNX: for each, what of the engine computes it.
//!
//! A handler returns one value for every output of its node. Errors are reasons without the node's name.

mod branch;
mod conv;
mod conv3d;
mod elementwise;
mod grid_sample;
mod group_norm;
mod join;
mod layout;
mod matmul;
mod norm;
mod pad;
pub(in crate::onnx) mod patterns;
mod pool;
mod reduce;
mod resample;
mod resize;
mod unary;
mod written_norm;

use super::import::{Importer, Value};
use super::node::OnnxNode;

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
        "Gemm" => Handler(matmul::gemm),
        "MatMul" => Handler(matmul::matmul),
        "Add" | "Sub" | "Mul" | "Div" | "Min" | "Max" | "Pow" | "Sum" | "Mean" | "PRelu" => {
            Handler(elementwise::binary)
        }
        "Identity" | "Dropout" | "Cast" => Handler(unary::identity),
        "CastLike" => Handler(unary::cast_like),
        "ReduceL1" | "ReduceLogSum" | "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin"
        | "ReduceL2" | "ReduceSumSquare" => Handler(reduce::reduce),
        "Resize" | "Upsample" => Handler(resize::resize),
        "GridSample" => Handler(grid_sample::grid_sample),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => Handler(layout::reshape),
        "Transpose" => Handler(layout::transpose),
        "Slice" => Handler(layout::slice),
        "Split" => Handler(layout::split),
        "Concat" => Handler(join::concat),
        "Expand" => Handler(join::expand),
        "Tile" => Handler(join::tile),
        "Gather" => Handler(join::gather),
        "DepthToSpace" | "SpaceToDepth" => Handler(layout::depth_to_space),
        "Pad" => Handler(pad::pad),
        "CenterCropPad" => Handler(pad::center_crop_pad),
        "Shape" | "Size" => Handler(layout::shape),
        name if unary::is_unary(name) => Handler(unary::unary),
        _ => return None,
    };
    Some(handler)
}
