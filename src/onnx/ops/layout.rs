//! Operators that compute nothing: they only put elements in another order.

use crate::graph::{ChannelShuffle, SliceChannels, merged_factors};
use crate::onnx::host::HostTensor;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

pub(in crate::onnx) fn product(dims: &[usize]) -> usize {
    dims.iter().fold(1, |len, &dim| len.saturating_mul(dim))
}

/// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`.
pub(super) fn reshape<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let dims = match node.op_type() {
        "Flatten" => {
            let axis = node.int_or("axis", 1);
            let axis = match usize::try_from(axis) == Ok(rank) {
                true => rank,
                false => axis_of(axis, rank)?,
            };
            let (before, after) = view.dims.split_at(axis);
            vec![product(before), product(after)]
        }
        "Reshape" => {
            let wanted = importer
                .optional_ints(node, 1)?
                .ok_or("its shape is missing")?;
            reshaped(&view.dims, &wanted, node.flag("allowzero"))?
        }
        name => {
            // The axes became an input at opset 13.
            let axes = match node.ints("axes") {
                Some(axes) => Some(axes.to_vec()),
                None => importer.optional_ints(node, 1)?,
            };
            match (name, axes) {
                ("Squeeze", None) => view.dims.iter().copied().filter(|&dim| dim != 1).collect(),
                ("Squeeze", Some(axes)) => squeezed(&view.dims, &axes)?,
                (_, axes) => unsqueezed(&view.dims, &axes.ok_or("its axes are missing")?)?,
            }
        }
    };
    let view = view.reshaped(dims);
    // As one operator, of which parts of the channels are read in place.
    Ok(vec![Value::Device(match channel_shuffle(&view) {
        Some(op) => importer.node(op, &[&view])?,
        None => view,
    })])
}

/// The channel shuffle that a view of a map is, which exporters write as two reshapes around a transpose.
fn channel_shuffle(view: &View) -> Option<ChannelShuffle> {
    let is_map = view.base.rank() == 4 && view.base.dims() == view.dims;
    if !is_map || view.offset != 0 || view.is_in_order() {
        return None;
    }
    let factors = merged_factors(view.factors.iter().copied());
    let [_, channels, _, _] = view.base.nchw();
    let mut groups = (2..channels).filter(|groups| channels.is_multiple_of(*groups));
    let groups = groups.find(|&groups| {
        let shuffle = ChannelShuffle { groups }.rearrange(&view.base);
        merged_factors(shuffle.factors) == factors
    });
    groups.map(|groups| ChannelShuffle { groups })
}

/// `Reshape`'s rule: 0 stands for the same extent, -1 for what remains.
fn reshaped(dims: &[usize], wanted: &[i64], allow_zero: bool) -> Result<Vec<usize>, String> {
    let len = product(dims);
    let error = || format!("{dims:?} cannot become {wanted:?}");
    let mut result = Vec::with_capacity(wanted.len());
    let mut free = None;
    for (i, &extent) in wanted.iter().enumerate() {
        match extent {
            0 if !allow_zero => result.push(*dims.get(i).ok_or_else(error)?),
            -1 if free.is_none() => {
                free = Some(i);
                result.push(1);
            }
            extent => result.push(usize::try_from(extent).map_err(|_| error())?),
        }
    }
    if let Some(free) = free.and_then(|i| result.get_mut(i)) {
        let known = wanted.iter().enumerate().map(|(i, &extent)| match extent {
            0 => dims.get(i).copied().unwrap_or(1),
            extent => usize::try_from(extent).unwrap_or(1),
        });
        let known = known.fold(1_usize, usize::saturating_mul);
        *free = len.checked_div(known).ok_or_else(error)?;
    }
    match product(&result) == len {
        true => Ok(result),
        false => Err(error()),
    }
}

fn squeezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let axes = axes.iter().map(|&axis| axis_of(axis, dims.len()));
    let axes: Vec<usize> = axes.collect::<Result<_, _>>()?;
    if let Some(axis) = axes.iter().find(|axis| dims.get(**axis) != Some(&1)) {
        return Err(format!("dimension {axis} of {dims:?} is not 1"));
    }
    let kept = dims
        .iter()
        .enumerate()
        .filter(|(axis, _)| !axes.contains(axis));
    Ok(kept.map(|(_, &dim)| dim).collect())
}

fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, String> {
    let rank = dims.len().saturating_add(axes.len());
    let axes = axes.iter().map(|&axis| axis_of(axis, rank));
    let axes: Vec<usize> = axes.collect::<Result<_, _>>()?;
    let mut rest = dims.iter().copied();
    let result = (0..rank).map(|axis| match axes.contains(&axis) {
        true => Some(1),
        false => rest.next(),
    });
    let result: Option<Vec<usize>> = result.collect();
    match (result, rest.next()) {
        (Some(result), None) => Ok(result),
        _ => Err(format!("its axes {axes:?} are not distinct")),
    }
}

pub(super) fn transpose<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let order: Vec<usize> = match node.ints("perm") {
        None => (0..rank).rev().collect(),
        Some(order) => order
            .iter()
            .map(|&axis| axis_of(axis, rank))
            .collect::<Result<_, _>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(format!(
            "its perm {order:?} is no order of {rank} dimensions"
        ));
    }
    let output = importer.reordered(&view, |view| view.transposed(&order))?;
    Ok(vec![Value::Device(output)])
}

pub(super) fn slice<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let list = |name: &str, i: usize| match node.opset < 10 {
        true => Ok(node.ints(name).map(<[i64]>::to_vec)),
        false => importer.optional_ints(node, i),
    };
    let starts = list("starts", 1)?.ok_or("its starts are missing")?;
    let ends = list("ends", 2)?.ok_or("its ends are missing")?;
    let all: Vec<i64> = (0_i64..).take(starts.len()).collect();
    let axes = list("axes", 3)?.unwrap_or(all);
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("its starts, ends, axes and steps differ in number".to_owned());
    }
    for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
        let axis = axis_of(axis, rank)?;
        let dim = view.dims.get(axis).copied().unwrap_or(1);
        let (first, count) = range(dim, start, end, step).ok_or_else(|| {
            format!("elements {start} to {end} in steps of {step}, of {dim}, are none")
        })?;
        let step = isize::try_from(step).map_err(|_| "its step is too large".to_owned())?;
        view = part(importer, &view, axis, first, step, count)?;
    }
    Ok(vec![Value::Device(view)])
}

/// The first element and the number of elements of a slice, clamped as the specification says. `None` where it
/// is empty.
fn range(dim: usize, start: i64, end: i64, step: i64) -> Option<(usize, usize)> {
    let dim = i128::try_from(dim).ok()?;
    let (start, end, step) = (i128::from(start), i128::from(end), i128::from(step));
    let from_end = |at: i128| if at < 0 { at.saturating_add(dim) } else { at };
    let (low, high) = if step > 0 {
        (0, dim)
    } else {
        (-1, dim.saturating_sub(1))
    };
    let start = from_end(start).clamp(low.max(0), high);
    let end = from_end(end).clamp(low, high);
    let distance = end.checked_sub(start)?;
    let steps = distance
        .checked_add(step)?
        .checked_sub(step.signum())?
        .checked_div(step)?;
    let count = usize::try_from(steps).ok().filter(|&count| count > 0)?;
    Some((usize::try_from(start).ok()?, count))
}

/// Elements along an axis: of channels in order as a part of the map, which the engine reads in place.
pub(super) fn part(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    start: usize,
    step: isize,
    count: usize,
) -> Result<View, String> {
    let end = start.saturating_add(count);
    let is_whole = (start, step) == (0, 1) && view.dims.get(axis) == Some(&count);
    let is_map = view.is_in_order() && view.base.dims() == view.dims && view.dims.len() == 4;
    if axis == 1 && step == 1 && is_map && !is_whole {
        return importer.node(SliceChannels { start, end }, &[view]);
    }
    importer.reordered(view, |view| view.sliced(axis, start, step, count))
}

