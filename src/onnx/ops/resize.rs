//! Resizing along any axes.

mod filter;

use std::collections::BTreeMap;

use self::filter::{Axis, Coordinates, Filter, Kernel};
use super::layout::product;
use crate::graph::{Resample, Taps, Upsample, UpsampleMode, UpsampleSize};
use crate::onnx::import::{Importer, Value};
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::view::View;

/// The most taps of an output pixel in one pass over both axes; with more, two passes read less.
const MAX_AREA: usize = 36;

/// `Resize` and `Upsample`.
pub(super) fn resize<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let input = importer.view(node, 0)?;
    let is_old = node.op_type() == "Upsample" || node.opset < 11;
    let filter = Filter::new(node, is_old)?;
    let mut taps = BTreeMap::new();
    for (i, axis) in axes(importer, node, &input.dims, &filter)?
        .iter()
        .enumerate()
    {
        let is_whole = filter.coordinates() != Coordinates::CropAndResize;
        if axis.scale == 1.0 && axis.input == axis.output && is_whole {
            continue;
        }
        let along = filter.taps(axis)?;
        if along != Taps::identity(axis.input) {
            taps.insert(i, (along, axis.scale));
        }
    }
    let outside = node.float_or("extrapolation_value", 0.0);
    if let Some(output) = upsampled(importer, &input, &taps, filter.kernel())? {
        return Ok(vec![Value::Device(output)]);
    }
    let mut view = input;
    while let Some((axis, (columns, _))) = taps.pop_last() {
        // Neighboring axes are the rows and columns of a map.
        let above = axis.checked_sub(1);
        let rows = above.and_then(|above| taps.remove(&above));
        let rows = rows.map(|(rows, _)| rows);
        view = resampled(importer, &view, axis, rows, columns, outside)?;
    }
    Ok(vec![Value::Device(view)])
}

/// The sizes of all axes.
fn axes<'m>(
    importer: &Importer<'m>,
    node: OnnxNode<'m>,
    dims: &[usize],
    filter: &Filter,
) -> Result<Vec<Axis>, String> {
    let floats = |i| Ok::<_, String>(importer.optional_host(node, i)?.map(|s| s.to_floats()));
    // Resize has a region of interest first, since opset 11.
    let (region, scales, sizes) = match (node.op_type(), node.opset) {
        ("Upsample", ..9) => (None, node.floats("scales").map(<[f32]>::to_vec), None),
        ("Upsample", _) | (_, ..11) => (None, floats(1)?, None),
        _ => (floats(1)?, floats(2)?, importer.optional_ints(node, 3)?),
    };
    let (scales, sizes) = (
        scales.filter(|scales| !scales.is_empty()),
        sizes.filter(|sizes| !sizes.is_empty()),
    );
    let rank = dims.len();
    let named: Vec<usize> = match node.ints("axes") {
        None => (0..rank).collect(),
        Some(axes) => {
            let axes = axes.iter().map(|&axis| axis_of(axis, rank));
            axes.collect::<Result<_, _>>()?
        }
    };
    let count = named.len();
    let expect = |what: &str, len: usize, expected: usize| match len == expected {
        true => Ok(()),
        false => Err(format!(
            "it has {len} {what} for {count} axes of {dims:?}; {expected} were expected"
        )),
    };
    let is_cropped = filter.coordinates() == Coordinates::CropAndResize;
    let region = match region.filter(|_| is_cropped) {
        None if is_cropped => return Err("its roi is missing".to_owned()),
        None => vec![0.0; count.saturating_mul(2)],
        Some(region) => region,
    };
    expect("bounds of its roi", region.len(), count.saturating_mul(2))?;
    let (starts, ends) = region.split_at(count);
    let mut all: Vec<Axis> = (dims.iter())
        .map(|&dim| Axis {
            input: dim,
            output: dim,
            scale: 1.0,
            region: [0.0, 1.0],
        })
        .collect();
    let resized = |i: usize| {
        let bounds = [starts, ends].map(|bounds| bounds.get(i).copied().unwrap_or(0.0));
        bounds.map(f64::from)
    };
    match (scales, sizes) {
        (_, Some(sizes)) => {
            expect("sizes", sizes.len(), count)?;
            let wanted: Vec<usize> = (sizes.iter().map(|&size| usize::try_from(size)))
                .collect::<Result<_, _>>()
                .map_err(|_| format!("its sizes {sizes:?} must be positive"))?;
            let policy = node.string_or("keep_aspect_ratio_policy", "stretch");
            let ratios = (named.iter().zip(&wanted)).map(|(&axis, &size)| {
                let input = dims.get(axis).copied().unwrap_or(1);
                size as f64 / input as f64
            });
            let common = match policy {
                "stretch" => None,
                "not_larger" => ratios.clone().reduce(f64::min),
                "not_smaller" => ratios.clone().reduce(f64::max),
                other => {
                    return Err(format!(
                        "its keep_aspect_ratio_policy '{other}' is not supported"
                    ));
                }
            };
            for (i, ((&axis, &size), ratio)) in named.iter().zip(&wanted).zip(ratios).enumerate() {
                if let Some(axis) = all.get_mut(axis) {
                    axis.region = resized(i);
                    axis.scale = common.unwrap_or(ratio);
                    axis.output = match common {
                        None => size,
                        Some(scale) => pixels(scale * axis.input as f64 + 0.5),
                    };
                }
            }
        }
        (Some(scales), None) => {
            expect("scales", scales.len(), count)?;
            for (i, (&axis, scale)) in named.iter().zip(scales).enumerate() {
                if let Some(axis) = all.get_mut(axis) {
                    axis.region = resized(i);
                    axis.scale = f64::from(scale);
                    let part = match is_cropped {
                        true => axis.region[1] - axis.region[0],
                        false => 1.0,
                    };
                    axis.output = pixels(axis.input as f64 * part * axis.scale);
                }
            }
        }
        (None, None) => return Err("it has neither scales nor sizes".to_owned()),
    }
    Ok(all)
}

