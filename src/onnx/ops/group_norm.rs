//! Normalizations with mean and variance of the values themselves, as one operator of the engine where it can be.

use super::elementwise::{as_channels, combine, combine_views, scale_channels};
use super::layout::product;
use super::unary::apply;
use crate::graph::{Binary, GroupNorm, NormOver, Reduce, ReduceKind, ReduceOver, Unary};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;

/// The most numbers that one workgroup reads three times. More are reduced by other operators, which can be split
/// where a driver limits loops.
const MAX_BLOCK: usize = 1 << 22;

/// `MeanVarianceNormalization`'s epsilon, which the reference implementation adds to the deviation.
const MVN_EPS: f32 = 1e-18;

/// Whether one dispatch computes `op` of a map.
pub(super) fn is_one_dispatch(op: &GroupNorm, map: &View) -> bool {
    let block = op.block_channels().saturating_mul(op.pixels(&map.base));
    block <= MAX_BLOCK
}

/// `op` of a map, in the order that the map is read in, with a scale and a shift for each channel.
pub(super) fn normalize(
    importer: &mut Importer,
    op: GroupNorm,
    map: &View,
    scale: Option<StoredWeight>,
    shift: Option<StoredWeight>,
) -> Result<View, String> {
    let name = importer.unique_name();
    for (suffix, weight, default) in [("weight", scale, 1.0), ("bias", shift, 0.0)] {
        let weight = match weight {
            Some(weight) => weight,
            None => StoredWeight::computed(vec![default; op.channels], &[op.channels])?,
        };
        importer.weight(&name, suffix, weight);
    }
    let output = importer.named_node(name.clone(), op.affine(true), &[map])?;
    importer.remember_norm(output.value, name);
    Ok(map.with_value(output.value))
}

/// As [`normalize`], with the scale of input 1 and the shift of input 2.
fn normalize_scaled<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    op: GroupNorm,
    map: &View,
) -> Result<View, String> {
    let [scale, shift] = [1, 2].map(|i| channel_weight(importer, node, i, &op));
    normalize(importer, op, map, scale?, shift?)
}

/// Input `i`: one number for each channel or, before opset 21, for each group.
fn channel_weight<'m>(
    importer: &Importer<'m>,
    node: OnnxNode<'m>,
    i: usize,
    op: &GroupNorm,
) -> Result<Option<StoredWeight>, String> {
    if node.input(i).is_none() {
        return Ok(None);
    }
    let channels = [op.channels];
    if op.groups != op.channels && product(&importer.dims(node, i)?) == op.groups {
        let values = importer.host(node, i)?.to_floats();
        let repeated = values
            .iter()
            .flat_map(|&value| std::iter::repeat_n(value, op.group_channels()));
        return StoredWeight::computed(repeated.collect(), &channels).map(Some);
    }
    StoredWeight::new(&importer.value(node, i)?, &channels).map(Some)
}

/// What remains of a product of dimensions.
fn quotient(dims: &[usize], divisor: usize) -> usize {
    product(dims).checked_div(divisor).unwrap_or(0)
}

/// A map, standardized by several operators, with the mean and the reciprocal of the deviation that it had.
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
    let inverse_deviation = inverse_root_mean_square(importer, &centered, over, eps)?;
    Ok(Standardized {
        map: combine_views(importer, Binary::Mul, &centered, &inverse_deviation)?,
        mean,
        inverse_deviation,
    })
}

