//! Comparisons, logic, and selection by them.

use std::cmp::Ordering;

use super::super::host::{HostData, HostTensor, broadcast};
use super::arrange::expanded;
use super::call::Call;
use super::elementwise::{Pair, common_kind, converted};
use super::{check_len, tensor};

fn pair(call: &Call) -> Result<Pair, String> {
    Pair::new(call.input(0, "A")?, call.input(1, "B")?)
}

fn zipped<T>(a: Vec<T>, b: Vec<T>, function: impl Fn(T, T) -> bool) -> HostData {
    let values = a.into_iter().zip(b).map(|(a, b)| function(a, b));
    HostData::Bool(values.collect())
}

pub(super) fn equal(call: &Call) -> Result<HostTensor, String> {
    let Pair { dims, data } = pair(call)?;
    let data = match data {
        (HostData::Float(a), HostData::Float(b)) => zipped(a, b, |a, b| a == b),
        (HostData::Int(a), HostData::Int(b)) => zipped(a, b, |a, b| a == b),
        (HostData::Bool(a), HostData::Bool(b)) => zipped(a, b, |a, b| a == b),
        _ => return Err("its operands differ in type".to_owned()),
    };
    tensor(dims, data)
}

/// Comparisons with NaN do not hold.
pub(super) fn compare(call: &Call, holds: fn(Ordering) -> bool) -> Result<HostTensor, String> {
    let Pair { dims, data } = pair(call)?;
    let data = match data {
        (HostData::Float(a), HostData::Float(b)) => {
            zipped(a, b, |a, b| a.partial_cmp(&b).is_some_and(holds))
        }
        (HostData::Int(a), HostData::Int(b)) => zipped(a, b, |a, b| holds(a.cmp(&b))),
        _ => return Err("booleans have no order".to_owned()),
    };
    tensor(dims, data)
}

pub(super) fn logic(call: &Call, function: fn(bool, bool) -> bool) -> Result<HostTensor, String> {
    let Pair { dims, data } = pair(call)?;
    match data {
        (HostData::Bool(a), HostData::Bool(b)) => tensor(dims, zipped(a, b, function)),
        (data, _) => Err(not_booleans(&data)),
    }
}

pub(super) fn not(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "X")?;
    match input.data() {
        HostData::Bool(values) => {
            let values = values.iter().map(|value| !value);
            tensor(input.dims(), HostData::Bool(values.collect()))
        }
        data => Err(not_booleans(data)),
    }
}

fn not_booleans(data: &HostData) -> String {
    format!("it must be of booleans, and is of {}", data.kind())
}

/// Where.
pub(super) fn choose(call: &Call) -> Result<HostTensor, String> {
    let condition = call.input(0, "condition")?;
    let (x, y) = (call.input(1, "X")?, call.input(2, "Y")?);
    let kind = common_kind([x, y])?;
    let dims = broadcast(&broadcast(condition.dims(), x.dims())?, y.dims())?;
    check_len(&dims)?;
    let HostData::Bool(condition) = expanded(condition, &dims)?.into_data() else {
        return Err(not_booleans(condition.data()));
    };
    let x = converted(expanded(x, &dims)?, kind);
    let y = converted(expanded(y, &dims)?, kind);
    let data = match (x, y) {
        (HostData::Float(x), HostData::Float(y)) => HostData::Float(chosen(&condition, x, y)),
        (HostData::Int(x), HostData::Int(y)) => HostData::Int(chosen(&condition, x, y)),
        (HostData::Bool(x), HostData::Bool(y)) => HostData::Bool(chosen(&condition, x, y)),
        _ => return Err("its operands differ in type".to_owned()),
    };
    tensor(dims, data)
}

fn chosen<T>(condition: &[bool], x: Vec<T>, y: Vec<T>) -> Vec<T> {
    let pairs = x.into_iter().zip(y);
    let chosen = condition.iter().zip(pairs);
    chosen.map(|(&c, (x, y))| if c { x } else { y }).collect()
}
