//! Normalizations and softmax.

use super::elementwise::{as_channels, combine, combine_views, norm_channels, scale_channels};
use super::layout::{part, product};
use super::unary::apply;
use crate::graph::{
    BatchNorm2d, Binary, Hardmax, LocalResponseNorm, Reduce, ReduceKind, ReduceOver, Softmax, Unary,
};
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::{OnnxNode, axis_of};
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
    if node.flag("training_mode") || node.int_or("spatial", 1) == 0 {
        return Err(
            "only inference over whole channels is supported (training_mode 0, spatial 1)"
                .to_owned(),
        );
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

/// A map, standardized, with the mean and the reciprocal of the deviation that it had.
struct Standardized {
    map: View,
    mean: View,
    inverse_deviation: View,
}

/// `(x - mean) / sqrt(variance + eps)` of a map, with mean and variance over `over`.
fn standardize(
    importer: &mut Importer,
    map: &View,
    over: ReduceOver,
    eps: f32,
) -> Result<Standardized, String> {
    let average = Reduce {
        kind: ReduceKind::Mean,
        over,
    };
    let mean = importer.node(average, &[map])?;
    let centered = combine_views(importer, Binary::Sub, map, &mean)?;
    let squares = importer.node(Binary::Mul, &[&centered, &centered])?;
    let variance = importer.node(average, &[&squares])?;
    let inverse_deviation = inverse_root(importer, &variance, eps)?;
    Ok(Standardized {
        map: combine_views(importer, Binary::Mul, &centered, &inverse_deviation)?,
        mean,
        inverse_deviation,
    })
}

/// `1 / sqrt(x + eps)`.
fn inverse_root(importer: &mut Importer, x: &View, eps: f32) -> Result<View, String> {
    let sum = apply(
        importer,
        x,
        Unary::Affine {
            scale: 1.0,
            offset: eps,
        },
    )?;
    let root = apply(importer, &sum, Unary::Sqrt)?;
    apply(importer, &root, Unary::Reciprocal)
}

/// `MeanVarianceNormalization`: of each channel over batch and pixels, unless other axes are given.
pub(super) fn mean_variance_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let axes = node.ints("axes").unwrap_or(&[0, 2, 3]);
    let mut axes: Vec<usize> =
        (axes.iter().map(|&axis| axis_of(axis, rank))).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    let keep = (0..rank).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = keep.chain(axes.iter().copied()).collect();
    let moved = importer.reordered(&view, |view| view.transposed(&order))?;
    let kept = order.len().saturating_sub(axes.len());
    let (before, after) = moved.dims.split_at(kept);
    let map = importer.shaped(&moved, &[1, product(before), 1, product(after)])?;
    // The reference implementation's epsilon, beside the deviation.
    let normal = standardize(importer, &map, ReduceOver::Space, 0.0)?.map;
    let mut back = vec![0; rank];
    for (to, &from) in order.iter().enumerate() {
        if let Some(back) = back.get_mut(from) {
            *back = to;
        }
    }
    let normal = normal.reshaped(moved.dims.clone());
    let output = importer.reordered(&normal, |view| view.transposed(&back))?;
    Ok(vec![Value::Device(output)])
}

/// `RMSNormalization`: divided by the root of the mean square over the last dimensions, times a scale.
pub(super) fn rms_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let dims = view.dims.clone();
    let axis = axis_of(node.int_or("axis", -1), dims.len())?;
    let (before, after) = dims.split_at(axis);
    let rows = importer.shaped(&view, &[product(before), product(after), 1, 1])?;
    let squares = importer.node(Binary::Mul, &[&rows, &rows])?;
    let mean = Reduce {
        kind: ReduceKind::Mean,
        over: ReduceOver::Channels,
    };
    let mean = importer.node(mean, &[&squares])?;
    let inverse = inverse_root(importer, &mean, node.float_or("epsilon", 1e-5))?;
    let normal = combine_views(importer, Binary::Mul, &rows, &inverse)?;
    let normal = Value::Device(normal.reshaped(dims));
    let scale = importer.value(node, 1)?;
    Ok(vec![Value::Device(combine(
        importer,
        Binary::Mul,
        &normal,
        &scale,
    )?)])
}

