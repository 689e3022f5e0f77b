//! Convolutions, fully connected layers and pooling over windows.

use super::super::proto::AttributeProto;
use super::attribute::{flag, int, sizes, string, to_int};
use super::layout::slice;
use super::writer::GraphWriter;
use crate::graph::{Conv2d, ConvTranspose2d, Linear, Operator, Padding, Pool2d, PoolKind};
use crate::tensor::Shape;

/// `pads` as ONNX has them: before all axes, then after all axes.
fn pads([top, bottom, left, right]: [usize; 4]) -> AttributeProto {
    sizes("pads", &[top, left, bottom, right])
}

fn padding(padding: Padding) -> AttributeProto {
    match padding {
        Padding::Explicit {
            top,
            bottom,
            left,
            right,
        } => pads([top, bottom, left, right]),
        Padding::Same => string("auto_pad", "SAME_UPPER"),
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
    let attributes = vec![
        sizes("kernel_shape", &op.kernel),
        sizes("strides", &op.stride),
        sizes("dilations", &op.dilation),
        padding(op.padding),
        int("group", to_int(op.groups)),
    ];
    with_operands(writer, "Conv", op.bias, attributes)
}

pub(super) fn conv_transpose(writer: &mut GraphWriter, op: &ConvTranspose2d) -> String {
    let [rows, columns] = op.padding;
    let attributes = vec![
        sizes("kernel_shape", &op.kernel),
        sizes("strides", &op.stride),
        sizes("dilations", &op.dilation),
        pads([rows, rows, columns, columns]),
        sizes("output_padding", &op.output_padding),
        int("group", to_int(op.groups)),
    ];
    with_operands(writer, "ConvTranspose", op.bias, attributes)
}

pub(super) fn linear(writer: &mut GraphWriter, op: &Linear) -> String {
    with_operands(writer, "Gemm", op.bias, vec![flag("transB", true)])
}

pub(super) fn pool(writer: &mut GraphWriter, op: &Pool2d) -> Result<String, String> {
    let is_dilated = op.dilation != [1; 2];
    let mut op = op.clone();
    let mut shape = writer.shape(0);
    let [_, _, h, w] = shape.nchw();
    if is_dilated && op.padding == Padding::Same {
        // ONNX Runtime leaves dilations out of account here.
        writer.fix_size();
        op.padding = Padding::from(op.padding_for([h, w]));
    }
    let mut x = writer.input(0);
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
            if count_include_pad && op.ceil_mode {
                // What is beyond the padding does not count, which ONNX has said since opset 19 only: the padding
                // becomes pixels, and nothing else counts.
                x = padded(writer, &x, &mut op, &mut shape);
                count_include_pad = false;
            }
            attributes.push(flag("count_include_pad", count_include_pad));
            "AveragePool"
        }
        PoolKind::Lp { .. } if is_dilated || op.ceil_mode => {
            return Err(
                "opset 17 of ONNX has no pooling to norms with dilations or with ceil_mode"
                    .to_owned(),
            );
        }
        PoolKind::Lp { p } => {
            attributes.push(int("p", i64::from(p)));
            "LpPool"
        }
    };
    attributes.push(padding(op.padding));
    if op.ceil_mode {
        attributes.push(flag("ceil_mode", true));
    }
    let pooled = writer.op(op_type, &[&x], attributes);
    Ok(match (op.output_shape(&[&shape]), writer.output()) {
        // A last window that began in the padding.
        (Ok(found), wanted) if found != wanted => {
            let [_, _, rows, columns] = wanted.nchw();
            slice(
                writer,
                &pooled,
                &[2, 3],
                &[0, 0],
                &[to_int(rows), to_int(columns)],
            )
        }
        _ => pooled,
    })
}

/// The input, of `shape`, with the padding of `op` as pixels, and `op` without it.
fn padded(writer: &mut GraphWriter, x: &str, op: &mut Pool2d, shape: &mut Shape) -> String {
    let [n, c, h, w] = shape.nchw();
    let is_same = op.padding == Padding::Same;
    let sides = op.padding_for([h, w]);
    op.padding = Padding::all(0);
    if sides == [0; 4] && !is_same {
        return x.to_owned();
    }
    // Whether a last window begins in the padding depends on the size.
    writer.fix_size();
    let [top, bottom, left, right] = sides;
    *shape = Shape::from([
        n,
        c,
        h.saturating_add(top).saturating_add(bottom),
        w.saturating_add(left).saturating_add(right),
    ]);
    let [top, bottom, left, right] = sides.map(to_int);
    let sides = writer.ints(&[0, 0, top, left, 0, 0, bottom, right]);
    writer.op("Pad", &[x, &sides], Vec::new())
}
