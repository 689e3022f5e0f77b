//! Pooling.

use super::conv::{Window, as_map, like_input, pair};
use crate::graph::{AdaptiveAvgPool2d, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver};
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::OnnxNode;

pub(super) fn pool<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    importer.expect_one_output(node, "its second output, the indices of the maxima,")?;
    let input = importer.view(node, 0)?;
    let rank = input.dims.len();
    let map = as_map(importer, &input)?;
    let [_, _, h, w] = map.base.nchw();
    let kernel = node
        .ints("kernel_shape")
        .ok_or("its kernel_shape is missing")?;
    let window = Window::new(node, pair(kernel, "kernel_shape", 1)?, [h, w])?;
    let kind = match node.op_type() {
        "MaxPool" => PoolKind::Max,
        _ => PoolKind::Average {
            count_include_pad: node.flag("count_include_pad"),
        },
    };
    let op = Pool2d {
        kind,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.as_padding(),
        ceil_mode: node.flag("ceil_mode"),
    };
    let output = importer.node(op, &[&map])?;
    Ok(vec![Value::Device(like_input(output, rank))])
}

/// Pooling over all pixels.
pub(super) fn global<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let rank = input.dims.len();
    let map = as_map(importer, &input)?;
    let output = match node.op_type() {
        "GlobalAveragePool" => importer.node(AdaptiveAvgPool2d::new(1, 1), &[&map])?,
        _ => {
            let maximum = Reduce {
                kind: ReduceKind::Max,
                over: ReduceOver::Space,
            };
            importer.node(maximum, &[&map])?
        }
    };
    Ok(vec![Value::Device(like_input(output, rank))])
}
