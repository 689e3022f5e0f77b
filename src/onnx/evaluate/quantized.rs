//! Quantized tensors.

use super::super::element_type::ElementType;
use super::super::host::{HostData, HostTensor, strides};
use super::super::node::{OnnxNode, axis_of};
use super::arrange::expanded;
use super::call::Call;
use super::{check_len, number, tensor};
use crate::tensor::Shape;

/// With one scale, or with one for each index or block along an axis.
pub(super) fn dequantize_linear(call: &Call) -> Result<HostTensor, String> {
    let (node, input) = (call.node, call.input(0, "x")?);
    let (scale, zero_point) = (call.input(1, "x_scale")?, call.optional(2));
    // ONNX Runtime's quantizer writes a list of one scale and a scalar zero point for biases.
    if let Some(zero_point) = zero_point
        && zero_point.dims() != scale.dims()
        && (zero_point.len(), scale.len()) != (1, 1)
    {
        return Err(format!(
            "its scale has the shape {}, and its zero point {}",
            Shape::from(scale.dims()),
            Shape::from(zero_point.dims())
        ));
    }
    check_len(input.dims())?;
    let whole = |parameter: &HostTensor| spread(call, parameter, input.dims());

    let HostData::Float(scales) = whole(scale)? else {
        return Err(format!("its scale is {}", scale.kind()));
    };
    let HostData::Int(mut values) = input.data().clone() else {
        return Err(format!("its input is {}", input.kind()));
    };
    if let Some(zero_point) = zero_point {
        let HostData::Int(zeros) = whole(zero_point)? else {
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

/// `x / scale + zero_point`, rounded to whole numbers within `bounds`; of two that are equally near, to the even one. Scale
/// and zero point are in shapes that are broadcast to that of `input`.
pub(in crate::onnx) fn quantized(
    input: &HostTensor,
    scale: &HostTensor,
    zero_point: Option<&HostTensor>,
    bounds: [f32; 2],
) -> Result<HostTensor, String> {
    check_len(input.dims())?;
    let HostData::Float(values) = input.data() else {
        return Err(format!("its input is {}", input.kind()));
    };
    let scales = expanded(scale, input.dims())?.to_floats();
    let zeros = match zero_point {
        Some(zero_point) => expanded(zero_point, input.dims())?.to_floats(),
        None => vec![0.0; values.len()],
    };
    let [min, max] = bounds;
    let parameters = scales.into_iter().zip(zeros);
    let whole = values.iter().zip(parameters).map(|(value, (scale, zero))| {
        let whole = ((value / scale).round_ties_even() + zero).clamp(min, max);
        // NaN becomes 0.
        #[allow(clippy::cast_possible_truncation, reason = "within the bounds")]
        let whole = whole as i64;
        whole
    });
    tensor(input.dims(), HostData::Int(whole.collect()))
}

/// A scale or a zero point of a node, in a shape that is broadcast to `dims`: one number, one for each index along an
/// axis, or one for each block along it.
pub(in crate::onnx) fn along(
    node: OnnxNode,
    parameter: &HostTensor,
    dims: &[usize],
) -> Result<HostTensor, String> {
    let data = parameter.data();
    let block = node.int_or("block_size", 0);
    // An axis is an attribute from version 13 on.
    let axis = || axis_of(node.int_or("axis", 1), dims.len());
    match parameter.dims() {
        [] | [1] => tensor([], data.clone()),
        [len] if node.opset >= 13 && block == 0 => {
            let axis = axis()?;
            let mut shape = vec![1; dims.len()];
            if let (Some(own), Some(dim)) = (shape.get_mut(axis), dims.get(axis)) {
                if len != dim {
                    return Err(format!("{len} scales for a dimension of {dim}"));
                }
                *own = *len;
            }
            tensor(shape, data.clone())
        }
        own if own.len() == dims.len() && block > 0 => {
            let block = usize::try_from(block).map_err(|_| format!("its block_size is {block}"))?;
            let positions = block_of_each(own, dims, axis()?, block)?;
            let data = data.pick(&positions).ok_or("its scales are too few")?;
            tensor(dims, data)
        }
        other => Err(format!(
            "scales of shape {} are not supported for an input of {}",
            Shape::from(other),
            Shape::from(dims)
        )),
    }
}

/// For each element of `dims`, the position in `own` of the number of its block: as many elements along `axis`.
fn block_of_each(
    own: &[usize],
    dims: &[usize],
    axis: usize,
    block: usize,
) -> Result<Vec<usize>, String> {
    let len = check_len(dims)?;
    let extents = |(i, dim): (usize, &usize)| if i == axis { dim.div_ceil(block) } else { *dim };
    let expected: Vec<usize> = dims.iter().enumerate().map(extents).collect();
    if own != expected {
        return Err(format!(
            "blocks of {block} of {} have scales {}, but {} were found",
            Shape::from(dims),
            Shape::from(expected),
            Shape::from(own)
        ));
    }
    let steps: Vec<_> = strides(dims).into_iter().zip(strides(own)).collect();
    let place = |element: usize| {
        let mut rest = element;
        let mut place = 0_usize;
        for (i, &(step, own_step)) in steps.iter().enumerate() {
            let index = rest.checked_div(step).unwrap_or(0);
            rest = rest.checked_rem(step).unwrap_or(0);
            let index = match i == axis {
                true => index.checked_div(block).unwrap_or(0),
                false => index,
            };
            place = place.saturating_add(index.saturating_mul(own_step));
        }
        place
    };
    Ok((0..len).map(place).collect())
}

/// `parameter` for each element of a tensor of `dims`.
fn spread(call: &Call, parameter: &HostTensor, dims: &[usize]) -> Result<HostData, String> {
    Ok(expanded(&along(call.node, parameter, dims)?, dims)?.into_data())
}
