//! Element types. On the device, all values are floating-point numbers: integers and booleans are stored as the numbers
//! that they are, and their type is known from the operators.

use super::unary::apply;
use crate::graph::Unary;
use crate::onnx::element_type::ElementType;
use crate::onnx::evaluate::converted;
use crate::onnx::host::{HostKind, HostTensor};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;

/// What the elements of output `i` of a node are, if it is computed on the device.
pub(in crate::onnx) fn output_kind(
    importer: &Importer,
    node: OnnxNode,
    i: usize,
) -> Result<HostKind, String> {
    Ok(match node.op_type() {
        "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "And" | "Or" | "Xor"
        | "Not" | "IsNaN" | "IsInf" => HostKind::Bool,
        "ArgMax" | "ArgMin" | "QuantizeLinear" => HostKind::Int,
        "DequantizeLinear" => HostKind::Float,
        "TopK" if i == 1 => HostKind::Int,
        "Cast" => node
            .element_type("to")
            .map_or(HostKind::Float, ElementType::kind),
        "CastLike" | "Where" => importer.kind(node, 1)?,
        _ => match node.input(0) {
            Some(_) => importer.kind(node, 0)?,
            None => HostKind::Float,
        },
    })
}

/// `Cast` and `CastLike` of a computed value.
pub(super) fn cast<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    if let Some(to) = node.element_type("to")
        && to.size().is_none()
    {
        return Err(format!("a cast to {to} is not supported"));
    }
    let to = output_kind(importer, node, 0)?;
    let from = importer.kind(node, 0)?;
    Ok(vec![match importer.value(node, 0)? {
        Value::Device(view) => {
            let function = match (from, to) {
                (HostKind::Float, HostKind::Int) => Some(Unary::Trunc),
                (HostKind::Float | HostKind::Int, HostKind::Bool) => Some(Unary::ToBool),
                _ => None,
            };
            Value::Device(match function {
                Some(function) => apply(importer, &view, function)?,
                None => view,
            })
        }
        constant => {
            let tensor = importer.host_value(&constant)?;
            let element_type = match to {
                HostKind::Float => ElementType::FLOAT,
                HostKind::Int => ElementType::INT64,
                HostKind::Bool => ElementType::BOOL,
            };
            let data = converted(&tensor, element_type)?;
            let cast = HostTensor::new(tensor.dims(), data);
            Value::Host(cast.ok_or("its shape is not possible")?.into())
        }
    }])
}
