//! Quantized tensors.

use super::super::element_type::ElementType;
use super::super::host::{HostData, HostTensor};
use super::super::node::axis_of;
use super::arrange::expanded;
use super::call::Call;
use super::{check_len, number, tensor};
use crate::tensor::Shape;

/// With one scale, or with one for each index along an axis. Not in blocks.
pub(super) fn dequantize_linear(call: &Call) -> Result<HostTensor, String> {
    let (node, input) = (call.node, call.input(0, "x")?);
    let (scale, zero_point) = (call.input(1, "x_scale")?, call.optional(2));
    if node.int_or("block_size", 0) != 0 {
        return Err("scales of blocks are not supported".to_owned());
    }
    if let Some(zero_point) = zero_point
        && zero_point.dims() != scale.dims()
    {
        return Err(format!(
            "its scale has the shape {}, and its zero point {}",
            Shape::from(scale.dims()),
            Shape::from(zero_point.dims())
        ));
    }
    check_len(input.dims())?;
    let along = |parameter: &HostTensor| spread(call, parameter, input.dims());

    let HostData::Float(scales) = along(scale)? else {
        return Err(format!("its scale is {}", scale.kind()));
    };
    let HostData::Int(mut values) = input.data().clone() else {
        return Err(format!("its input is {}", input.kind()));
    };
    if let Some(zero_point) = zero_point {
        let HostData::Int(zeros) = along(zero_point)? else {
            return Err(format!("its zero point is {}", zero_point.kind()));
        };
        for (value, zero) in values.iter_mut().zip(zeros) {
            *value = number::sub(*value, zero)?;
        }
    }
    let values = values.into_iter().zip(scales);
    let values = values.map(|(value, scale)| value as f32 * scale);
    let result = tensor(input.dims(), HostData::Float(values.collect()))?;
    match node.element_type("output_dtype") {
        None | Some(ElementType(0)) => Ok(result),
        Some(to) if to.is_float() => tensor(input.dims(), number::converted(&result, to)?),
        Some(to) => Err(format!("its 'output_dtype' is {to}")),
    }
}

/// `parameter` for each element of a tensor of `dims`.
fn spread(call: &Call, parameter: &HostTensor, dims: &[usize]) -> Result<HostData, String> {
    let whole = match parameter.dims() {
        [] | [1] => expanded(&tensor([], parameter.data().clone())?, dims)?,
        // An axis is an attribute from version 13 on.
        [len] if call.node.opset >= 13 => {
            let axis = axis_of(call.node.int_or("axis", 1), dims.len())?;
            let mut ones = vec![1; dims.len()];
            if let (Some(one), Some(dim)) = (ones.get_mut(axis), dims.get(axis)) {
                if len != dim {
                    return Err(format!("{len} scales for a dimension of {dim}"));
                }
                *one = *len;
            }
            expanded(&tensor(ones, parameter.data().clone())?, dims)?
        }
        other => {
            return Err(format!(
                "scales of shape {} are not supported",
                Shape::from(other)
            ));
        }
    };
    Ok(whole.into_data())
}
