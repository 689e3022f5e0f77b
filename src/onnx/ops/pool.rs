//! Pooling along one to three dimensions.

use super::conv::{Window, as_map, like_input, pair};
use super::layout::product;
use crate::graph::{AdaptiveAvgPool2d, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver, Unary};
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::OnnxNode;

pub(super) fn pool<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    importer.expect_one_output(node, "its second output, the indices of the maxima,")?;
    let input = importer.view(node, 0)?;
    let kernel = node
        .ints("kernel_shape")
        .ok_or("its kernel_shape is missing")?;
    let kind = match node.op_type() {
        "MaxPool" => PoolKind::Max,
        "LpPool" => PoolKind::Lp { p: degree(node)? },
        _ => PoolKind::Average {
            count_include_pad: node.flag("count_include_pad"),
        },
    };
    let op = |window: Window| Pool2d {
        kind,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.as_padding(),
        ceil_mode: node.flag("ceil_mode"),
    };
    let rank = input.dims.len();
    if let (&[n, c, d, h, w], &[depth, height, width]) = (&input.dims[..], kernel) {
        // Each kind of pooling is the same along one axis after the other.
        let kernel = pair(&[height, width], "kernel_shape", 1)?;
        let window = Window::along(node, kernel, [h, w], &(1..3))?;
        let planes = importer.shaped(&input, &[n, product(&[c, d]), h, w])?;
        let planes = importer.node(op(window), &[&planes])?;
        let [_, _, h, w] = planes.base.nchw();
        let window = Window::along(node, pair(&[depth], "kernel_shape", 1)?, [1, d], &(0..1))?;
        let rows = importer.shaped(&planes, &[n, c, d, product(&[h, w])])?;
        let output = importer.node(op(window.transposed()), &[&rows])?;
        let dims = vec![n, c, output.base.nchw()[2], h, w];
        return Ok(vec![Value::Device(output.reshaped(dims))]);
    }
    let map = as_map(importer, &input)?;
    let [_, _, h, w] = map.base.nchw();
    let window = Window::new(node, pair(kernel, "kernel_shape", 1)?, [h, w])?;
    let output = importer.node(op(window), &[&map])?;
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
    let mut dims = input.dims.clone();
    let map = match dims[..] {
        // More dimensions are one.
        [n, c, ref all @ ..] if all.len() > 2 => {
            importer.shaped(&input, &[n, c, 1, product(all)])?
        }
        _ => as_map(importer, &input)?,
    };
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
    dims.iter_mut().skip(2).for_each(|dim| *dim = 1);
    Ok(vec![Value::Device(output.reshaped(dims))])
}

fn over_space(kind: ReduceKind) -> Reduce {
    Reduce {
        kind,
        over: ReduceOver::Space,
    }
}
