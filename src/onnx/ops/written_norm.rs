//! Normalizations that exporters write out: `(x - mean(x)) / sqrt(mean((x - mean(x))²) + eps)`.
//!
//! They are recognized at the division. The operators before it are then read by nothing, and are left out.

use super::group_norm::{as_rows, is_one_dispatch, norm_over, normalize};
use crate::graph::GroupNorm;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

/// Of the first input of a difference, over which axes and with which epsilon.
struct WrittenNorm<'m> {
    difference: OnnxNode<'m>,
    axes: Vec<i64>,
    eps: f32,
}

/// The normalization that a division completes, computed by one operator.
pub(super) fn completed_by<'m>(
    importer: &mut Importer<'m>,
    division: OnnxNode<'m>,
) -> Result<Option<View>, String> {
    let Some(norm) = written_norm(importer, division) else {
        return Ok(None);
    };
    let Value::Device(view) = importer.value(norm.difference, 0)? else {
        return Ok(None);
    };
    let rank = view.dims.len();
    let axes = norm.axes.iter().map(|&axis| axis_of(axis, rank));
    let mut axes: Vec<usize> = axes.collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    let eps = f64::from(norm.eps);
    if let Some(op) = norm_over(&view, &axes) {
        let op = op.eps(eps);
        return match is_one_dispatch(&op, &view) {
            true => normalize(importer, op, &view, None, None).map(Some),
            false => Ok(None),
        };
    }
    let Some(&first) = axes.first() else {
        return Ok(None);
    };
    // The last dimensions, or the channels of a map wherever they are.
    let is_channels = axes == [first] && view.channel_axis() == Some(first);
    let rows = match () {
        () if axes.iter().copied().eq(first..rank) => as_rows(importer, &view, first)?,
        () if is_channels && matches!(view.base.rank(), 2 | 4) => view.clone(),
        () => return Ok(None),
    };
    let channels = rows.base.nchw()[1];
    let op = GroupNorm::layer(channels).eps(eps);
    if !is_one_dispatch(&op, &rows) {
        return Ok(None);
    }
    let output = normalize(importer, op, &rows, None, None)?;
    Ok(Some(output.reshaped(view.dims)))
}

fn written_norm<'m>(importer: &Importer<'m>, division: OnnxNode<'m>) -> Option<WrittenNorm<'m>> {
    let made_by = |node: OnnxNode<'m>, i: usize, op_type: &str| {
        let maker = importer.producer(node.input(i)?)?;
        (maker.op_type() == op_type).then_some(maker)
    };
    let centered = made_by(division, 0, "Sub")?;
    let root = made_by(division, 1, "Sqrt")?;
    let sum = made_by(root, 0, "Add")?;
    let (variance, eps) = [(0, 1), (1, 0)].into_iter().find_map(|(at, other)| {
        let eps = importer.host(sum, other).ok()?.scalar()?;
        Some((made_by(sum, at, "ReduceMean")?, eps))
    })?;
    let squares = importer.producer(variance.input(0)?)?;
    let squared = squares.input(0)?;
    let is_square = match squares.op_type() {
        "Pow" => importer.host(squares, 1).ok()?.scalar() == Some(2.0),
        "Mul" => squares.input(1) == Some(squared),
        _ => false,
    };
    // Some write the difference twice.
    let other = importer.producer(squared)?;
    let inputs = |node: OnnxNode<'m>| [node.input(0), node.input(1)];
    let is_same = other.op_type() == "Sub" && inputs(other) == inputs(centered);
    let mean = made_by(centered, 1, "ReduceMean")?;
    let axes = axes_of(importer, mean)?;
    let is_norm = is_square
        && is_same
        && mean.input(0) == centered.input(0)
        && axes_of(importer, variance)? == axes;
    is_norm.then_some(WrittenNorm {
        difference: centered,
        axes,
        eps,
    })
}

/// The axes of a reduction that keeps them.
fn axes_of<'m>(importer: &Importer<'m>, node: OnnxNode<'m>) -> Option<Vec<i64>> {
    let axes = match node.ints("axes") {
        Some(axes) => axes.to_vec(),
        None => importer.optional_ints(node, 1).ok()??,
    };
    (node.int_or("keepdims", 1) == 1 && !axes.is_empty()).then_some(axes)
}
