//! Functions of each element of several values.

use super::layout::product;
use super::unary::apply;
use super::written_norm;
use crate::graph::{Activation, BatchNorm2d, Binary, Op, Unary};
use crate::onnx::host::{HostKind, HostTensor, broadcast};
use crate::onnx::import::Importer;
use crate::onnx::node::OnnxNode;
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::onnx::weight::StoredWeight;

/// A function of two or more values, each broadcast to the shape of all together.
pub(super) fn binary<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let operator = match node.op_type() {
        "Add" | "Sum" | "Mean" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        // Of integers, if both are.
        "Div" if (0..2).all(|i| importer.kind(node, i) == Ok(HostKind::Int)) => Binary::TruncDiv,
        "Div" => Binary::Div,
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        "Pow" => Binary::Pow,
        "Equal" => Binary::Equal,
        "Greater" => Binary::Greater,
        "GreaterOrEqual" => Binary::GreaterOrEqual,
        "Less" => Binary::Less,
        "LessOrEqual" => Binary::LessOrEqual,
        "And" => Binary::And,
        "Or" => Binary::Or,
        "Xor" => Binary::Xor,
        "Mod" if node.flag("fmod") => Binary::Fmod,
        "Mod" => Binary::Remainder,
        _ => return prelu(importer, node),
    };
    if operator == Binary::Div
        && let Some(normal) = written_norm::completed_by(importer, node)?
    {
        return Ok(vec![Value::Device(normal)]);
    }
    let mut result = importer.value(node, 0)?;
    for i in 1..node.input_count() {
        let next = importer.value(node, i)?;
        result = Value::Device(combine(importer, operator, &result, &next)?);
    }
    if node.op_type() == "Mean" {
        let scale = (node.input_count() as f32).recip();
        let Value::Device(sum) = &result else {
            return Err("its input is a constant".to_owned());
        };
        let mean = apply(importer, sum, Unary::Affine { scale, offset: 0.0 })?;
        result = Value::Device(mean);
    }
    Ok(vec![result])
}

/// `a` and `b`, one of which is computed on the device.
pub(super) fn combine<'m>(
    importer: &mut Importer<'m>,
    operator: Binary,
    a: &Value<'m>,
    b: &Value<'m>,
) -> Result<View, String> {
    let (view, constant, swapped) = match (a, b) {
        (Value::Device(a), Value::Device(b)) => return combine_views(importer, operator, a, b),
        (Value::Device(view), constant) => (view, constant, false),
        (constant, Value::Device(view)) => (view, constant, true),
        _ => {
            let (a, b) = (importer.constant(a.clone())?, importer.constant(b.clone())?);
            return combine_views(importer, operator, &a, &b);
        }
    };
    let host = importer.host_value(constant)?;
    if let Some(scalar) = host.scalar()
        && host.dims().len() <= view.dims.len()
        && let Some(op) = with_scalar(operator, scalar, swapped)
    {
        return apply(importer, view, op);
    }
    if let Some(axis) = only_axis(&host, &view.dims)
        && let Some((scale, shift)) = per_channel(operator, &host, swapped)
    {
        return scale_channels(importer, view, axis, scale, shift);
    }
    let constant = importer.constant(constant.clone())?;
    match swapped {
        false => combine_views(importer, operator, view, &constant),
        true => combine_views(importer, operator, &constant, view),
    }
}

