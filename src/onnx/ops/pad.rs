//! Padding.

use super::elementwise::as_channels;
use super::join::{joined, repeated};
use super::layout::part;
use crate::graph::Pad2d;
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::view::View;

pub(super) fn pad<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let (pads, value) = match node.opset < 11 {
        true => (
            node.ints("pads").map(<[i64]>::to_vec),
            node.float_or("value", 0.0),
        ),
        false => {
            let value = importer.optional_host(node, 2)?;
            (
                importer.optional_ints(node, 1)?,
                value.and_then(|v| v.scalar()).unwrap_or(0.0),
            )
        }
    };
    let pads = pads.ok_or("its pads are missing")?;
    let axes: Vec<usize> = match importer.optional_ints(node, 3)? {
        None => (0..rank).collect(),
        Some(axes) => axes
            .iter()
            .map(|&axis| axis_of(axis, rank))
            .collect::<Result<_, _>>()?,
    };
    let (before, after) = pads.split_at(pads.len().div_euclid(2));
    if before.len() != axes.len() || after.len() != axes.len() {
        return Err(format!(
            "its pads {pads:?} are for another number of dimensions"
        ));
    }
    let mode = node.string_or("mode", "constant");
    // Height and width at once, where that is all.
    let sides: Vec<[i64; 2]> = before.iter().zip(after).map(|(a, b)| [*a, *b]).collect();
    if let ([0, 1, 2, 3], [[0, 0], [0, 0], [top, bottom], [left, right]], "constant") =
        (&axes[..], &sides[..], mode)
    {
        let [Ok(top), Ok(bottom), Ok(left), Ok(right)] =
            [*top, *bottom, *left, *right].map(isize::try_from)
        else {
            return Err(format!("its pads {pads:?} are not possible"));
        };
        let op = Pad2d {
            top,
            bottom,
            left,
            right,
            value,
        };
        let map = importer.in_order(&view)?;
        return Ok(vec![Value::Device(importer.node(op, &[&map])?)]);
    }
    for (axis, [before, after]) in axes.into_iter().zip(sides) {
        if [before, after] != [0, 0] {
            view = padded(importer, &view, axis, [before, after], mode, value)?;
        }
    }
    Ok(vec![Value::Device(view)])
}

/// Elements added before and after those along an axis, or removed where negative.
fn padded(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    sides: [i64; 2],
    mode: &str,
    value: f32,
) -> Result<View, String> {
    let dim = view.dims.get(axis).copied().unwrap_or(1);
    let [before, after] = sides;
    let error =
        || format!("{before} and {after} elements around {dim} with mode {mode} are not possible");
    if mode == "constant" {
        let (map, mut dims) = as_channels(importer, view, axis)?;
        let [outer, _, _, inner] = map.base.nchw();
        let rows = importer.shaped(&map, &[1, outer, dim, inner])?;
        let [Ok(top), Ok(bottom)] = sides.map(isize::try_from) else {
            return Err(error());
        };
        let op = Pad2d {
            top,
            bottom,
            left: 0,
            right: 0,
            value,
        };
        let output = importer.node(op, &[&rows])?;
        if let Some(extent) = dims.get_mut(axis) {
            *extent = output.base.nchw()[2];
        }
        return Ok(output.reshaped(dims));
    }
    let [Ok(before), Ok(after)] = sides.map(usize::try_from) else {
        return Err(error());
    };
    let last = dim.checked_sub(1).ok_or_else(error)?;
    let mut parts = Vec::new();
    for (count, is_before) in [(before, true), (after, false)] {
        if !is_before {
            parts.push(view.clone());
        }
        if count == 0 {
            continue;
        }
        let (start, step) = match (mode, is_before) {
            ("reflect", true) if count <= last => (count, -1),
            ("reflect", false) if count <= last => (last.saturating_sub(1), -1),
            ("wrap", true) if count <= dim => (dim.saturating_sub(count), 1),
            ("wrap", false) if count <= dim => (0, 1),
            ("edge", _) => {
                let edge = part(importer, view, axis, if is_before { 0 } else { last }, 1, 1)?;
                parts.push(repeated(importer, &edge, axis, count)?);
                continue;
            }
            _ => return Err(error()),
        };
        parts.push(part(importer, view, axis, start, step, count)?);
    }
    joined(importer, &parts, axis)
}
