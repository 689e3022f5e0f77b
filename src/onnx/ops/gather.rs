//! Elements at indices that are known, and rows of weights at token ids.

use std::sync::Arc;

use super::layout::{part, product};
use super::positions::{Blocks, elements, index, tuples};
use crate::graph::{Embedding, Gather};
use crate::onnx::element_type::ElementType;
use crate::onnx::import::Importer;
use crate::onnx::model::OnnxModel;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::proto::NodeProto;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;
use crate::tensor::Shape;

pub(super) fn gather<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    if let Value::Device(ids) = importer.value(node, 1)?
        && importer.token_ids.contains(&ids.value)
    {
        return embedding(importer, node, &ids);
    }
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

/// Rows of a table, a matrix of weights, at token ids.
fn embedding<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
    ids: &View,
) -> Result<Vec<Value<'m>>, String> {
    let table = importer.value(node, 0)?;
    let dims = table.dims()?;
    let (&[num_embeddings, dim], &[n, length]) = (&dims[..], &ids.dims[..]) else {
        return Err(format!(
            "a matrix and [N, L] ids were expected, found {dims:?} and {:?}",
            ids.dims
        ));
    };
    let name = importer.unique_name();
    importer.weight(&name, "weight", StoredWeight::new(&table, &dims)?);
    let op = Embedding {
        num_embeddings,
        dim,
    };
    let rows = importer.named_node(name, op, &[ids])?;
    // The engine has the elements of a row as channels.
    let rows = rows.reshaped(vec![n, dim, length]);
    let rows = importer.reordered(&rows, |view| view.transposed(&[0, 2, 1]))?;
    Ok(vec![Value::Device(rows)])
}

impl OnnxModel {
    /// Whether the input `name` of `shape` is of token ids: integers that are only indices of rows in matrices of
    /// weights.
    pub(in crate::onnx) fn is_token_ids(&self, name: &str, shape: &Shape) -> bool {
        // Weights of another type are cast.
        let cast = |name: &str| {
            let nodes = self.graph.node.iter();
            let mut casts = nodes.filter(|node| node.op_type == "Cast");
            let cast = casts.find(|node| node.output.first().is_some_and(|output| output == name));
            cast.and_then(|node| node.input.first())
        };
        let is_table = |name: &str| {
            let stored = self.initializer(name);
            let stored = stored.or_else(|| self.initializer(cast(name)?));
            stored.is_some_and(|(table, _)| {
                table.dims.len() == 2 && ElementType(table.data_type).is_float()
            })
        };
        let is_row = |node: &NodeProto| {
            let node = OnnxNode::new(node, self.opset());
            let own = |i: usize| node.input(i).unwrap_or_default();
            node.op_type() == "Gather"
                && own(1) == name
                && node.int_or("axis", 0) == 0
                && is_table(own(0))
        };
        let mut reads = 0_usize;
        let mut rows = 0_usize;
        for node in &self.graph.node {
            let own = node.input.iter().filter(|input| *input == name).count();
            reads = reads.saturating_add(own);
            rows = rows.saturating_add(usize::from(own == 1 && is_row(node)));
        }
        // A branch, too, may read it.
        let has_branches = (self.graph.node.iter())
            .any(|node| node.attribute.iter().any(|attribute| attribute.g.is_some()));
        let is_output = self.outputs().iter().any(|output| output.name == name);
        shape.rank() == 2 && reads > 0 && reads == rows && !has_branches && !is_output
    }
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