/// The function of one value that an operator and a constant for its second value are, or its first with
/// `swapped`.
fn with_scalar(operator: Binary, constant: f32, swapped: bool) -> Option<Op> {
    let affine = |scale: f32, offset: f32| Some(Unary::Affine { scale, offset }.into());
    match (operator, swapped) {
        (Binary::Add, _) => affine(1.0, constant),
        (Binary::Sub, false) => affine(1.0, -constant),
        (Binary::Sub, true) => affine(-1.0, constant),
        (Binary::Mul, _) => affine(constant, 0.0),
        // The product with the reciprocal differs in the last digit only.
        (Binary::Div, false) if constant.is_normal() && constant.recip().is_normal() => {
            affine(constant.recip(), 0.0)
        }
        (Binary::Div, true) if constant == 1.0 => Some(Unary::Reciprocal.into()),
        (Binary::Pow, false) => Some(match constant {
            1.0 => return affine(1.0, 0.0),
            0.5 => Unary::Sqrt.into(),
            exponent => Unary::Pow { exponent }.into(),
        }),
        (Binary::Max, _) if constant == 0.0 => Some(Activation::Relu.into()),
        (Binary::Max, _) if !constant.is_nan() => Some(
            Unary::Clip {
                min: constant,
                max: f32::INFINITY,
            }
            .into(),
        ),
        (Binary::Min, _) if !constant.is_nan() => Some(
            Unary::Clip {
                min: f32::NEG_INFINITY,
                max: constant,
            }
            .into(),
        ),
        _ => None,
    }
}

fn is_power_of_two(value: f32) -> bool {
    value.is_normal() && value.recip().is_normal() && value.to_bits() << 9 == 0
}

/// The only dimension of a value of `dims` along which a constant differs.
fn only_axis(constant: &HostTensor, dims: &[usize]) -> Option<usize> {
    let missing = dims.len().checked_sub(constant.dims().len())?;
    let mut axes = (constant.dims().iter().enumerate()).filter(|(_, dim)| **dim != 1);
    let (at, &count) = axes.next()?;
    let axis = at.checked_add(missing)?;
    (axes.next().is_none() && dims.get(axis) == Some(&count)).then_some(axis)
}

/// A scale and a shift for each channel; `None` where it changes nothing.
type ScaleAndShift = (Option<Vec<f32>>, Option<Vec<f32>>);

/// A scale and a shift for each channel that are the same as an operator with a constant.
fn per_channel(operator: Binary, constant: &HostTensor, swapped: bool) -> Option<ScaleAndShift> {
    let values = constant.to_floats();
    let negative = || values.iter().map(|value| -value).collect::<Vec<f32>>();
    Some(match (operator, swapped) {
        (Binary::Add, _) => (None, Some(values)),
        (Binary::Sub, false) => (None, Some(negative())),
        (Binary::Sub, true) => (Some(vec![-1.0; values.len()]), Some(values)),
        (Binary::Mul, _) => (Some(values), None),
        (Binary::Div, false) if values.iter().all(|&value| is_power_of_two(value)) => (
            Some(values.iter().map(|value| value.recip()).collect()),
            None,
        ),
        _ => return None,
    })
}

/// Multiplies by a scale and adds a shift for each index along `axis`: a batch normalization, which the engine
/// folds into convolutions.
pub(super) fn scale_channels(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    scale: Option<Vec<f32>>,
    shift: Option<Vec<f32>>,
) -> Result<View, String> {
    if view.channel_axis() == Some(axis)
        && importer.scale_norm(view, scale.as_deref(), shift.as_deref())?
    {
        return Ok(view.clone());
    }
    let count = view.dims.get(axis).copied().unwrap_or(1);
    let name = importer.unique_name();
    let parameters = [
        ("weight", scale.unwrap_or_else(|| vec![1.0; count])),
        ("bias", shift.unwrap_or_else(|| vec![0.0; count])),
        ("running_mean", vec![0.0; count]),
        ("running_var", vec![1.0; count]),
    ];
    for (suffix, values) in parameters {
        importer.weight(&name, suffix, StoredWeight::computed(values, &[count])?);
    }
    norm_channels(importer, name, view, axis, BatchNorm2d::new(count).eps(0.0))
}

