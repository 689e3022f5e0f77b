//! Elements that are chosen by a condition.

use super::elementwise::{broadcast_views, is_stored_alike};
use crate::graph::Where;
use crate::onnx::host::{HostData, HostTensor};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;

/// `Where`.
pub(super) fn choose<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let views = [0, 1, 2].map(|i| importer.view(node, i));
    let [condition, a, b] = views;
    let output = chosen(importer, &condition?, &a?, &b?)?;
    Ok(vec![Value::Device(output)])
}

/// Elements of `a` where the condition holds, those of `b` elsewhere.
fn chosen(importer: &mut Importer, condition: &View, a: &View, b: &View) -> Result<View, String> {
    if is_stored_alike(a, condition) && is_stored_alike(a, b) {
        let output = importer.node(Where, &[condition, a, b])?;
        return Ok(a.with_value(output.value));
    }
    let (views, dims) = broadcast_views(importer, &[condition, a, b])?;
    let views: Vec<&View> = views.iter().collect();
    Ok(importer.node(Where, &views)?.reshaped(dims))
}

/// The most elements of a matrix whose triangle is kept.
const MAX_MASK: usize = 1 << 22;

/// `Trilu`: zeros below or above a diagonal of the last two dimensions.
pub(super) fn trilu<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let &[.., rows, columns] = &view.dims[..] else {
        return Err(format!("matrices were expected, found {:?}", view.dims));
    };
    if rows.saturating_mul(columns) > MAX_MASK {
        return Err(format!(
            "matrices of {rows}x{columns} have more than {MAX_MASK} elements, which is not supported"
        ));
    }
    let k = importer.optional_ints(node, 1)?.unwrap_or_default();
    let k = i128::from(k.first().copied().unwrap_or(0));
    let is_upper = node.int_or("upper", 1) != 0;
    let stays = |row: usize, column: usize| {
        // Below 2^64 each.
        let distance = (column as i128).saturating_sub(row as i128);
        match is_upper {
            true => distance >= k,
            false => distance <= k,
        }
    };
    let mask = (0..rows).flat_map(|row| (0..columns).map(move |column| stays(row, column)));
    let mask = HostTensor::new([rows, columns], HostData::Bool(mask.collect()));
    let mask = importer.constant(Value::Host(mask.ok_or("it is too large")?.into()))?;
    let zero = HostTensor::new([], HostData::Float(vec![0.0]));
    let zero = importer.constant(Value::Host(zero.ok_or("it is too large")?.into()))?;
    let output = chosen(importer, &mask, &view, &zero)?;
    Ok(vec![Value::Device(output)])
}
