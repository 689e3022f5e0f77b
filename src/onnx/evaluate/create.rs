//! Operators that make tensors of attributes, shapes and bounds.

use num_traits::ToPrimitive;

use super::super::decode::host_tensor;
use super::super::host::{HostData, HostTensor};
use super::call::{Call, dims_of, int_of, ints_of};
use super::number::{overflow, rounded};
use super::{check_len, tensor, too_many};

pub(super) fn constant(call: &Call) -> Result<HostTensor, String> {
    let node = call.node;
    if let Some(value) = node.tensor("value") {
        return host_tensor(value, None);
    }
    if let Some(values) = node.ints("value_ints") {
        return Ok(HostTensor::ints(values));
    }
    if let Some(values) = node.floats("value_floats") {
        return tensor([values.len()], HostData::Float(values.to_vec()));
    }
    if let Some(value) = node.int("value_int") {
        return tensor([], HostData::Int(vec![value]));
    }
    if node.has("value_float") {
        let value = node.float_or("value_float", 0.0);
        return tensor([], HostData::Float(vec![value]));
    }
    let other = ["sparse_value", "value_string", "value_strings"];
    Err(match other.iter().find(|name| node.has(name)) {
        Some(name) => format!("a constant by '{name}' is not supported"),
        None => "its attribute 'value' is missing".to_owned(),
    })
}

/// The number and the extents of a `ConstantOfShape` of floating-point numbers.
pub(super) fn filled(call: &Call) -> Result<Option<(f32, Vec<usize>)>, String> {
    let dims = dims_of(&call.ints(0, "input")?)?;
    let value = match call.node.tensor("value") {
        Some(value) => host_tensor(value, None)?.into_data(),
        None => HostData::Float(vec![0.0]),
    };
    Ok(match value {
        HostData::Float(values) => match values[..] {
            [value] => Some((value, dims)),
            _ => None,
        },
        _ => None,
    })
}

pub(super) fn constant_of_shape(call: &Call) -> Result<HostTensor, String> {
    let dims = dims_of(&call.ints(0, "input")?)?;
    let len = check_len(&dims)?;
    let value = match call.node.tensor("value") {
        Some(value) => host_tensor(value, None)?.into_data(),
        None => HostData::Float(vec![0.0]),
    };
    let data = (value.repeated(len)).ok_or_else(|| {
        format!(
            "its attribute 'value' must have one element, and has {}",
            value.len()
        )
    })?;
    tensor(dims, data)
}

pub(super) fn range(call: &Call) -> Result<HostTensor, String> {
    let bounds = (
        call.scalar(0, "start")?,
        call.scalar(1, "limit")?,
        call.scalar(2, "delta")?,
    );
    if let (HostData::Int(start), HostData::Int(limit), HostData::Int(delta)) = &bounds
        && let ([start], [limit], [delta]) = (&start[..], &limit[..], &delta[..])
    {
        return int_range(*start, *limit, *delta);
    }
    // Bounds of other types become floating-point numbers.
    let number = |data| {
        let value = tensor([1], data)?.scalar().map(f64::from);
        value.ok_or_else(|| "its bounds must be single numbers".to_owned())
    };
    float_range(number(bounds.0)?, number(bounds.1)?, number(bounds.2)?)
}

fn int_range(start: i64, limit: i64, delta: i64) -> Result<HostTensor, String> {
    if delta == 0 {
        return Err("its 'delta' is zero".to_owned());
    }
    // Not the length where the signs of the span and of the step differ.
    let steps = start.abs_diff(limit).div_ceil(delta.unsigned_abs());
    let len = match (limit > start) == (delta > 0) {
        true => usize::try_from(steps).map_err(|_| too_many(&steps.to_string()))?,
        false => 0,
    };
    check_len(&[len])?;
    let mut next = Some(start);
    let values = (0..len).map(|_| {
        let value = next;
        // Nothing comes after the last, which may be at the end of the range.
        next = value.and_then(|value| value.checked_add(delta));
        value.ok_or_else(|| overflow(start, "and so on"))
    });
    Ok(HostTensor::ints(values.collect::<Result<Vec<_>, _>>()?))
}

fn float_range(start: f64, limit: f64, delta: f64) -> Result<HostTensor, String> {
    let len = ((limit - start) / delta).ceil().max(0.0);
    if ![start, limit, delta].iter().all(|x| x.is_finite()) || delta == 0.0 {
        return Err(format!("{start} to {limit} by {delta} is not a range"));
    }
    let len = len.to_usize().ok_or_else(|| too_many(&len.to_string()))?;
    check_len(&[len])?;
    let values = (0..len).map(|i| rounded(start + i as f64 * delta));
    tensor([len], HostData::Float(values.collect()))
}

/// From version 15 on, of the dimensions from `start` up to `end`.
pub(super) fn shape(call: &Call) -> Result<HostTensor, String> {
    let (node, dims) = (call.node, call.input(0, "data")?.dims());
    if node.opset < 15
        && let Some(name) = ["start", "end"].iter().find(|name| node.has(name))
    {
        return Err(format!(
            "'{name}' is an attribute from opset 15 on, and the file has opset {}",
            node.opset
        ));
    }
    let rank = int_of(dims.len())?;
    let bound = |name, default| {
        let at = node.int_or(name, default);
        let at = if at < 0 { at.saturating_add(rank) } else { at };
        // Not negative, and no more than the rank.
        usize::try_from(at.clamp(0, rank)).unwrap_or(0)
    };
    let dims = dims.get(bound("start", 0)..bound("end", rank));
    Ok(HostTensor::ints(ints_of(dims.unwrap_or(&[]))?))
}

pub(super) fn size(call: &Call) -> Result<HostTensor, String> {
    let len = int_of(call.input(0, "data")?.len())?;
    tensor([], HostData::Int(vec![len]))
}

/// As inference has it: the input, and a mask that keeps all of it.
pub(super) fn dropout(call: &Call) -> Result<Vec<HostTensor>, String> {
    let input = call.input(0, "data")?;
    if let Some(training) = call.optional(2)
        && !matches!(training.data(), HostData::Bool(values) if *values == [false])
    {
        return Err("it is in training mode".to_owned());
    }
    let mut outputs = vec![input.clone()];
    if call.node.proto.output.len() > 1 {
        let len = check_len(input.dims())?;
        let mask = match call.node.opset {
            // Of the input's type.
            ..10 => HostData::Float(vec![1.0; len]),
            _ => HostData::Bool(vec![true; len]),
        };
        outputs.push(tensor(input.dims(), mask)?);
    }
    Ok(outputs)
}