/// `1 / sqrt(mean(x²) + eps)`.
fn inverse_root_mean_square(
    importer: &mut Importer,
    x: &View,
    over: ReduceOver,
    eps: f32,
) -> Result<View, String> {
    let average = Reduce {
        kind: ReduceKind::Mean,
        over,
    };
    let squares = importer.node(Binary::Mul, &[x, x])?;
    let mean = importer.node(average, &[&squares])?;
    let shifted = Unary::Affine {
        scale: 1.0,
        offset: eps,
    };
    let sum = apply(importer, &mean, shifted)?;
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
    if let Some(op) = norm_over(&view, &axes)
        && is_one_dispatch(&op, &view)
    {
        let output = importer.node(op, &[&view])?;
        return Ok(vec![Value::Device(view.with_value(output.value))]);
    }
    let keep = (0..rank).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = keep.chain(axes.iter().copied()).collect();
    let moved = importer.reordered(&view, |view| view.transposed(&order))?;
    let kept = order.len().saturating_sub(axes.len());
    let (before, after) = moved.dims.split_at(kept);
    let map = importer.shaped(&moved, &[1, product(before), 1, product(after)])?;
    let op = mvn(product(before), product(before), NormOver::Image);
    let normal = match is_one_dispatch(&op, &map) {
        true => importer.node(op, &[&map])?,
        false => standardize(importer, &map, ReduceOver::Space, MVN_EPS)?.map,
    };
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

fn mvn(groups: usize, channels: usize, over: NormOver) -> GroupNorm {
    let op = GroupNorm::new(groups, channels).over(over);
    op.eps(f64::from(MVN_EPS)).affine(false)
}

/// The normalization over some axes of a map as it is stored, where there is one.
pub(super) fn norm_over(view: &View, axes: &[usize]) -> Option<GroupNorm> {
    let &[_, channels, ..] = &view.dims[..] else {
        return None;
    };
    if view.base.dims() != view.dims || !view.is_in_order() || view.dims.len() != 4 {
        return None;
    }
    let (groups, over) = match axes {
        [1] => (1, NormOver::Pixel),
        [1, 2, 3] => (1, NormOver::Image),
        [2, 3] => (channels, NormOver::Image),
        [0, 1, 2, 3] => (1, NormOver::Batch),
        [0, 2, 3] => (channels, NormOver::Batch),
        _ => return None,
    };
    Some(mvn(groups, channels, over))
}

/// A view of rows `[N, C]`, of which the channels are all that each row has: as it is stored where it can be, or
/// else a map of one pixel for each row.
pub(super) fn as_rows(importer: &mut Importer, view: &View, axis: usize) -> Result<View, String> {
    let (before, after) = view.dims.split_at(axis);
    let rows = view.clone().reshaped(vec![product(before), product(after)]);
    if rows.channel_axis() == Some(1) && matches!(rows.base.rank(), 2 | 4) {
        return Ok(rows);
    }
    importer.shaped(&rows, &[product(before), product(after)])
}

/// `RMSNormalization`: divided by the root of the mean square over the last dimensions, times a scale.
pub(super) fn rms_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", -1), view.dims.len())?;
    let dims = view.dims.clone();
    let rows = as_rows(importer, &view, axis)?;
    let eps = node.float_or("epsilon", 1e-5);
    let channels = rows.dims.last().copied().unwrap_or(1);
    let op = GroupNorm::layer(channels)
        .eps(f64::from(eps))
        .centered(false);
    let has_own_scale = match importer.value(node, 1)? {
        Value::Device(_) => false,
        _ => dims.get(axis..) == Some(&importer.dims(node, 1)?[..]),
    };
    if has_own_scale && is_one_dispatch(&op, &rows) {
        let output = normalize_scaled(importer, node, op, &rows)?;
        return Ok(vec![Value::Device(output.reshaped(dims))]);
    }
    let normal = match is_one_dispatch(&op, &rows) {
        true => {
            let output = importer.node(op.affine(false), &[&rows])?;
            rows.with_value(output.value)
        }
        false => {
            let map = importer.shaped(&rows, &[quotient(&rows.dims, channels), channels, 1, 1])?;
            let inverse = inverse_root_mean_square(importer, &map, ReduceOver::Channels, eps)?;
            combine_views(importer, Binary::Mul, &map, &inverse)?
        }
    };
    let normal = Value::Device(normal.reshaped(dims));
    let scale = importer.value(node, 1)?;
    let output = combine(importer, Binary::Mul, &normal, &scale)?;
    Ok(vec![Value::Device(output)])
}

/// `InstanceNormalization`: every channel is a group. Of a view with fewer channels than the map that is stored has,
/// which exporters make of a group normalization, each of its channels is a group of the map's.
pub(super) fn instance_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let groups = importer.dims(node, 0)?.get(1).copied();
    let groups = groups.ok_or("its input has no channels")?;
    grouped(importer, node, groups)
}

