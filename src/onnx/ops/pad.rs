//! Padding.

use std::collections::BTreeMap;

use super::elementwise::as_channels;
use super::resample::resampled_along;
use crate::graph::{Pad2d, TapWindow, Taps};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
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
    let mut taps = BTreeMap::new();
    for (axis, sides) in axes.into_iter().zip(sides) {
        if sides == [0, 0] {
            continue;
        }
        match mode {
            "constant" => view = padded(importer, &view, axis, sides, value)?,
            _ => {
                let dim = view.dims.get(axis).copied().unwrap_or(1);
                taps.insert(axis, copied(dim, sides, mode)?);
            }
        }
    }
    let output = resampled_along(importer, view, taps, 0.0)?;
    Ok(vec![Value::Device(output)])
}

/// Zeros around a value, or fewer elements at its sides, so that it has a given size.
pub(super) fn center_crop_pad<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut view = importer.view(node, 0)?;
    let rank = view.dims.len();
    let wanted = importer
        .optional_ints(node, 1)?
        .ok_or("its shape is missing")?;
    let axes: Vec<usize> = match node.ints("axes") {
        None => (0..rank).collect(),
        Some(axes) => (axes.iter().map(|&axis| axis_of(axis, rank))).collect::<Result<_, _>>()?,
    };
    if wanted.len() != axes.len() {
        return Err(format!(
            "its shape {wanted:?} is for another number of dimensions"
        ));
    }
    for (axis, wanted) in axes.into_iter().zip(wanted) {
        let dim = view.dims.get(axis).copied().unwrap_or(1);
        let dim = i64::try_from(dim).map_err(|_| "it is too large".to_owned())?;
        // Of an odd number, one more is at the end.
        let more = wanted.saturating_sub(dim);
        let before = more.checked_div(2).unwrap_or(0);
        let after = more.saturating_sub(before);
        if more != 0 {
            view = padded(importer, &view, axis, [before, after], 0.0)?;
        }
    }
    Ok(vec![Value::Device(view)])
}

/// A constant before and after the elements along an axis, or fewer elements where negative.
pub(super) fn padded(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    sides: [i64; 2],
    value: f32,
) -> Result<View, String> {
    let (map, mut dims) = as_channels(importer, view, axis)?;
    let [outer, dim, _, inner] = map.base.nchw();
    let rows = importer.shaped(&map, &[1, outer, dim, inner])?;
    let [Ok(top), Ok(bottom)] = sides.map(isize::try_from) else {
        return Err(format!("its pads {sides:?} are not possible"));
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
    Ok(output.reshaped(dims))
}

/// Of which elements of an axis those of a padded one are copies. What is cropped is not copied either.
fn copied(dim: usize, [before, after]: [i64; 2], mode: &str) -> Result<Taps, String> {
    let error = || {
        format!("{before} and {after} elements around {dim} with mode '{mode}' are not possible")
    };
    let kept = i64::try_from(dim).map_err(|_| error())?;
    let first = before.min(0).saturating_neg();
    let kept = kept.saturating_sub(first).saturating_add(after.min(0));
    let end = kept.saturating_add(after.max(0));
    let positions = before.max(0).saturating_neg()..end;
    let total = usize::try_from(end.saturating_add(before.max(0))).map_err(|_| error())?;
    if kept < 1 || total > Taps::MAX_WEIGHTS {
        return Err(error());
    }
    let last = kept.saturating_sub(1);
    let source: fn(i64, i64) -> i64 = match mode {
        "edge" => |i, last| i.clamp(0, last),
        "wrap" => |i, last| i.checked_rem_euclid(last.saturating_add(1)).unwrap_or(0),
        "reflect" => |i, last| {
            // The elements at the ends are not repeated.
            let period = last.saturating_mul(2).max(1);
            let place = i.checked_rem_euclid(period).unwrap_or(0);
            place.min(period.saturating_sub(place))
        },
        other => return Err(format!("its mode '{other}' is not supported")),
    };
    let windows = positions.map(|i| {
        let at = usize::try_from(source(i, last).saturating_add(first)).unwrap_or(0);
        TapWindow {
            first: at,
            weights: vec![1.0],
        }
    });
    Ok(Taps {
        input: dim,
        windows: windows.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(dim: usize, sides: [i64; 2], mode: &str) -> Vec<usize> {
        let taps = copied(dim, sides, mode).unwrap();
        taps.windows.iter().map(|window| window.first).collect()
    }

    #[test]
    fn elements_are_copied_by_the_mode() {
        assert_eq!(sources(3, [2, 1], "edge"), [0, 0, 0, 1, 2, 2]);
        assert_eq!(sources(3, [2, 1], "reflect"), [2, 1, 0, 1, 2, 1]);
        assert_eq!(sources(3, [2, 1], "wrap"), [1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn more_than_the_axis_has_is_repeated() {
        assert_eq!(sources(3, [5, 0], "reflect"), [1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(sources(2, [0, 3], "wrap"), [0, 1, 0, 1, 0]);
        assert_eq!(sources(1, [2, 1], "reflect"), [0; 4]);
    }

    #[test]
    fn negative_sides_are_cropped_first() {
        assert_eq!(sources(5, [-1, 2], "reflect"), [1, 2, 3, 4, 3, 2]);
        assert_eq!(sources(5, [1, -3], "edge"), [0, 0, 1]);
    }

    #[test]
    fn impossible_sides_are_refused() {
        for sides in [[-2, -1], [i64::MIN, 0], [i64::MAX, i64::MAX], [1 << 40, 0]] {
            assert!(copied(3, sides, "edge").is_err(), "{sides:?}");
        }
        assert!(copied(3, [1, 1], "other").is_err());
    }
}
