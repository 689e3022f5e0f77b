//! Arithmetic of single numbers, and Cast between their types.

use std::fmt;

use half::{bf16, f16};

use super::super::element_type::ElementType;
use super::super::host::{HostData, HostTensor, wrapped};
use super::call::Call;
use super::tensor;

pub(super) fn add(a: i64, b: i64) -> Result<i64, String> {
    (a.checked_add(b)).ok_or_else(|| overflow(a, format_args!("+ {b}")))
}

pub(super) fn sub(a: i64, b: i64) -> Result<i64, String> {
    (a.checked_sub(b)).ok_or_else(|| overflow(a, format_args!("- {b}")))
}

pub(super) fn mul(a: i64, b: i64) -> Result<i64, String> {
    (a.checked_mul(b)).ok_or_else(|| overflow(a, format_args!("* {b}")))
}

/// Truncates toward zero, as in C.
pub(super) fn div(a: i64, b: i64) -> Result<i64, String> {
    match b {
        0 => Err(format!("{a} is divided by zero")),
        _ => (a.checked_div(b)).ok_or_else(|| overflow(a, format_args!("/ {b}"))),
    }
}

/// The remainder of `a` by `b` with the sign of `a`.
pub(super) fn remainder(a: i64, b: i64) -> Result<i64, String> {
    match b {
        0 => Err(format!("{a} is divided by zero")),
        // The lowest integer by -1 leaves nothing; the quotient would overflow.
        _ => Ok(a.checked_rem(b).unwrap_or(0)),
    }
}

/// The remainder of `a` by `b` with the sign of `b`, as in Python.
pub(super) fn modulo(a: i64, b: i64) -> Result<i64, String> {
    let rest = remainder(a, b)?;
    match rest != 0 && (rest < 0) != (b < 0) {
        // Of opposite signs.
        true => add(rest, b),
        false => Ok(rest),
    }
}

/// `base` to a power that is an integer. Fractions are truncated toward zero.
pub(super) fn pow(base: i64, exponent: i64) -> Result<i64, String> {
    let odd = exponent & 1 == 1;
    match (base, exponent) {
        (_, 0) | (1, _) => Ok(1),
        (-1, _) => Ok(if odd { -1 } else { 1 }),
        (0, 1..) => Ok(0),
        (0, _) => Err(format!("0 to the power of {exponent} is not a number")),
        (_, ..0) => Ok(0),
        _ => (u32::try_from(exponent).ok())
            .and_then(|exponent| base.checked_pow(exponent))
            .ok_or_else(|| overflow(base, format_args!("to the power of {exponent}"))),
    }
}

pub(super) fn overflow(a: impl fmt::Display, b: impl fmt::Display) -> String {
    format!("{a} {b} is beyond the range of int64")
}

/// The larger number; NaN where either is.
pub(super) fn maximum(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

/// The smaller number; NaN where either is.
pub(super) fn minimum(a: f32, b: f32) -> f32 {
    if a.is_nan() || a < b { a } else { b }
}

/// -1, 0 or 1; NaN for NaN.
pub(super) fn sign(x: f32) -> f32 {
    match x {
        _ if x > 0.0 => 1.0,
        _ if x < 0.0 => -1.0,
        _ => x,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
pub(super) fn rounded(x: f64) -> f32 {
    x as f32
}

/// Toward zero. The nearest integer where there is none, and zero for NaN: the specification leaves them
/// open.
#[expect(clippy::cast_possible_truncation, reason = "truncation is intended")]
pub(super) fn truncated(x: f64) -> i64 {
    x as i64
}

pub(super) fn cast(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "input")?;
    let to = (call.node.element_type("to")).ok_or("its attribute 'to' is missing")?;
    tensor(input.dims(), converted(input, to)?)
}

/// The elements of `input` as those of type `to`.
pub(in crate::onnx) fn converted(input: &HostTensor, to: ElementType) -> Result<HostData, String> {
    let narrowed = |round: fn(f32) -> f32| {
        let values = input.to_floats().into_iter().map(round);
        HostData::Float(values.collect())
    };
    Ok(match to {
        // Both are float32 here.
        ElementType::FLOAT | ElementType::DOUBLE => HostData::Float(input.to_floats()),
        ElementType::FLOAT16 => narrowed(|x| f16::from_f32(x).to_f32()),
        ElementType::BFLOAT16 => narrowed(|x| bf16::from_f32(x).to_f32()),
        ElementType::BOOL => HostData::Bool(match input.data() {
            HostData::Float(values) => values.iter().map(|&x| x != 0.0).collect(),
            HostData::Int(values) => values.iter().map(|&x| x != 0).collect(),
            HostData::Bool(values) => values.clone(),
        }),
        _ if to.size().is_none() => return Err(format!("a cast to {to} is not supported")),
        _ => {
            let ints = match input.data() {
                HostData::Float(values) => values
                    .iter()
                    .map(
                        |&x| match to == ElementType::UINT64 && x >= i64::MAX as f32 {
                            true => Err(x),
                            false => Ok(truncated(x.into())),
                        },
                    )
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|x| overflow(x, "as uint64"))?,
                HostData::Int(values) => values.clone(),
                HostData::Bool(values) => values.iter().map(|&x| x.into()).collect(),
            };
            let ints = ints
                .into_iter()
                .map(|x| wrapped(x, to).ok_or_else(|| overflow(x, format_args!("as {to}"))));
            HostData::Int(ints.collect::<Result<_, _>>()?)
        }
    })
}