pub(super) fn instance_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let (map, dims) = as_channels(importer, &view, 1)?;
    let normal = standardize(
        importer,
        &map,
        ReduceOver::Space,
        node.float_or("epsilon", 1e-5),
    )?;
    let output = scaled(importer, node, &normal.map)?;
    Ok(vec![Value::Device(output.reshaped(dims))])
}

pub(super) fn group_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let groups = node.int_or("num_groups", 0);
    let groups =
        usize::try_from(groups).map_err(|_| format!("its num_groups {groups} must be positive"))?;
    let (map, dims) = as_channels(importer, &view, 1)?;
    let [n, channels, _, length] = map.base.nchw();
    let in_group = channels.checked_div(groups).unwrap_or(0);
    if in_group.checked_mul(groups) != Some(channels) {
        return Err(format!(
            "its {channels} channels do not consist of {groups} equal groups"
        ));
    }
    let grouped = importer.shaped(&map, &[n, groups, 1, in_group.saturating_mul(length)])?;
    let normal = standardize(
        importer,
        &grouped,
        ReduceOver::Space,
        node.float_or("epsilon", 1e-5),
    )?;
    // Before opset 21 there was one scale for each group.
    let output = match node.opset < 21 {
        true => {
            let scaled = scaled(importer, node, &normal.map)?;
            importer.shaped(&scaled, &[n, channels, 1, length])?
        }
        false => {
            let normal = importer.shaped(&normal.map, &[n, channels, 1, length])?;
            scaled(importer, node, &normal)?
        }
    };
    Ok(vec![Value::Device(output.reshaped(dims))])
}

/// A map times the scale of input 1, plus the shift of input 2, one of each for a channel.
fn scaled<'m>(importer: &mut Importer<'m>, node: OnnxNode<'m>, map: &View) -> Result<View, String> {
    let channels = map.base.nchw()[1];
    let is_computed = |i: usize| match node.input(i) {
        Some(_) => Ok(matches!(importer.value(node, i)?, Value::Device(_))),
        None => Ok::<bool, String>(false),
    };
    if is_computed(1)? || is_computed(2)? {
        let mut output = map.clone();
        for (i, operator) in [(1, Binary::Mul), (2, Binary::Add)] {
            if node.input(i).is_none() {
                continue;
            }
            let view = importer.view(node, i)?;
            if view.len() != channels {
                return Err(format!(
                    "{:?} are not one for each of {channels}",
                    view.dims
                ));
            }
            let view = view.reshaped(vec![1, channels, 1, 1]);
            output = combine_views(importer, operator, &output, &view)?;
        }
        return Ok(output);
    }
    let scale = importer.host(node, 1)?.to_floats();
    let shift = importer.optional_host(node, 2)?;
    let shift = shift.map(|shift| shift.to_floats());
    scale_channels(importer, map, 1, Some(scale), shift)
}

pub(super) fn layer_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", -1), view.dims.len())?;
    let (before, after) = view.dims.split_at(axis);
    let dims = view.dims.clone();
    let rows = importer.shaped(&view, &[product(before), product(after), 1, 1])?;
    let normal = standardize(
        importer,
        &rows,
        ReduceOver::Channels,
        node.float_or("epsilon", 1e-5),
    )?;
    let output = scaled(importer, node, &normal.map)?;
    let one = dims
        .iter()
        .enumerate()
        .map(|(i, &dim)| if i < axis { dim } else { 1 });
    let one: Vec<usize> = one.collect();
    let outputs = [
        output.reshaped(dims.clone()),
        normal.mean.reshaped(one.clone()),
        normal.inverse_deviation.reshaped(one),
    ];
    Ok(outputs.map(Value::Device).to_vec())
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