pub(super) fn split<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", 0), view.dims.len())?;
    let dim = view.dims.get(axis).copied().unwrap_or(1);
    let given = match node.ints("split") {
        Some(sizes) => Some(sizes.to_vec()),
        None => importer.optional_ints(node, 1)?,
    };
    let sizes: Vec<usize> = match given {
        Some(sizes) => (sizes.iter().map(|&size| usize::try_from(size)))
            .collect::<Result<_, _>>()
            .map_err(|_| format!("its parts {sizes:?} must not be negative"))?,
        None => {
            // The last part is smaller where they are not equal.
            let count = node.proto.output.len().max(1);
            let size = dim.div_ceil(count);
            let start = |i: usize| i.saturating_mul(size).min(dim);
            (0..count)
                .map(|i| start(i.saturating_add(1)).saturating_sub(start(i)))
                .collect()
        }
    };
    if sizes.iter().copied().fold(0, usize::saturating_add) != dim {
        return Err(format!(
            "its parts {sizes:?} do not make up the {dim} elements of dimension {axis}"
        ));
    }
    let mut start = 0_usize;
    let mut parts = Vec::with_capacity(sizes.len());
    for size in sizes {
        parts.push(match size {
            // No empty value reaches the device: all of its elements are known.
            0 => {
                let mut dims = view.dims.clone();
                if let Some(dim) = dims.get_mut(axis) {
                    *dim = 0;
                }
                let empty = HostTensor::new(dims, view.kind.zeros(0));
                Value::Host(empty.ok_or("its part is too large")?.into())
            }
            size => Value::Device(part(importer, &view, axis, start, 1, size)?),
        });
        start = start.saturating_add(size);
    }
    Ok(parts)
}

/// `DepthToSpace` and `SpaceToDepth`.
pub(super) fn depth_to_space<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let &[n, c, h, w] = &view.dims[..] else {
        return Err(format!(
            "a map [N, C, H, W] was expected, found {:?}",
            view.dims
        ));
    };
    let block = node.int_or("blocksize", 1);
    let error = || format!("{:?} does not consist of blocks of {block}", view.dims);
    let block = usize::try_from(block)
        .ok()
        .filter(|&block| block > 0)
        .ok_or_else(error)?;
    let area = block.checked_mul(block).ok_or_else(error)?;
    let (apart, order, dims) = match node.op_type() {
        "SpaceToDepth" => {
            let (rows, columns) = (h.div_euclid(block), w.div_euclid(block));
            let channels = c.checked_mul(area).ok_or_else(error)?;
            let order = match node.string_or("mode", "DCR") {
                "DCR" => [0, 3, 5, 1, 2, 4],
                _ => [0, 1, 3, 5, 2, 4],
            };
            let dims = vec![n, channels, rows, columns];
            ([n, c, rows, block, columns, block], order, dims)
        }
        _ => {
            let channels = c.div_euclid(area);
            let dims = vec![
                n,
                channels,
                h.saturating_mul(block),
                w.saturating_mul(block),
            ];
            match node.string_or("mode", "DCR") {
                "DCR" => ([n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2], dims),
                _ => ([n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3], dims),
            }
        }
    };
    if product(&apart) != view.len() {
        return Err(error());
    }
    let apart = view.reshaped(apart.to_vec());
    let output = importer.reordered(&apart, |view| view.transposed(&order))?;
    Ok(vec![Value::Device(output.reshaped(dims))])
}

/// The extents of a value, which are known.
pub(super) fn shape<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let dims = importer.dims(node, 0)?;
    let extents: Vec<i64> = (dims.iter().map(|&dim| i64::try_from(dim)))
        .collect::<Result<_, _>>()
        .map_err(|_| "its extents are too large".to_owned())?;
    let tensor = match node.op_type() {
        "Size" => {
            let len =
                i64::try_from(product(&dims)).map_err(|_| "its size is too large".to_owned())?;
            HostTensor::new([], crate::onnx::host::HostData::Int(vec![len]))
                .ok_or("its size is not known")?
        }
        _ => {
            let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
            let at = |bound: i64| {
                let from_end = if bound < 0 {
                    bound.saturating_add(rank)
                } else {
                    bound
                };
                usize::try_from(from_end.clamp(0, rank)).unwrap_or(0)
            };
            let (start, end) = (at(node.int_or("start", 0)), at(node.int_or("end", rank)));
            HostTensor::ints(extents.get(start..end).unwrap_or_default())
        }
    };
    Ok(vec![Value::Host(tensor.into())])
}
