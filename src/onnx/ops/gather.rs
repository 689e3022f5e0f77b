//! Elements at indices that are known.

use std::sync::Arc;

use super::layout::{part, product};
use super::positions::{Blocks, elements, index, tuples};
use crate::graph::Gather;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::tensor::Shape;

pub(super) fn gather<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let indices = importer.host(node, 1)?;
    let axis = axis_of(node.int_or("axis", 0), view.dims.len())?;
    let (before, rest) = view.dims.split_at(axis);
    let (&dim, after) = rest.split_first().ok_or("its axis does not exist")?;
    let list = indices.as_ints().ok_or("its indices must be integers")?;
    let list = list.iter().map(|&at| index(at, dim));
    let list: Vec<usize> = list.collect::<Result<_, _>>()?;
    let dims = [before, indices.dims(), after].concat();
    // Indices that are equally far apart are a slice.
    let output = match run(&list) {
        Some((start, step)) => {
            let output = part(importer, &view, axis, start, step, list.len())?;
            output.reshaped(dims)
        }
        None => {
            let blocks = Blocks {
                positions: list,
                len: product(after),
            };
            taken(importer, &view, dim, blocks, dims)?
        }
    };
    Ok(vec![Value::Device(output)])
}

/// The first of some indices, and the distance from each to the next, if that is always the same and not 0.
fn run(list: &[usize]) -> Option<(usize, isize)> {
    let distance = |pair: &[usize]| match pair {
        [a, b] => (isize::try_from(*b).ok()?).checked_sub(isize::try_from(*a).ok()?),
        _ => None,
    };
    let start = *list.first()?;
    let mut distances = list.windows(2).map(distance);
    let Some(first) = distances.next() else {
        return Some((start, 1));
    };
    let step = first.filter(|&step| step != 0)?;
    (distances.all(|distance| distance == first)).then_some((start, step))
}

pub(super) fn gather_elements<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let indices = importer.host(node, 1)?;
    let axis = axis_of(node.int_or("axis", 0), view.dims.len())?;
    let blocks = elements(&view.dims, &indices, axis)?;
    let count = view.len();
    let output = taken(importer, &view, count, blocks, indices.dims().to_vec())?;
    Ok(vec![Value::Device(output)])
}

pub(super) fn gather_nd<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let indices = importer.host(node, 1)?;
    let batch = node.int_or("batch_dims", 0);
    let batch = usize::try_from(batch).map_err(|_| "its batch_dims must be positive".to_owned())?;
    let blocks = tuples(&view.dims, &indices, batch)?;
    let (&width, before) = indices
        .dims()
        .split_last()
        .ok_or("its indices have no dimensions")?;
    let block = view
        .dims
        .get(batch.saturating_add(width)..)
        .unwrap_or_default();
    let dims = [before, block].concat();
    let count = view.len().checked_div(blocks.len).unwrap_or(0);
    let output = taken(importer, &view, count, blocks, dims)?;
    Ok(vec![Value::Device(output)])
}

/// Blocks of a value, of which `count` lie behind each other, as a value of `dims`.
pub(super) fn taken(
    importer: &mut Importer,
    view: &View,
    count: usize,
    blocks: Blocks,
    dims: Vec<usize>,
) -> Result<View, String> {
    // Only the order counts, not the shape.
    let source = match view.is_in_order() {
        true => View::whole(view.value, view.base.clone()),
        false => importer.in_order(view)?,
    };
    let indices: Option<Arc<[u32]>> = (blocks.positions.iter())
        .map(|&position| u32::try_from(position).ok())
        .collect();
    let op = Gather {
        input: source.base.clone(),
        output: Shape::from(dims),
        count,
        inner: blocks.len,
        indices: indices.ok_or("it has more than 2^32 elements")?,
    };
    importer.node(op, &[&source])
}
