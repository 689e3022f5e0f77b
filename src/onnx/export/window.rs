//! Convolutions, fully connected layers and pooling over windows.

use super::super::proto::AttributeProto;
use super::attribute::{flag, int, sizes, string, to_int};
use super::writer::GraphWriter;
use crate::graph::{Conv2d, ConvTranspose2d, Linear, Padding, Pool2d, PoolKind};

/// `pads` as ONNX has them: before all axes, then after all axes.
fn pads([top, bottom, left, right]: [usize; 4]) -> AttributeProto {
    sizes("pads", &[top, left, bottom, right])
}

/// A window that slides over a map of `size`: its padding. ONNX Runtime takes `auto_pad` only without dilations, and
/// where no pixel lies between windows. Otherwise the padding is that for `size`.
fn padding(
    writer: &mut GraphWriter,
    padding: Padding,
    sides: [usize; 4],
    [kernel, stride, dilation]: [[usize; 2]; 3],
) -> AttributeProto {
    if padding != Padding::Same || [kernel, stride] == [[1; 2]; 2] {
        return pads(sides);
    }
    let is_dense = dilation == [1; 2] && (0..2).all(|i| stride[i] <= kernel[i]);
    match is_dense {
        true => string("auto_pad", "SAME_UPPER"),
        false => {
            // A kernel of one pixel is never padded.
            if kernel != [1; 2] {
                writer.fix_size();
            }
            pads(sides)
        }
    }
}

/// The node's input, its weight and, where there is one, its bias.
fn operands(writer: &mut GraphWriter, has_bias: bool) -> Vec<String> {
    let mut operands = vec![writer.input(0), writer.parameter("weight")];
    if has_bias {
        operands.push(writer.parameter("bias"));
    }
    operands
}

fn with_operands(
    writer: &mut GraphWriter,
    op_type: &str,
    has_bias: bool,
    attributes: Vec<AttributeProto>,
) -> String {
    let operands = operands(writer, has_bias);
    let operands: Vec<&str> = operands.iter().map(String::as_str).collect();
    writer.op(op_type, &operands, attributes)
}

pub(super) fn conv(writer: &mut GraphWriter, op: &Conv2d) -> String {
    let [_, _, h, w] = writer.shape(0).nchw();
    let sides = op.padding_for([h, w]);
    let window = [op.kernel, op.stride, op.dilation];
    let attributes = vec![
        sizes("kernel_shape", &op.kernel),
        sizes("strides", &op.stride),
        sizes("dilations", &op.dilation),
        padding(writer, op.padding, sides, window),
        int("group", to_int(op.groups)),
    ];
    with_operands(writer, "Conv", op.bias, attributes)
}

pub(super) fn conv_transpose(writer: &mut GraphWriter, op: &ConvTranspose2d) -> String {
    let (mut after, mut added) = (op.padding, op.output_padding);
    for ((after, added), stride) in after.iter_mut().zip(&mut added).zip(op.stride) {
        // ONNX Runtime takes less than the stride. Less cropping at the end is the same.
        if *added >= stride
            && let Some(less) = after.checked_sub(*added)
        {
            *after = less;
            *added = 0;
        }
    }
    let ([top, left], [bottom, right]) = (op.padding, after);
    let attributes = vec![
        sizes("kernel_shape", &op.kernel),
        sizes("strides", &op.stride),
        sizes("dilations", &op.dilation),
        pads([top, bottom, left, right]),
        sizes("output_padding", &added),
        int("group", to_int(op.groups)),
    ];
    with_operands(writer, "ConvTranspose", op.bias, attributes)
}

pub(super) fn linear(writer: &mut GraphWriter, op: &Linear) -> String {
    with_operands(writer, "Gemm", op.bias, vec![flag("transB", true)])
}

