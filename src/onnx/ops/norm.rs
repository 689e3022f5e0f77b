//! Batch and local response normalization, and softmax.

use super::elementwise::{as_channels, combine, combine_views, norm_channels};
use super::layout::{part, product};
use super::unary::apply;
use crate::graph::{
    BatchNorm2d, Binary, Hardmax, LocalResponseNorm, Reduce, ReduceKind, ReduceOver, Softmax, Unary,
};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;

pub(super) fn local_response_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let size = node.int_or("size", 0);
    let size = usize::try_from(size).map_err(|_| format!("its size {size} must be positive"))?;
    let op = LocalResponseNorm {
        size,
        alpha: f64::from(node.float_or("alpha", 1e-4)),
        beta: f64::from(node.float_or("beta", 0.75)),
        k: f64::from(node.float_or("bias", 1.0)),
    };
    let mut view = importer.view(node, 0)?;
    // Windows of an even size have one channel more after the channel; PyTorch's have it before.
    let is_even = size.is_multiple_of(2);
    if is_even {
        view = reversed(importer, &view, 1)?;
    }
    let (map, dims) = as_channels(importer, &view, 1)?;
    let mut output = importer.node(op, &[&map])?.reshaped(dims);
    if is_even {
        output = reversed(importer, &output, 1)?;
    }
    Ok(vec![Value::Device(output)])
}

fn reversed(importer: &mut Importer, view: &View, axis: usize) -> Result<View, String> {
    let count = view.dims.get(axis).copied().unwrap_or(1);
    part(importer, view, axis, count.saturating_sub(1), -1, count)
}

pub(super) fn batch_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    if node.int_or("spatial", 1) == 0 {
        return Err("only whole channels are supported (spatial 1)".to_owned());
    }
    if node.flag("training_mode") {
        return batch_norm_in_training(importer, node);
    }
    let view = importer.view(node, 0)?;
    let count = *view.dims.get(1).ok_or("its input has no channels")?;
    let name = importer.unique_name();
    for (i, suffix) in ["weight", "bias", "running_mean", "running_var"]
        .into_iter()
        .enumerate()
    {
        let value = importer.value(node, i.saturating_add(1))?;
        importer.weight(&name, suffix, StoredWeight::new(&value, &[count])?);
    }
    let eps = f64::from(node.float_or("epsilon", 1e-5));
    let op = BatchNorm2d::new(count).eps(eps);
    Ok(vec![Value::Device(norm_channels(
        importer, name, &view, 1, op,
    )?)])
}

/// With mean and variance of the values, over which the running ones become averages.
fn batch_norm_in_training<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let rank = view.dims.len();
    if rank < 2 {
        return Err("its input has no channels".to_owned());
    }
    // Each channel in a row: [C, 1, 1, N * the rest].
    let order: Vec<usize> = [1, 0].into_iter().chain(2..rank).collect();
    let by_channel = importer.reordered(&view, |view| view.transposed(&order))?;
    let count = by_channel.dims.first().copied().unwrap_or(1);
    let per_channel = product(by_channel.dims.get(1..).unwrap_or_default());
    let rows = importer.shaped(&by_channel, &[1, count, 1, per_channel])?;
    let average = Reduce {
        kind: ReduceKind::Mean,
        over: ReduceOver::Space,
    };
    let mean = importer.node(average, &[&rows])?;
    let centered = combine_views(importer, Binary::Sub, &rows, &mean)?;
    let squares = combine_views(importer, Binary::Mul, &centered, &centered)?;
    let variance = importer.node(average, &[&squares])?;

    let eps = node.float_or("epsilon", 1e-5);
    let shift = |offset| Unary::Affine { scale: 1.0, offset };
    let shifted = apply(importer, &variance, shift(eps))?;
    let deviation = apply(importer, &shifted, Unary::Sqrt)?;
    let normal = combine_views(importer, Binary::Div, &centered, &deviation)?;
    let [scale, bias] = [1, 2].map(|i| channel_row(importer, node, i, count));
    let scaled = combine(importer, Binary::Mul, &Value::Device(normal), &scale?)?;
    let output = combine(importer, Binary::Add, &Value::Device(scaled), &bias?)?;
    let output = output.reshaped(by_channel.dims.clone());
    // The order is its own inverse.
    let output = importer.reordered(&output, |view| view.transposed(&order))?;

    let momentum = node.float_or("momentum", 0.9);
    let share = |scale| Unary::Affine { scale, offset: 0.0 };
    let mut outputs = vec![Value::Device(output)];
    if ![1, 2].into_iter().any(|i| importer.is_output_read(node, i)) {
        return Ok(outputs);
    }
    for (i, own) in [(3, &mean), (4, &variance)] {
        let running = channel_row(importer, node, i, count)?;
        let running = importer.constant(running)?;
        let running = apply(importer, &running, share(momentum))?;
        let own = apply(importer, own, share(1.0 - momentum))?;
        let sum = combine_views(importer, Binary::Add, &running, &own)?;
        outputs.push(Value::Device(sum.reshaped(vec![count])));
    }
    Ok(outputs)
}

