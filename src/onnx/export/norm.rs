//! Normalizations, and softmax.

use super::attribute::{flag, float, int, ints, sizes, to_int};
use super::elementwise::reduce_over;
use super::layout::{reshape, reshape_like};
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

/// A factor for each channel.
pub(super) fn layer_scale(writer: &mut GraphWriter) -> String {
    let x = writer.input(0);
    let rank = writer.shape(0).rank();
    let gamma = writer.channel_parameter("gamma", rank);
    writer.op("Mul", &[&x, &gamma], Vec::new())
}

/// `Softmax` or `Hardmax`.
pub(super) fn over_channels(writer: &mut GraphWriter, op_type: &str) -> String {
    let x = writer.input(0);
    writer.op(op_type, &[&x], vec![int("axis", 1)])
}

pub(super) fn local_response_norm(writer: &mut GraphWriter, op: &LocalResponseNorm) -> String {
    let x = writer.input(0);
    let [alpha, beta, k] = [op.alpha, op.beta, op.k].map(rounded);
    if !op.size.is_multiple_of(2) {
        let attributes = vec![
            int("size", to_int(op.size)),
            float("alpha", alpha),
            float("beta", beta),
            float("bias", k),
        ];
        return writer.op("LRN", &[&x], attributes);
    }
    // ONNX Runtime takes odd sizes only: means over channels, which are the depth of a volume.
    let axis = writer.ints(&[1]);
    let squares = writer.op("Mul", &[&x, &x], Vec::new());
    let volume = writer.op("Unsqueeze", &[&squares, &axis], Vec::new());
    let (before, after) = (
        op.size.div_euclid(2),
        op.size.saturating_sub(1).div_euclid(2),
    );
    let attributes = vec![
        sizes("kernel_shape", &[op.size, 1, 1]),
        sizes("strides", &[1, 1, 1]),
        sizes("pads", &[before, 0, 0, after, 0, 0]),
        flag("count_include_pad", true),
    ];
    let means = writer.op("AveragePool", &[&volume], attributes);
    let mut divisor = writer.op("Squeeze", &[&means, &axis], Vec::new());
    for (op_type, number) in [("Mul", alpha), ("Add", k), ("Pow", beta)] {
        let number = writer.number(number);
        divisor = writer.op(op_type, &[&divisor, &number], Vec::new());
    }
    writer.op("Div", &[&x, &divisor], Vec::new())
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