pub(super) fn pool(writer: &mut GraphWriter, op: &Pool2d) -> Result<String, String> {
    let is_dilated = op.dilation != [1; 2];
    let [_, _, h, w] = writer.shape(0).nchw();
    let mut x = writer.input(0);
    let mut sides = op.padding_for([h, w]);
    let mut own = op.padding;
    // With TensorFlow's padding, the last window ends where the padding does.
    let mut is_ceil = op.ceil_mode && own != Padding::Same;
    let mut attributes = vec![
        sizes("kernel_shape", &op.kernel),
        sizes("strides", &op.stride),
    ];
    let op_type = match op.kind {
        PoolKind::Max => {
            attributes.push(sizes("dilations", &op.dilation));
            "MaxPool"
        }
        PoolKind::Average { .. } if is_dilated => {
            return Err("opset 17 of ONNX has no dilated average pooling".to_owned());
        }
        PoolKind::Average {
            mut count_include_pad,
        } => {
            if count_include_pad && is_ceil {
                // What is beyond the padding does not count, which ONNX has said since opset 19 only: the padding
                // becomes pixels, and nothing else counts.
                x = padded(writer, &x, sides, 0.0);
                count_include_pad = false;
            }
            attributes.push(flag("count_include_pad", count_include_pad));
            "AveragePool"
        }
        PoolKind::Lp { .. } if is_dilated => {
            return Err("opset 17 of ONNX has no dilated pooling to norms".to_owned());
        }
        PoolKind::Lp { p } => {
            attributes.push(int("p", i64::from(p)));
            "LpPool"
        }
    };
    let is_in_pixels = x != writer.input(0);
    // ONNX has the rule that no last window begins beyond the padding since later opsets only, and norms have no
    // ceil_mode: the padding at the end is so wide that the windows are those of this size.
    let begins_inside = |i: usize, after: usize| {
        let window = dilated(op.kernel[i], op.dilation[i]);
        after.saturating_add(op.stride[i]) <= window
    };
    let [_, bottom, _, right] = sides;
    let is_alike = begins_inside(0, bottom) && begins_inside(1, right);
    if is_ceil && (is_in_pixels || !is_alike || matches!(op.kind, PoolKind::Lp { .. })) {
        writer.fix_size();
        is_ceil = false;
        let [_, _, rows, columns] = writer.output().nchw();
        let ends = ends_of_windows(op, sides, [h, w], [rows, columns]);
        sides = match is_in_pixels {
            true => [
                0,
                ends[1].saturating_sub(sides[1]),
                0,
                ends[3].saturating_sub(sides[3]),
            ],
            false => ends,
        };
        own = Padding::from(sides);
    }
    // ONNX Runtime takes less padding than the kernel has pixels, whatever the dilation.
    let [top, bottom, left, right] = sides;
    if top.max(bottom) >= op.kernel[0] || left.max(right) >= op.kernel[1] {
        if own == Padding::Same {
            writer.fix_size();
        }
        x = padded(writer, &x, sides, f32::NEG_INFINITY);
        (own, sides) = (Padding::all(0), [0; 4]);
    }
    let window = [op.kernel, op.stride, op.dilation];
    attributes.push(padding(writer, own, sides, window));
    if is_ceil {
        attributes.push(flag("ceil_mode", true));
    }
    Ok(writer.op(op_type, &[&x], attributes))
}

/// The pixels from the first to the last of a window.
fn dilated(kernel: usize, dilation: usize) -> usize {
    let others = kernel.saturating_sub(1).saturating_mul(dilation);
    others.saturating_add(1)
}

/// `sides` with as much at the bottom and right as the last windows reach to.
fn ends_of_windows(
    op: &Pool2d,
    [top, bottom, left, right]: [usize; 4],
    size: [usize; 2],
    output: [usize; 2],
) -> [usize; 4] {
    let end = |i: usize, before: usize, after: usize| {
        let last = output[i].saturating_sub(1).saturating_mul(op.stride[i]);
        let end = last.saturating_add(dilated(op.kernel[i], op.dilation[i]));
        let needed = end.saturating_sub(size[i].saturating_add(before));
        needed.max(after)
    };
    [top, end(0, top, bottom), left, end(1, left, right)]
}

/// A map with pixels of `value` around it.
fn padded(writer: &mut GraphWriter, x: &str, sides: [usize; 4], value: f32) -> String {
    if sides == [0; 4] {
        return x.to_owned();
    }
    let [top, bottom, left, right] = sides.map(to_int);
    let sides = writer.ints(&[0, 0, top, left, 0, 0, bottom, right]);
    let value = writer.number(value);
    writer.op("Pad", &[x, &sides, &value], Vec::new())
}