/// The operator `Upsample` where it has the same taps, or nearly the same weights.
fn upsampled(
    importer: &mut Importer,
    input: &View,
    taps: &BTreeMap<usize, (Taps, f64)>,
    kernel: Kernel,
) -> Result<Option<View>, String> {
    let rank = input.dims.len();
    let (columns, rows) = match rank {
        3 => (2, None),
        4 => (3, Some(2)),
        _ => return Ok(None),
    };
    if !taps
        .keys()
        .all(|&axis| axis == columns || Some(axis) == rows)
    {
        return Ok(None);
    }
    let extent = |axis: usize| input.dims.get(axis).copied().unwrap_or(1);
    let of = |axis: usize| match taps.get(&axis) {
        Some((taps, scale)) => (taps.clone(), *scale),
        None => (Taps::identity(extent(axis)), 1.0),
    };
    let (rows, factor_h) = rows.map_or((Taps::identity(1), 1.0), of);
    let (columns, factor_w) = of(columns);
    let output = [&rows, &columns].map(|taps| taps.windows.len());
    let modes = match kernel {
        Kernel::Nearest(_) => vec![UpsampleMode::Nearest],
        Kernel::Linear => [false, true]
            .map(|align_corners| UpsampleMode::Bilinear { align_corners })
            .to_vec(),
        Kernel::Cubic(_) => Vec::new(),
    };
    let sizes = [
        UpsampleSize::Factor([factor_h, factor_w]),
        UpsampleSize::Size(output),
    ];
    let ops = (modes.into_iter())
        .flat_map(|mode| sizes.map(|size| Upsample { mode, size }))
        .find(|op| is_like(op, &rows, &columns));
    let Some(op) = ops else {
        return Ok(None);
    };
    let (n, c) = (extent(0), extent(1));
    let map = importer.shaped(input, &[n, c, rows.input, columns.input])?;
    let output = importer.node(op, &[&map])?;
    let [_, _, height, width] = output.base.nchw();
    Ok(Some(match rank {
        3 => output.reshaped(vec![n, c, width]),
        _ => output.reshaped(vec![n, c, height, width]),
    }))
}

/// Whether an upsampling makes every pixel of the same input pixels as `rows` and `columns`.
fn is_like(op: &Upsample, rows: &Taps, columns: &Taps) -> bool {
    let output = [rows, columns].map(|taps| taps.windows.len());
    let scales = op.scale([rows.input, columns.input], output);
    [rows, columns]
        .into_iter()
        .zip(scales)
        .all(|(taps, scale)| {
            taps.windows.iter().enumerate().all(|(i, window)| {
                let (first, second, part) = op.source(i, scale, taps.input);
                let weight = |pixel: usize| {
                    let i = pixel.checked_sub(window.first);
                    i.and_then(|i| window.weights.get(i))
                        .copied()
                        .unwrap_or(0.0)
                };
                let is_same = |a: f32, b: f32| (a - b).abs() <= 1e-5;
                match second == first {
                    true => is_same(weight(first), 1.0),
                    false => is_same(weight(first), 1.0 - part) && is_same(weight(second), part),
                }
            })
        })
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
                Taps::identity(height.unwrap_or(1)),
                columns,
            )
        }
        (None, _) => (before(Some(axis)), columns, Taps::identity(inner)),
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
        true => [
            op(rows, Taps::identity(w)),
            op(Taps::identity(out_h), columns),
        ],
        false => [
            op(Taps::identity(h), columns),
            op(rows, Taps::identity(out_w)),
        ],
    };
    let between = importer.node(first, &[map])?;
    importer.node(second, &[&between])
}

/// A number of pixels, rounded down; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating is intended"
)]
fn pixels(x: f64) -> usize {
    x as usize
}
