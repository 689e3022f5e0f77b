//! Quantized values that are computed on the device, as floats that are whole numbers.

use super::elementwise::combine;
use crate::graph::Binary;
use crate::onnx::evaluate::along;
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;

/// `(x - zero_point) * scale`, with one scale, or one for each index or block along an axis.
pub(super) fn dequantize_linear<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.value(node, 0)?;
    let dims = input.dims()?;
    let scale = importer.host(node, 1)?;
    let mut value = input;
    if let Some(zero_point) = importer.optional_host(node, 2)? {
        let zero_point = Value::Host(along(node, &zero_point, &dims)?.into());
        value = Value::Device(combine(importer, Binary::Sub, &value, &zero_point)?);
    }
    let scale = Value::Host(along(node, &scale, &dims)?.into());
    let output = combine(importer, Binary::Mul, &value, &scale)?;
    Ok(vec![Value::Device(output)])
}
