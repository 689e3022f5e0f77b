//! Values whose elements along any axes are weighted sums of neighbors.

use std::collections::BTreeMap;

use super::layout::product;
use crate::graph::{Resample, Taps};
use crate::onnx::import::Importer;
use crate::onnx::view::View;

/// The most taps of an output pixel in one pass over both axes; with more, two passes read less.
const MAX_AREA: usize = 36;

/// A value resampled along the axes that have taps. Elements without taps are `outside`.
pub(super) fn resampled_along(
    importer: &mut Importer,
    mut view: View,
    mut taps: BTreeMap<usize, Taps>,
    outside: f32,
) -> Result<View, String> {
    while let Some((axis, columns)) = taps.pop_last() {
        // Neighboring axes are the rows and columns of a map.
        let above = axis.checked_sub(1);
        let rows = above.and_then(|above| taps.remove(&above));
        view = resampled(importer, &view, axis, rows, columns, outside)?;
    }
    Ok(view)
}

/// A value resized along `axis` by `columns`, and along the axis before it by `rows`.
fn resampled(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    rows: Option<Taps>,
    columns: Taps,
    outside: f32,
) -> Result<View, String> {
    let mut dims = view.dims.clone();
    // Pixels with channels last are maps in memory.
    if (dims.len(), axis) == (4, 2) && rows.is_some() {
        let map = importer.reordered(view, |view| view.transposed(&[0, 3, 1, 2]))?;
        let output = resampled(importer, &map, 3, rows, columns, outside)?;
        return importer.reordered(&output, |view| view.transposed(&[0, 2, 3, 1]));
    }
    let after = axis.checked_add(1).and_then(|next| dims.get(next..));
    let inner = product(after.unwrap_or_default());
    let above = axis.checked_sub(1);
    let before = |axis: Option<usize>| {
        let before = dims.get(..axis.unwrap_or(0)).unwrap_or_default();
        match *before {
            [n, c] => [n, c],
            _ => [1, product(before)],
        }
    };
    let resized = [
        (above, rows.as_ref().map(|rows| rows.windows.len())),
        (Some(axis), Some(columns.windows.len())),
    ];
    let ([n, c], rows, columns) = match (rows, inner) {
        (Some(rows), 1) => (before(above), rows, columns),
        (Some(rows), _) => {
            let view = resampled(importer, view, axis, None, columns, outside)?;
            let above = above.ok_or("it has no rows")?;
            return resampled(importer, &view, above, None, rows, outside);
        }
        // The last axis is that of columns, and another one that of rows, whose pixels are all that follows.
        (None, 1) => {
            let above = above.filter(|_| dims.len() == 4);
            let height = above.and_then(|above| dims.get(above)).copied();
            (
                before(above.or(Some(axis))),
                identity(height.unwrap_or(1))?,
                columns,
            )
        }
        (None, _) => (before(Some(axis)), columns, identity(inner)?),
    };
    let map = importer.shaped(view, &[n, c, rows.input, columns.input])?;
    let output = passes(importer, &map, rows, columns, outside)?;
    for (axis, size) in resized {
        if let (Some(size), Some(dim)) = (size, axis.and_then(|axis| dims.get_mut(axis))) {
            *dim = size;
        }
    }
    Ok(output.reshaped(dims))
}

/// An axis that stays as it is.
fn identity(size: usize) -> Result<Taps, String> {
    Taps::small_identity(size).ok_or_else(|| {
        format!(
            "{size} elements beside those that change are not supported; at most {}",
            Taps::MAX_WEIGHTS
        )
    })
}

/// A map resized along both axes, in the passes that read least.
fn passes(
    importer: &mut Importer,
    map: &View,
    rows: Taps,
    columns: Taps,
    outside: f32,
) -> Result<View, String> {
    let [_, _, h, w] = map.base.nchw();
    let (out_h, out_w) = (rows.windows.len(), columns.windows.len());
    let op = |rows, columns| Resample {
        rows,
        columns,
        outside,
    };
    let (tall, wide) = (rows.max_taps(), columns.max_taps());
    if tall == 1 || wide == 1 || tall.saturating_mul(wide) <= MAX_AREA {
        return importer.node(op(rows, columns), &[map]);
    }
    let [first, second] = match out_h.saturating_mul(w) < h.saturating_mul(out_w) {
        true => [op(rows, identity(w)?), op(identity(out_h)?, columns)],
        false => [op(identity(h)?, columns), op(rows, identity(out_w)?)],
    };
    let between = importer.node(first, &[map])?;
    importer.node(second, &[&between])
}
