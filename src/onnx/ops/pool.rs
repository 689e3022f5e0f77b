//! Pooling along one to three dimensions.

use super::conv::{Window, as_map, like_input, pair};
use super::elementwise::combine_views;
use super::layout::product;
use super::unary::apply;
use crate::graph::{
    AdaptiveAvgPool2d, Binary, Factor, Pad2d, Pool2d, PoolKind, Rearrange, Reduce, ReduceKind,
    ReduceOver, TopK, TopKOutput, Unary,
};
use crate::onnx::host::{HostData, HostTensor};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::tensor::Shape;

pub(super) fn pool<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
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
    let with_indices = importer.is_output_read(node, 1);
    if with_indices && rank != 4 {
        return Err(format!(
            "its second output, the indices of the maxima, is supported for maps [N, C, H, W]; the input is {:?}",
            input.dims
        ));
    }
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
    let op = op(window);
    let output = importer.node(op.clone(), &[&map])?;
    let indices = match with_indices {
        false => None,
        true => Some(Value::Device(max_indices(
            importer, node, &op, &map, &output,
        )?)),
    };
    let output = Value::Device(like_input(output, rank));
    Ok([output].into_iter().chain(indices).collect())
}

/// Of each maximum, its index among all elements of the input: the largest tap of each window, of several equal
/// ones the first, from which the index follows.
fn max_indices(
    importer: &mut Importer,
    node: OnnxNode,
    op: &Pool2d,
    map: &View,
    pooled: &View,
) -> Result<View, String> {
    let ([n, c, h, w], [_, _, out_h, out_w]) = (map.base.nchw(), pooled.base.nchw());
    let (len, planes) = (product(&[n, c, h, w]), product(&[n, c]));
    if len > MAX_EXACT {
        return Err(format!(
            "the indices of {len} elements are not exact in float32, which has integers up to {MAX_EXACT}"
        ));
    }
    let ([kernel_h, kernel_w], [stride_h, stride_w]) = (op.kernel, op.stride);
    let [dilation_h, dilation_w] = op.dilation;
    let [top, _, left, _] = op.padding_for([h, w]);
    // Padded to the end of the last window, which may be before that of the input.
    let end = |count: usize, stride: usize, kernel: usize, dilation: usize| {
        let last = count.saturating_sub(1).saturating_mul(stride);
        let taps = kernel.saturating_sub(1).saturating_mul(dilation);
        last.saturating_add(taps).saturating_add(1)
    };
    let padded_h = end(out_h, stride_h, kernel_h, dilation_h).max(h.saturating_add(top));
    let padded_w = end(out_w, stride_w, kernel_w, dilation_w).max(w.saturating_add(left));
    let signed = |size: usize| isize::try_from(size).map_err(|_| "its input is too large");
    let pad = Pad2d {
        top: signed(top)?,
        bottom: signed(padded_h.saturating_sub(h).saturating_sub(top))?,
        left: signed(left)?,
        right: signed(padded_w.saturating_sub(w).saturating_sub(left))?,
        value: f32::NEG_INFINITY,
    };
    let map = importer.shaped(map, &[1, planes, h, w])?;
    let padded = importer.node(pad, &[&map])?;
    let factor = |extent: usize, stride: usize| -> Result<Factor, String> {
        let stride = signed(stride)?;
        Ok(Factor { extent, stride })
    };
    // The taps of each window as channels.
    let taps = product(&op.kernel);
    let factors = vec![
        factor(planes, padded_h.saturating_mul(padded_w))?,
        factor(kernel_h, dilation_h.saturating_mul(padded_w))?,
        factor(kernel_w, dilation_w)?,
        factor(out_h, stride_h.saturating_mul(padded_w))?,
        factor(out_w, stride_w)?,
    ];
    let windows = Shape::from([planes, taps, out_h, out_w]);
    let windows = Rearrange::new(padded.base.clone(), windows, factors, 0)?;
    let windows = importer.node(windows, &[&padded])?;
    let largest = TopK {
        k: 1,
        largest: true,
        output: TopKOutput::Indices,
    };
    let tap = importer.node(largest, &[&windows])?;
    // Row and column of the tap. A half more keeps quotients off whole numbers.
    let affine = |scale: f32, offset: f32| Unary::Affine { scale, offset };
    let per_row = (kernel_w as f32).recip();
    let quotient = apply(importer, &tap, affine(per_row, 0.5 * per_row))?;
    let row = apply(importer, &quotient, Unary::Floor)?;
    let before = apply(importer, &row, affine(-(kernel_w as f32), 0.0))?;
    let column = combine_views(importer, Binary::Add, &tap, &before)?;
    // Elements from one row and one column to the next, in the order that indices are counted in.
    let [step_h, step_w] = match node.flag("storage_order") {
        false => [w, 1],
        true => [1, h],
    };
    let along = |extent: usize, step: usize| (extent.saturating_mul(step)) as f32;
    let row = apply(importer, &row, affine(along(dilation_h, step_h), 0.0))?;
    let column = apply(importer, &column, affine(along(dilation_w, step_w), 0.0))?;
    let in_window = combine_views(importer, Binary::Add, &row, &column)?;
    // The index of each window's first tap, which may be in the padding.
    let mut first = Vec::with_capacity(product(&[planes, out_h, out_w]));
    for plane in 0..planes {
        for y in 0..out_h {
            for x in 0..out_w {
                // Whole numbers that float32 has, as all indices.
                let place = |i: usize, stride: usize, before: usize, step: usize| -> f32 {
                    (i as f32 * stride as f32 - before as f32) * step as f32
                };
                let plane = plane as f32 * h as f32 * w as f32;
                let rows = place(y, stride_h, top, step_h);
                first.push(plane + rows + place(x, stride_w, left, step_w));
            }
        }
    }
    let first = HostTensor::new([planes, 1, out_h, out_w], HostData::Float(first));
    let first = importer.constant(Value::Host(first.ok_or("it is too large")?.into()))?;
    let index = combine_views(importer, Binary::Add, &in_window, &first)?;
    importer.shaped(&index, &[n, c, out_h, out_w])
}

/// The largest integer up to which float32 has all of them.
const MAX_EXACT: usize = 1 << 24;

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
