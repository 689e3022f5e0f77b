//! Normalizations, and softmax.

use super::attribute::{float, int, ints, to_int};
use super::elementwise::reduce_over;
use super::layout::{reshape, reshape_like, slice_by};
use super::writer::GraphWriter;
use crate::graph::{BatchNorm2d, GroupNorm, LocalResponseNorm, NormOver};

#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
fn rounded(x: f64) -> f32 {
    x as f32
}

pub(super) fn batch_norm(writer: &mut GraphWriter, op: &BatchNorm2d) -> String {
    let x = writer.input(0);
    let [weight, bias, mean, variance] =
        ["weight", "bias", "running_mean", "running_var"].map(|suffix| writer.parameter(suffix));
    let eps = vec![float("epsilon", rounded(op.eps))];
    let inputs = [&x, &weight, &bias, &mean, &variance].map(String::as_str);
    writer.op("BatchNormalization", &inputs, eps)
}

/// `Softmax` or `Hardmax`.
pub(super) fn over_channels(writer: &mut GraphWriter, op_type: &str) -> String {
    let x = writer.input(0);
    writer.op(op_type, &[&x], vec![int("axis", 1)])
}

pub(super) fn local_response_norm(writer: &mut GraphWriter, op: &LocalResponseNorm) -> String {
    let mut x = writer.input(0);
    let attributes = vec![
        int("size", to_int(op.size)),
        float("alpha", rounded(op.alpha)),
        float("beta", rounded(op.beta)),
        float("bias", rounded(op.k)),
    ];
    // Windows of an even size have one channel more before the channel; ONNX's have it after.
    if !op.size.is_multiple_of(2) {
        return writer.op("LRN", &[&x], attributes);
    }
    x = reversed(writer, &x);
    x = writer.op("LRN", &[&x], attributes);
    reversed(writer, &x)
}

/// With the channels in reverse order.
fn reversed(writer: &mut GraphWriter, x: &str) -> String {
    slice_by(writer, x, &[1], &[-1], &[i64::MIN], &[-1])
}

pub(super) fn group_norm(writer: &mut GraphWriter, op: &GroupNorm) -> String {
    let x = writer.input(0);
    let rank = writer.shape(0).rank();
    let eps = rounded(op.eps);
    let is_map = rank == 4;
    match (op.centered, op.over) {
        (true, NormOver::Pixel) if op.groups == 1 => {
            let [weight, bias] = scales(writer, op, op.channels);
            let last = if is_map {
                let order = vec![ints("perm", &[0, 2, 3, 1])];
                writer.op("Transpose", &[&x], order)
            } else {
                x
            };
            let attributes = vec![int("axis", -1), float("epsilon", eps)];
            let normal = writer.op("LayerNormalization", &[&last, &weight, &bias], attributes);
            match is_map {
                true => writer.op("Transpose", &[&normal], vec![ints("perm", &[0, 3, 1, 2])]),
                false => normal,
            }
        }
        (true, NormOver::Image) if is_map && op.groups == op.channels => {
            let [weight, bias] = scales(writer, op, op.channels);
            let attributes = vec![float("epsilon", eps)];
            writer.op("InstanceNormalization", &[&x, &weight, &bias], attributes)
        }
        // Each group is a channel.
        (true, NormOver::Image) if is_map => {
            let grouped = reshape(writer, &x, &[0, to_int(op.groups), -1]);
            let one = writer.floats(&[op.groups], &vec![1.0; op.groups]);
            let zero = writer.floats(&[op.groups], &vec![0.0; op.groups]);
            let attributes = vec![float("epsilon", eps)];
            let normal = writer.op(
                "InstanceNormalization",
                &[&grouped, &one, &zero],
                attributes,
            );
            let normal = reshape_like(writer, &normal, &x);
            scaled(writer, op, normal, rank)
        }
        _ => {
            let groups = [0, to_int(op.groups), to_int(op.group_channels()), -1];
            let grouped = reshape(writer, &x, &groups);
            let axes: &[i64] = match op.over {
                NormOver::Pixel => &[2],
                NormOver::Image => &[2, 3],
                NormOver::Batch => &[0, 2, 3],
            };
            let normal = normalized(writer, op, &grouped, axes);
            let normal = reshape_like(writer, &normal, &x);
            scaled(writer, op, normal, rank)
        }
    }
}

/// Weight and bias, of one and zero where there are none.
fn scales(writer: &mut GraphWriter, op: &GroupNorm, channels: usize) -> [String; 2] {
    match op.affine {
        true => [writer.parameter("weight"), writer.parameter("bias")],
        false => [1.0, 0.0].map(|value| writer.floats(&[channels], &vec![value; channels])),
    }
}

/// A value of `rank` times the weight, plus the bias, where there are any.
fn scaled(writer: &mut GraphWriter, op: &GroupNorm, x: String, rank: usize) -> String {
    if !op.affine {
        return x;
    }
    let weight = writer.channel_parameter("weight", rank);
    let product = writer.op("Mul", &[&x, &weight], Vec::new());
    let bias = writer.channel_parameter("bias", rank);
    writer.op("Add", &[&product, &bias], Vec::new())
}

/// `(x - mean) / sqrt(mean((x - mean)²) + eps)` over some axes, without the mean where the norm is not centered.
fn normalized(writer: &mut GraphWriter, op: &GroupNorm, x: &str, axes: &[i64]) -> String {
    let centered = match op.centered {
        true => {
            let mean = reduce_over(writer, "ReduceMean", x, axes);
            writer.op("Sub", &[x, &mean], Vec::new())
        }
        false => x.to_owned(),
    };
    let squares = writer.op("Mul", &[&centered, &centered], Vec::new());
    let variance = reduce_over(writer, "ReduceMean", &squares, axes);
    let eps = writer.number(rounded(op.eps));
    let sum = writer.op("Add", &[&variance, &eps], Vec::new());
    let deviation = writer.op("Sqrt", &[&sum], Vec::new());
    writer.op("Div", &[&centered, &deviation], Vec::new())
}
