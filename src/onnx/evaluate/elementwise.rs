//! Operators that compute each element of the result from the elements at the same place.

use super::super::host::{HostData, HostKind, HostTensor, broadcast};
use super::arrange::expanded;
use super::call::Call;
use super::number::{self, maximum, minimum, overflow, truncated};
use super::{check_len, tensor};

/// Two operands of one shape.
pub(super) struct Pair {
    pub dims: Vec<usize>,
    pub data: (HostData, HostData),
}

impl Pair {
    /// Operands that are broadcast to one shape, and are of one kind: floating-point numbers where either is.
    pub fn new(a: &HostTensor, b: &HostTensor) -> Result<Self, String> {
        let kind = common_kind([a, b])?;
        let dims = broadcast(a.dims(), b.dims())?;
        check_len(&dims)?;
        let data = (
            converted(expanded(a, &dims)?, kind),
            converted(expanded(b, &dims)?, kind),
        );
        Ok(Self { dims, data })
    }
}

/// The kind of a result that takes elements from all of `tensors`.
pub(super) fn common_kind<'a>(
    tensors: impl IntoIterator<Item = &'a HostTensor>,
) -> Result<HostKind, String> {
    let mut kinds = tensors.into_iter().map(HostTensor::kind);
    let first = kinds.next().ok_or("it has no inputs")?;
    kinds.try_fold(first, |common, kind| match (common, kind) {
        (a, b) if a == b => Ok(a),
        (HostKind::Bool, other) | (other, HostKind::Bool) => {
            Err(format!("its operands are booleans and {other}"))
        }
        _ => Ok(HostKind::Float),
    })
}

/// The elements as those of a [`common_kind`].
pub(super) fn converted(tensor: HostTensor, kind: HostKind) -> HostData {
    match (kind, tensor.kind()) {
        (HostKind::Float, HostKind::Int) => HostData::Float(tensor.to_floats()),
        _ => tensor.into_data(),
    }
}

pub(super) type IntOp = fn(i64, i64) -> Result<i64, String>;

fn combine(
    a: &HostTensor,
    b: &HostTensor,
    int: IntOp,
    float: fn(f32, f32) -> f32,
) -> Result<HostTensor, String> {
    let Pair { dims, data } = Pair::new(a, b)?;
    let data = match data {
        (HostData::Float(a), HostData::Float(b)) => {
            HostData::Float(a.into_iter().zip(b).map(|(a, b)| float(a, b)).collect())
        }
        (HostData::Int(a), HostData::Int(b)) => {
            let values = a.into_iter().zip(b).map(|(a, b)| int(a, b));
            HostData::Int(values.collect::<Result<_, _>>()?)
        }
        (a, _) => return Err(not_numbers(&a)),
    };
    tensor(dims, data)
}

fn not_numbers(data: &HostData) -> String {
    format!("its operands must be numbers, and are {}", data.kind())
}

/// Two operands.
pub(super) fn arithmetic(
    call: &Call,
    int: IntOp,
    float: fn(f32, f32) -> f32,
) -> Result<HostTensor, String> {
    combine(call.input(0, "A")?, call.input(1, "B")?, int, float)
}

/// Any number of operands, from the first to the last. They broadcast from version 8 on.
pub(super) fn variadic(
    call: &Call,
    int: IntOp,
    float: fn(f32, f32) -> f32,
) -> Result<HostTensor, String> {
    let operands = call.all()?;
    let [first, rest @ ..] = &operands[..] else {
        return Err("it has no inputs".to_owned());
    };
    if first.kind() == HostKind::Bool {
        return Err(not_numbers(first.data()));
    }
    if call.node.opset < 8 && rest.iter().any(|operand| operand.dims() != first.dims()) {
        return Err("its operands differ in shape, and broadcast from opset 8 on".to_owned());
    }
    (rest.iter()).try_fold((*first).clone(), |result, operand| {
        combine(&result, operand, int, float)
    })
}

pub(super) fn mean(call: &Call) -> Result<HostTensor, String> {
    let count = call.all()?.len();
    let sum = variadic(call, number::add, |a, b| a + b)?;
    let dims = sum.dims().to_vec();
    match sum.into_data() {
        HostData::Float(values) => {
            let mean = values.into_iter().map(|sum| sum / count as f32);
            tensor(dims, HostData::Float(mean.collect()))
        }
        data => Err(not_real(&data)),
    }
}

