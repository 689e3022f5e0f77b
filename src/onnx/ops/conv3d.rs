//! Convolutions along three dimensions, by convolutions along two.

use super::conv::{Window, add_weights, groups};
use super::layout::product;
use super::pad::padded;
use crate::graph::{Conv2d, Factor, Rearrange};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::tensor::Shape;

/// Every plane of the output is one image, whose channels are those of all planes of the input that its kernels
/// see. A kernel has its weights in that order already.
pub(super) fn conv<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    input: &View,
) -> Result<Vec<Value<'m>>, String> {
    let (&[n, channels, d, h, w], &[out_channels, in_group, depth, height, width]) =
        (&input.dims[..], &importer.dims(node, 1)?[..])
    else {
        return Err(format!(
            "its weight has another number of dimensions than its input {:?}",
            input.dims
        ));
    };
    let groups = groups(node)?;
    if in_group.checked_mul(groups) != Some(channels) {
        return Err(format!(
            "its weight is for {in_group} channels in each of {groups} group(s), but its input is {:?}",
            input.dims
        ));
    }
    let along = Window::along(node, [1, depth], [1, d], &(0..1))?;
    let window = Window::along(node, [height, width], [h, w], &(1..3))?;
    let [_, _, front, back] = along.padding;
    let sides = [front, back].map(|side| i64::try_from(side).unwrap_or(i64::MAX));
    let padded = match sides {
        [0, 0] => input.clone(),
        sides => padded(importer, input, 2, sides, 0.0)?,
    };
    let deep = padded.dims.get(2).copied().unwrap_or(1);
    let ([_, stride], [_, dilation]) = (along.stride, along.dilation);
    let reach = (depth.checked_sub(1)).and_then(|more| more.checked_mul(dilation));
    let room = reach
        .and_then(|reach| deep.checked_sub(reach)?.checked_sub(1))
        .ok_or_else(|| format!("its kernel of {depth} planes is larger than its input"))?;
    let planes = room.checked_div(stride).unwrap_or(0).saturating_add(1);
    let plane = product(&[h, w]);
    let rows = importer.shaped(&padded, &[n, channels, deep, plane])?;
    let factor = |extent: usize, distances: &[usize]| {
        let stride = isize::try_from(product(distances));
        let stride = stride.map_err(|_| "it is too large".to_owned())?;
        Ok::<_, String>(Factor { extent, stride })
    };
    let factors = vec![
        factor(n, &[channels, deep, plane])?,
        factor(planes, &[stride, plane])?,
        factor(channels, &[deep, plane])?,
        factor(depth, &[dilation, plane])?,
        factor(plane, &[1])?,
    ];
    let seen = product(&[channels, depth]);
    let images = Shape::from([product(&[n, planes]), seen, h, w]);
    let images = Rearrange::new(rows.base.clone(), images, factors, 0)?;
    let images = importer.node(images, &[&rows])?;
    let op = Conv2d {
        in_channels: seen,
        out_channels,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.as_padding(),
        groups,
        bias: node.input(2).is_some(),
    };
    let dims = [out_channels, product(&[in_group, depth]), height, width];
    let name = add_weights(importer, node, &dims, out_channels)?;
    let output = importer.named_node(name, op, &[&images])?;
    let [_, _, h, w] = output.base.nchw();
    let output = output.reshaped(vec![n, planes, out_channels, h, w]);
    let output = importer.reordered(&output, |view| view.transposed(&[0, 2, 1, 3, 4]))?;
    Ok(vec![Value::Device(output)])
}
