//! Pooling.

use super::conv::{Window, as_map, like_input, pair};
use crate::graph::{AdaptiveAvgPool2d, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver, Unary};
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
        "LpPool" => PoolKind::Lp { p: degree(node)? },
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

/// The degree of a norm.
fn degree(node: OnnxNode) -> Result<u32, String> {
    let p = node.int_or("p", 2);
    (u32::try_from(p).ok().filter(|&p| p > 0)).ok_or_else(|| format!("its p {p} must be positive"))
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
        "GlobalLpPool" => {
            let power = |exponent| Unary::Pow { exponent };
            let p = degree(node)? as f32;
            let magnitude = importer.node(Unary::Abs, &[&map])?;
            let powers = importer.node(power(p), &[&magnitude])?;
            let sum = importer.node(over_space(ReduceKind::Sum), &[&powers])?;
            importer.node(power(p.recip()), &[&sum])?
        }
        _ => importer.node(over_space(ReduceKind::Max), &[&map])?,
    };
    Ok(vec![Value::Device(like_input(output, rank))])
}

fn over_space(kind: ReduceKind) -> Reduce {
    Reduce {
        kind,
        over: ReduceOver::Space,
    }
}