/// `fmod` of 1: with the sign of the dividend. Of 0: with that of the divisor, for integers only.
pub(super) fn modulo(call: &Call) -> Result<HostTensor, String> {
    if call.node.flag("fmod") {
        return arithmetic(call, number::remainder, |a, b| a % b);
    }
    let inputs = [call.input(0, "A")?, call.input(1, "B")?];
    match common_kind(inputs)? {
        HostKind::Float => Err("floating-point numbers need 'fmod' to be 1".to_owned()),
        _ => arithmetic(call, number::modulo, |a, b| a % b),
    }
}

/// The result has the base's type.
pub(super) fn pow(call: &Call) -> Result<HostTensor, String> {
    let (base, exponent) = (call.input(0, "X")?, call.input(1, "Y")?);
    if base.kind() != HostKind::Int || exponent.kind() != HostKind::Float {
        return combine(base, exponent, number::pow, f32::powf);
    }
    let dims = broadcast(base.dims(), exponent.dims())?;
    check_len(&dims)?;
    let (HostData::Int(bases), HostData::Float(exponents)) = (
        expanded(base, &dims)?.into_data(),
        expanded(exponent, &dims)?.into_data(),
    ) else {
        return Err("its operands are not numbers".to_owned());
    };
    let powers = bases.into_iter().zip(exponents).map(|(base, exponent)| {
        // Integers stay exact.
        if exponent.fract() == 0.0 && exponent.abs() < 64.0 {
            return number::pow(base, truncated(exponent.into()));
        }
        let power = (base as f64).powf(exponent.into());
        match power.abs() < i64::MAX as f64 {
            true => Ok(truncated(power)),
            false => Err(overflow(base, format_args!("to the power of {exponent}"))),
        }
    });
    let powers = powers.collect::<Result<_, _>>()?;
    tensor(dims, HostData::Int(powers))
}

/// The bounds are attributes before version 11. Where they cross, the upper one holds.
pub(super) fn clip(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "input")?;
    let mut bounds = [None, None];
    for ((i, name), bound) in (1..).zip(["min", "max"]).zip(&mut bounds) {
        call.check_form(11, name, i)?;
        *bound = if call.node.opset < 11 {
            let value = || vec![call.node.float_or(name, 0.0)];
            call.node.has(name).then(|| HostData::Float(value()))
        } else {
            let given = call.optional(i).map(|_| call.scalar(i, name));
            given.transpose()?
        };
    }
    let bound = |data: HostData| tensor([], data);
    let [low, high] = bounds;
    let mut result = input.clone();
    if input.kind() == HostKind::Bool {
        return Err(not_numbers(input.data()));
    }
    if let Some(low) = low {
        result = combine(&result, &bound(low)?, |x, low| Ok(x.max(low)), maximum)?;
    }
    if let Some(high) = high {
        result = combine(&result, &bound(high)?, |x, high| Ok(x.min(high)), minimum)?;
    }
    Ok(result)
}

/// A function of one number.
pub(super) fn number(
    call: &Call,
    int: fn(i64) -> Result<i64, String>,
    float: fn(f32) -> f32,
) -> Result<HostTensor, String> {
    let input = call.input(0, "X")?;
    let data = match input.data() {
        HostData::Float(values) => HostData::Float(values.iter().map(|&x| float(x)).collect()),
        HostData::Int(values) => {
            let values = values.iter().map(|&x| int(x));
            HostData::Int(values.collect::<Result<_, _>>()?)
        }
        data => return Err(not_numbers(data)),
    };
    tensor(input.dims(), data)
}

/// A function that integers do not have.
pub(super) fn real(call: &Call, function: fn(f32) -> f32) -> Result<HostTensor, String> {
    let input = call.input(0, "X")?;
    match input.data() {
        HostData::Float(values) => {
            let values = values.iter().map(|&x| function(x));
            tensor(input.dims(), HostData::Float(values.collect()))
        }
        data => Err(not_real(data)),
    }
}

fn not_real(data: &HostData) -> String {
    format!(
        "its operands must be {}, and are {}",
        HostKind::Float,
        data.kind()
    )
}
