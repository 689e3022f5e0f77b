//! The largest and smallest elements along an axis.

use super::elementwise::as_channels;
use super::unary::apply;
use crate::graph::{TopK, TopKOutput, Unary};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

/// `ArgMax` and `ArgMin`.
pub(super) fn arg_max<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", 0), view.dims.len())?;
    let count = *view.dims.get(axis).ok_or("its axis does not exist")?;
    let op = TopK {
        k: 1,
        largest: node.op_type() == "ArgMax",
        output: TopKOutput::Indices,
    };
    let mut output = match node.flag("select_last_index") {
        false => along(importer, &view, axis, op)?,
        // The first from the end.
        true => {
            let last = count.checked_sub(1).ok_or("its input is empty")?;
            let reversed = importer.reordered(&view, |view| view.sliced(axis, last, -1, count))?;
            let from_end = along(importer, &reversed, axis, op)?;
            let index = Unary::Affine {
                scale: -1.0,
                offset: last as f32,
            };
            apply(importer, &from_end, index)?
        }
    };
    if node.int_or("keepdims", 1) == 0 {
        output.dims.remove(axis);
    }
    Ok(vec![Value::Device(output)])
}

pub(super) fn top_k<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let axis = axis_of(node.int_or("axis", -1), view.dims.len())?;
    // It became an input at opset 10.
    let k = match node.int("k") {
        Some(k) => k,
        None => {
            let k = importer.optional_ints(node, 1)?.unwrap_or_default();
            *k.first().ok_or("its k is missing")?
        }
    };
    let k = usize::try_from(k).map_err(|_| format!("its k {k} must be positive"))?;
    let largest = node.int_or("largest", 1) != 0;
    let outputs = [TopKOutput::Values, TopKOutput::Indices].map(|output| {
        let op = TopK { k, largest, output };
        along(importer, &view, axis, op).map(Value::Device)
    });
    outputs.into_iter().collect()
}

/// Elements or indices along an axis, whose extent becomes their number.
fn along(importer: &mut Importer, view: &View, axis: usize, op: TopK) -> Result<View, String> {
    let (map, mut dims) = as_channels(importer, view, axis)?;
    if let Some(dim) = dims.get_mut(axis) {
        *dim = op.k;
    }
    Ok(importer.node(op, &[&map])?.reshaped(dims))
}
