//! Cumulative sums.

use super::layout::product;
use crate::graph::CumSum;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;

pub(super) fn cum_sum<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let dims = view.dims.clone();
    let axis = importer.optional_ints(node, 1)?.unwrap_or_default();
    let axis = axis_of(*axis.first().ok_or("its axis is missing")?, dims.len())?;
    let op = CumSum {
        exclusive: node.flag("exclusive"),
        reverse: node.flag("reverse"),
    };
    let (before, rest) = dims.split_at(axis);
    let (&count, after) = rest.split_first().ok_or("its axis does not exist")?;
    let (before, after) = (product(before), product(after));
    // Whatever is beside the axis is channels.
    let output = match after {
        1 => {
            let rows = importer.shaped(&view, &[1, before, count])?;
            importer.node(op, &[&rows])?
        }
        _ => {
            let apart = view.reshaped(vec![before, count, after]);
            let moved = importer.reordered(&apart, |view| view.transposed(&[0, 2, 1]))?;
            let rows = importer.in_order(&moved)?;
            let sums = importer.node(op, &[&rows])?;
            importer.reordered(&sums, |view| view.transposed(&[0, 2, 1]))?
        }
    };
    Ok(vec![Value::Device(output.reshaped(dims))])
}
