//! Elements that replace others at indices that are known, or are combined with them.

use super::elementwise::combine_views;
use super::gather::taken;
use super::join::joined;
use super::positions::{Blocks, elements, tuples};
use crate::graph::Binary;
use crate::onnx::host::{HostData, HostTensor};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

/// The most updates of one element.
const MAX_ROUNDS: usize = 64;

/// `ScatterElements`, its old name `Scatter`, and `ScatterND`.
pub(super) fn scatter<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let data = importer.view(node, 0)?;
    let indices = importer.host(node, 1)?;
    let updates = importer.view(node, 2)?;
    let targets = match node.op_type() {
        "ScatterND" => tuples(&data.dims, &indices, 0)?,
        _ => {
            let axis = axis_of(node.int_or("axis", 0), data.dims.len())?;
            elements(&data.dims, &indices, axis)?
        }
    };
    if targets.positions.len().saturating_mul(targets.len) != updates.len() {
        return Err(format!(
            "updates {:?} do not fit indices {:?}",
            updates.dims,
            indices.dims()
        ));
    }
    let combine = match node.string_or("reduction", "none") {
        "none" => None,
        "add" => Some((Binary::Add, 0.0)),
        "mul" => Some((Binary::Mul, 1.0)),
        "max" => Some((Binary::Max, f32::NEG_INFINITY)),
        "min" => Some((Binary::Min, f32::INFINITY)),
        other => {
            let other = crate::printable::name(other);
            return Err(format!("its reduction '{other}' is not supported"));
        }
    };
    let output = match combine {
        None => replaced(importer, &data, &updates, &targets)?,
        Some((operator, neutral)) => {
            reduced(importer, &data, &updates, &targets, operator, neutral)?
        }
    };
    Ok(vec![Value::Device(output)])
}

/// The number of blocks of a value.
fn count(view: &View, blocks: &Blocks) -> usize {
    view.len().checked_div(blocks.len).unwrap_or(0)
}

/// Blocks of `data`, or the last update of each. They are taken from both, behind each other.
fn replaced(
    importer: &mut Importer,
    data: &View,
    updates: &View,
    targets: &Blocks,
) -> Result<View, String> {
    let own = count(data, targets);
    let mut positions: Vec<usize> = (0..own).collect();
    for (update, &target) in targets.positions.iter().enumerate() {
        if let Some(position) = positions.get_mut(target) {
            *position = own.saturating_add(update);
        }
    }
    let blocks = Blocks {
        positions,
        len: targets.len,
    };
    let both = behind(importer, data, updates)?;
    let total = count(&both, &blocks);
    taken(importer, &both, total, blocks, data.dims.clone())
}

/// `data`, combined with the updates of each element one by one.
fn reduced(
    importer: &mut Importer,
    data: &View,
    updates: &View,
    targets: &Blocks,
    operator: Binary,
    neutral: f32,
) -> Result<View, String> {
    let mut of_each: Vec<Vec<usize>> = vec![Vec::new(); count(data, targets)];
    for (update, &target) in targets.positions.iter().enumerate() {
        of_each
            .get_mut(target)
            .ok_or("an index is beyond the data")?
            .push(update);
    }
    let rounds = of_each.iter().map(Vec::len).max().unwrap_or(0);
    if rounds > MAX_ROUNDS {
        return Err(format!(
            "an element has {rounds} updates; at most {MAX_ROUNDS} are supported"
        ));
    }
    // Behind the updates, a block that changes nothing.
    let none = HostTensor::new([targets.len], HostData::Float(vec![neutral; targets.len]));
    let none = importer.constant(Value::Host(none.ok_or("its data is too large")?.into()))?;
    let all = behind(importer, updates, &none)?;
    let total = count(&all, targets);
    let mut result = importer.in_order(data)?;
    for round in 0..rounds {
        let positions = of_each.iter().map(|updates| match updates.get(round) {
            Some(&update) => update,
            None => total.saturating_sub(1),
        });
        let blocks = Blocks {
            positions: positions.collect(),
            len: targets.len,
        };
        let next = taken(importer, &all, total, blocks, data.dims.clone())?;
        result = combine_views(importer, operator, &result, &next)?;
    }
    Ok(result)
}

/// The elements of two values, behind each other.
fn behind(importer: &mut Importer, a: &View, b: &View) -> Result<View, String> {
    let flat = [a, b].map(|view| view.clone().reshaped(vec![1, view.len()]));
    joined(importer, &flat, 1)
}
