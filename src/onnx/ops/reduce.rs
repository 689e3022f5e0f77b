//! Reductions.

use super::elementwise::combine_views;
use super::layout::product;
use super::unary::apply;
use crate::graph::{Binary, Reduce, ReduceKind, ReduceOver, Unary};
use crate::onnx::host::HostKind;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

pub(super) fn reduce<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut view = importer.view(node, 0)?;
    let rank = view.dims.len();
    // The axes became an input at opset 13 for sums, and at 18 for the others.
    let given = match node.ints("axes") {
        Some(axes) => Some(axes.to_vec()),
        None => importer.optional_ints(node, 1)?,
    };
    let given = given.unwrap_or_default();
    if given.is_empty() && node.flag("noop_with_empty_axes") {
        return Ok(vec![Value::Device(view)]);
    }
    let mut axes = match given.is_empty() {
        true => (0..rank).collect(),
        false => (given.iter().map(|&axis| axis_of(axis, rank))).collect::<Result<Vec<_>, _>>()?,
    };
    if view.kind == HostKind::Int
        && let "ReduceMean" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" = node.op_type()
    {
        return Err("of integers, it is not supported".to_owned());
    }
    axes.sort_unstable();
    axes.dedup();
    let keep: Vec<usize> = (0..rank).filter(|axis| !axes.contains(axis)).collect();
    let mut shift = None;
    match node.op_type() {
        "ReduceL1" => view = apply(importer, &view, Unary::Abs)?,
        "ReduceL2" | "ReduceSumSquare" => {
            let square = importer.in_order(&view)?;
            view = importer.node(Binary::Mul, &[&square, &square])?;
        }
        // The largest exponential is 1: none overflows, and not all vanish. An infinite maximum is not subtracted
        // from itself.
        "ReduceLogSumExp" => {
            let largest = reduced(importer, &view, ReduceKind::Max, &keep, &axes)?;
            let (min, max) = (f32::MIN, f32::MAX);
            let largest = apply(importer, &largest, Unary::Clip { min, max })?;
            let dims = view.dims.iter().enumerate();
            let dims = dims.map(|(axis, &dim)| if axes.contains(&axis) { 1 } else { dim });
            let wide = largest.clone().reshaped(dims.collect());
            let shifted = combine_views(importer, Binary::Sub, &view, &wide)?;
            view = apply(importer, &shifted, Unary::Exp)?;
            shift = Some(largest);
        }
        _ => {}
    }
    let kind = match node.op_type() {
        "ReduceMean" => ReduceKind::Mean,
        "ReduceMax" => ReduceKind::Max,
        "ReduceMin" => ReduceKind::Min,
        "ReduceProd" => ReduceKind::Prod,
        _ => ReduceKind::Sum,
    };
    let mut output = reduced(importer, &view, kind, &keep, &axes)?;
    match node.op_type() {
        "ReduceL2" => output = apply(importer, &output, Unary::Sqrt)?,
        "ReduceLogSum" | "ReduceLogSumExp" => output = apply(importer, &output, Unary::Log)?,
        _ => {}
    }
    if let Some(shift) = shift {
        output = combine_views(importer, Binary::Add, &output, &shift)?;
    }
    let dims =
        (view.dims.iter().enumerate()).filter_map(|(axis, &dim)| match axes.contains(&axis) {
            false => Some(dim),
            true => (node.int_or("keepdims", 1) != 0).then_some(1),
        });
    Ok(vec![Value::Device(output.reshaped(dims.collect()))])
}

fn reduced(
    importer: &mut Importer,
    view: &View,
    kind: ReduceKind,
    keep: &[usize],
    axes: &[usize],
) -> Result<View, String> {
    let over = |over| Reduce { kind, over };
    let is_map = view.dims.len() == 4 && view.base.dims() == view.dims && view.is_in_order();
    if is_map && axes == [2, 3] {
        return importer.node(over(ReduceOver::Space), &[view]);
    }
    if is_map && axes == [1] {
        return importer.node(over(ReduceOver::Channels), &[view]);
    }
    let order = [keep, axes].concat();
    let moved = importer.reordered(view, |view| view.transposed(&order))?;
    let (kept, gone) = moved.dims.split_at(keep.len());
    let (kept, gone) = (product(kept), product(gone));
    // The channels of a map, stored by pixels, are a row for each pixel without a copy.
    match view.channel_axis().is_some_and(|axis| axes == [axis]) {
        true => {
            let rows = importer.shaped(&moved, &[kept, gone, 1, 1])?;
            importer.node(over(ReduceOver::Channels), &[&rows])
        }
        false => {
            let map = importer.shaped(&moved, &[1, kept, 1, gone])?;
            importer.node(over(ReduceOver::Space), &[&map])
        }
    }
}
