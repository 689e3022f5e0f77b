//! Quantized values that are computed on the device, as floats that are whole numbers.

use super::elementwise::combine;
use super::unary::apply;
use crate::graph::{Binary, Unary};
use crate::onnx::element_type::ElementType;
use crate::onnx::evaluate::{along, quantized};
use crate::onnx::host::HostTensor;
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
    if let Some(zero_point) = importer.optional_host(node, 2)?
        && !is_zero(&zero_point)
    {
        let zero_point = Value::Host(along(node, &zero_point, &dims)?.into());
        value = Value::Device(combine(importer, Binary::Sub, &value, &zero_point)?);
    }
    let scale = Value::Host(along(node, &scale, &dims)?.into());
    let output = combine(importer, Binary::Mul, &value, &scale)?;
    Ok(vec![Value::Device(output)])
}

/// `x / scale + zero_point`, rounded and within the bounds of the type.
pub(super) fn quantize_linear<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.value(node, 0)?;
    let dims = input.dims()?;
    let bounds = bounds(importer, node)?;
    let scale = along(node, &*importer.host(node, 1)?, &dims)?;
    let zero_point = importer.optional_host(node, 2)?;
    let zero_point = zero_point.filter(|zero_point| !is_zero(zero_point));
    let zero_point = zero_point
        .map(|zero_point| along(node, &zero_point, &dims))
        .transpose()?;

    let Value::Device(mut view) = input else {
        let input = importer.host_value(&input)?;
        let output = quantized(&input, &scale, zero_point.as_ref(), bounds)?;
        importer.count_constants(std::slice::from_ref(&output))?;
        return Ok(vec![Value::Host(output.into())]);
    };
    let [min, max] = bounds;
    let zero = match &zero_point {
        None => Some(0.0),
        Some(zero_point) => zero_point.scalar(),
    };
    if let (Some(scale), Some(zero)) = (scale.scalar(), zero) {
        let (min, max) = (min - zero, max - zero);
        view = apply(importer, &view, Unary::Quantize { scale, min, max })?;
        if zero != 0.0 {
            let shift = Unary::Affine {
                scale: 1.0,
                offset: zero,
            };
            view = apply(importer, &view, shift)?;
        }
        return Ok(vec![Value::Device(view)]);
    }
    let scale = importer.constant(Value::Host(scale.into()))?;
    view = combine(
        importer,
        Binary::Div,
        &Value::Device(view),
        &Value::Device(scale),
    )?;
    view = apply(importer, &view, Unary::Round)?;
    if let Some(zero_point) = zero_point {
        let zero_point = Value::Host(zero_point.into());
        view = combine(importer, Binary::Add, &Value::Device(view), &zero_point)?;
    }
    view = apply(importer, &view, Unary::Clip { min, max })?;
    Ok(vec![Value::Device(view)])
}

/// The smallest and the largest number of the type of the output: that of the zero point, or `output_dtype`, or bytes.
fn bounds<'m>(importer: &Importer<'m>, node: OnnxNode<'m>) -> Result<[f32; 2], String> {
    let given = node.element_type("output_dtype");
    let element_type = match (node.input(2), given) {
        (Some(_), _) => importer
            .element_type(node, 2)
            .ok_or("the type of its zero point is not known")?,
        (None, Some(element_type)) if element_type != ElementType(0) => element_type,
        (None, _) => ElementType::UINT8,
    };
    Ok(match element_type {
        ElementType::UINT8 => [0.0, 255.0],
        ElementType::INT8 => [-128.0, 127.0],
        ElementType::UINT16 => [0.0, 65_535.0],
        ElementType::INT16 => [-32_768.0, 32_767.0],
        other => return Err(format!("its output type {other} is not supported")),
    })
}

fn is_zero(zero_point: &HostTensor) -> bool {
    zero_point.to_floats().iter().all(|&zero| zero == 0.0)
}
