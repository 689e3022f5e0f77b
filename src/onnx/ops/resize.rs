//! Resizing along any axes.

mod filter;

use std::collections::BTreeMap;

use self::filter::{Axis, Coordinates, Filter, Kernel};
use super::resample::resampled_along;
use crate::graph::{Operator, Taps, Upsample, UpsampleMode, UpsampleSize};
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;
use crate::tensor::Shape;

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
        if Some(&along) != Taps::small_identity(axis.input).as_ref() {
            taps.insert(i, (along, axis.scale));
        }
    }
    let outside = node.float_or("extrapolation_value", 0.0);
    if let Some(output) = upsampled(importer, &input, &taps, filter.kernel())? {
        return Ok(vec![Value::Device(output)]);
    }
    let taps = taps.into_iter().map(|(axis, (taps, _))| (axis, taps));
    let output = resampled_along(importer, input, taps.collect(), outside)?;
    Ok(vec![Value::Device(output)])
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
    if [Some(columns), rows]
        .into_iter()
        .flatten()
        .any(|axis| extent(axis) > Taps::MAX_WEIGHTS)
    {
        return Ok(None);
    }
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
    let input = Shape::from([1, 1, rows.input, columns.input]);
    let expected = Shape::from([1, 1, output[0], output[1]]);
    if op.output_shape(&[&input]) != Ok(expected) {
        return false;
    }
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

/// A number of pixels, rounded down; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturating is intended"
)]
fn pixels(x: f64) -> usize {
    x as usize
}