/// A batch normalization over the dimension `axis`.
pub(super) fn norm_channels(
    importer: &mut Importer,
    name: String,
    view: &View,
    axis: usize,
    op: BatchNorm2d,
) -> Result<View, String> {
    if view.channel_axis() == Some(axis) && matches!(view.base.rank(), 2 | 4) {
        let output = importer.named_node(name.clone(), op, &[view])?;
        importer.remember_norm(output.value, name);
        return Ok(view.with_value(output.value));
    }
    let (map, dims) = as_channels(importer, view, axis)?;
    let output = importer.named_node(name, op, &[&map])?;
    Ok(output.reshaped(dims))
}

/// A map `[N, C, 1, L]` whose channels are the dimension `axis`, and the extents that the view has.
pub(super) fn as_channels(
    importer: &mut Importer,
    view: &View,
    axis: usize,
) -> Result<(View, Vec<usize>), String> {
    let (before, rest) = view
        .dims
        .split_at_checked(axis)
        .ok_or("its axis does not exist")?;
    let (count, after) = rest.split_first().ok_or("its axis does not exist")?;
    let shape = [product(before), *count, 1, product(after)];
    Ok((importer.shaped(view, &shape)?, view.dims.clone()))
}

/// Two computed values, each broadcast to the shape of both.
pub(super) fn combine_views(
    importer: &mut Importer,
    operator: Binary,
    a: &View,
    b: &View,
) -> Result<View, String> {
    if is_stored_alike(a, b) {
        if operator == Binary::Mul
            && let Some((root, op)) = importer.activation_of_product(a.value, b.value)
        {
            let output = importer.node(op, &[&a.with_value(root)])?;
            return Ok(a.with_value(output.value));
        }
        let output = importer.node(operator, &[a, b])?;
        if operator == Binary::Mul {
            importer.remember_product(a.value, b.value, output.value);
        }
        return Ok(a.with_value(output.value));
    }
    let (views, dims) = broadcast_views(importer, &[a, b])?;
    let views: Vec<&View> = views.iter().collect();
    Ok(importer.node(operator, &views)?.reshaped(dims))
}

/// Whether values are the same elements of values of the same shape, in the same order, and all of them.
pub(super) fn is_stored_alike(a: &View, b: &View) -> bool {
    let is_same_order =
        (&a.base, &a.dims, &a.factors, a.offset) == (&b.base, &b.dims, &b.factors, b.offset);
    is_same_order && a.is_permutation()
}

/// Values in order that the engine broadcasts to each other, and the extents that they have then.
pub(super) fn broadcast_views(
    importer: &mut Importer,
    views: &[&View],
) -> Result<(Vec<View>, Vec<usize>), String> {
    let mut dims = Vec::new();
    for view in views {
        dims = broadcast(&dims, &view.dims)?;
    }
    let mut values = Vec::with_capacity(views.len());
    for view in views {
        let missing = dims.len().saturating_sub(view.dims.len());
        let own = [vec![1; missing], view.dims.clone()].concat();
        values.push(match dims.len() {
            // More dimensions share the width in memory.
            5.. if own != dims => {
                let wide = importer.reordered(view, |view| view.broadcast_to(&dims))?;
                importer.in_order(&wide)?
            }
            _ => importer.shaped(view, &own)?,
        });
    }
    Ok((values, dims))
}

/// `x` where positive, `slope * x` elsewhere, with a slope for each channel.
fn prelu<'m>(importer: &mut Importer<'m>, node: OnnxNode<'m>) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let slope = importer.value(node, 1)?;
    if slope.is_constant()
        && let Some(slope) = importer.host_value(&slope)?.scalar()
    {
        let output = apply(importer, &view, Activation::LeakyRelu { slope })?;
        return Ok(vec![Value::Device(output)]);
    }
    let positive = apply(importer, &view, Activation::Relu)?;
    let below = Unary::Clip {
        min: f32::NEG_INFINITY,
        max: 0.0,
    };
    let negative = Value::Device(apply(importer, &view, below)?);
    let scaled = combine(importer, Binary::Mul, &negative, &slope)?;
    let sum = combine_views(importer, Binary::Add, &positive, &scaled)?;
    Ok(vec![Value::Device(sum)])
}