pub(super) fn group_norm<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let groups = node.int_or("num_groups", 0);
    let groups =
        usize::try_from(groups).map_err(|_| format!("its num_groups {groups} must be positive"))?;
    let channels = importer.dims(node, 0)?.get(1).copied();
    let channels = channels.ok_or("its input has no channels")?;
    if channels.checked_rem(groups) != Some(0) {
        return Err(format!(
            "its {channels} channels do not consist of {groups} equal groups"
        ));
    }
    grouped(importer, node, groups)
}

/// A normalization over groups of the channels and all pixels of an image.
fn grouped<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    groups: usize,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let eps = node.float_or("epsilon", 1e-5);
    let is_stored_map = view.is_in_order()
        && view.base.rank() == 4
        && view.dims.first() == view.base.dims().first()
        && view.base.nchw()[1].checked_rem(groups) == Some(0);
    let (map, dims) = match is_stored_map {
        true => (view.clone(), view.dims.clone()),
        false => as_channels(importer, &view, 1)?,
    };
    let [n, channels, height, width] = map.base.nchw();
    let op = GroupNorm::new(groups, channels).eps(f64::from(eps));
    if is_one_dispatch(&op, &map) && has_constant_scales(importer, node)? {
        let output = normalize_scaled(importer, node, op, &map)?;
        return Ok(vec![Value::Device(output.reshaped(dims))]);
    }
    let len = quotient(&[channels, height, width], groups);
    let grouped = importer.shaped(&map, &[n, groups, 1, len])?;
    let normal = standardize(importer, &grouped, ReduceOver::Space, eps)?.map;
    // Before opset 21, group normalization had one scale for each group.
    let scales = product(&importer.dims(node, 1)?);
    let len = quotient(&[channels, height, width], scales);
    let normal = importer.shaped(&normal, &[n, scales, 1, len])?;
    let output = scaled(importer, node, &normal)?;
    Ok(vec![Value::Device(output.reshaped(dims))])
}

/// Whether scale and shift, inputs 1 and 2, do not depend on the model's inputs.
fn has_constant_scales<'m>(importer: &Importer<'m>, node: OnnxNode<'m>) -> Result<bool, String> {
    for i in [1, 2] {
        if node.input(i).is_some() && matches!(importer.value(node, i)?, Value::Device(_)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A map times the scale of input 1, plus the shift of input 2, one of each for a channel.
fn scaled<'m>(importer: &mut Importer<'m>, node: OnnxNode<'m>, map: &View) -> Result<View, String> {
    let channels = map.base.nchw()[1];
    if !has_constant_scales(importer, node)? {
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
    let dims = view.dims.clone();
    let eps = node.float_or("epsilon", 1e-5);
    let rows = as_rows(importer, &view, axis)?;
    let channels = rows.dims.last().copied().unwrap_or(1);
    let op = GroupNorm::layer(channels).eps(f64::from(eps));
    let others = node.proto.output.iter().skip(1);
    let has_one_output = others.map(|name| importer.read_count(name)).sum::<usize>() == 0;
    if has_one_output && is_one_dispatch(&op, &rows) && has_constant_scales(importer, node)? {
        let output = normalize_scaled(importer, node, op, &rows)?;
        return Ok(vec![Value::Device(output.reshaped(dims))]);
    }
    let count = quotient(&rows.dims, channels);
    let rows = importer.shaped(&rows, &[count, channels, 1, 1])?;
    let normal = standardize(importer, &rows, ReduceOver::Channels, eps)?;
    let output = scaled(importer, node, &normal.map)?;
    let one = (dims.iter().enumerate()).map(|(i, &dim)| if i < axis { dim } else { 1 });
    let one: Vec<usize> = one.collect();
    let outputs = [
        output.reshaped(dims),
        normal.mean.reshaped(one.clone()),
        normal.inverse_deviation.reshaped(one),
    ];
    Ok(outputs.map(Value::Device).to_vec())
}