/// Input `i`, one number for each of `count` channels, as `[1, C, 1, 1]`.
fn channel_row<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    i: usize,
    count: usize,
) -> Result<Value<'m>, String> {
    let value = importer.value(node, i)?;
    let view = importer.constant(value)?;
    importer.shaped(&view, &[1, count, 1, 1]).map(Value::Device)
}

pub(super) fn softmax<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let dims = view.dims.clone();
    // Before opset 13, all dimensions from the axis on were one.
    let map = match node.opset < 13 {
        true => {
            let axis = axis_of(node.int_or("axis", 1), rank)?;
            let (before, after) = view.dims.split_at(axis);
            let shape = [product(before), product(after), 1, 1];
            importer.shaped(&view, &shape)?
        }
        false => {
            let axis = axis_of(node.int_or("axis", -1), rank)?;
            match view.channel_axis() == Some(axis) && view.base.rank() == 4 {
                true => view,
                false => as_channels(importer, &view, axis)?.0,
            }
        }
    };
    let output = match node.op_type() {
        "Hardmax" => importer.node(Hardmax, &[&map])?,
        "LogSoftmax" => log_softmax(importer, &map)?,
        _ => importer.node(Softmax, &[&map])?,
    };
    let output = map.with_value(output.value);
    Ok(vec![Value::Device(output.reshaped(dims))])
}

/// `x - max - log(sum(exp(x - max)))` over the channels of a map.
fn log_softmax(importer: &mut Importer, map: &View) -> Result<View, String> {
    let base = View::whole(map.value, map.base.clone());
    let over = |kind| Reduce {
        kind,
        over: ReduceOver::Channels,
    };
    let largest = importer.node(over(ReduceKind::Max), &[&base])?;
    let shifted = combine_views(importer, Binary::Sub, &base, &largest)?;
    let exponentials = apply(importer, &shifted, Unary::Exp)?;
    let sum = importer.node(over(ReduceKind::Sum), &[&exponentials])?;
    let logarithm = apply(importer, &sum, Unary::Log)?;
    combine_views(importer, Binary::Sub, &shifted, &logarithm)
}

/// `LpNormalization`, for norms 1 and 2.
pub(super) fn lp_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", -1), view.dims.len())?;
    let (map, dims) = as_channels(importer, &view, axis)?;
    let sum = Reduce {
        kind: ReduceKind::Sum,
        over: ReduceOver::Channels,
    };
    let norm = match node.int_or("p", 2) {
        1 => {
            let magnitudes = apply(importer, &map, Unary::Abs)?;
            importer.node(sum, &[&magnitudes])?
        }
        2 => {
            let squares = importer.node(Binary::Mul, &[&map, &map])?;
            let sum = importer.node(sum, &[&squares])?;
            apply(importer, &sum, Unary::Sqrt)?
        }
        p => return Err(format!("its p {p} must be 1 or 2")),
    };
    // Zeros stay zeros.
    let smallest = Unary::Clip {
        min: f32::MIN_POSITIVE,
        max: f32::INFINITY,
    };
    let norm = apply(importer, &norm, smallest)?;
    let output = combine_views(importer, Binary::Div, &map, &norm)?;
    Ok(vec![Value::Device(output.reshaped(dims))])
}
