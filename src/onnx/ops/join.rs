//! Values behind each other and several times.

use super::layout::product;
use crate::graph::{Concat, ValueId};
use crate::onnx::host::broadcast;
use crate::onnx::import::Importer;
use crate::onnx::node::{OnnxNode, axis_of};
use crate::onnx::value::Value;
use crate::onnx::view::View;

pub(super) fn concat<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut views = Vec::with_capacity(node.input_count());
    for i in 0..node.input_count() {
        // An empty value adds nothing.
        if product(&importer.dims(node, i)?) > 0 {
            views.push(importer.view(node, i)?);
        }
    }
    let rank = views.first().ok_or("it has no inputs")?.dims.len();
    let axis = axis_of(node.int_or("axis", 1), rank)?;
    Ok(vec![Value::Device(joined(importer, &views, axis)?)])
}

/// Values behind each other along `axis`.
pub(super) fn joined(importer: &mut Importer, views: &[View], axis: usize) -> Result<View, String> {
    let [first, ..] = views else {
        return Err("it has no inputs".to_owned());
    };
    let mut dims = first.dims.clone();
    let mut total = 0_usize;
    for view in views {
        let mut own = view.dims.clone();
        if own.len() != dims.len() {
            return Err(format!(
                "values of {:?} and {own:?} cannot be concatenated",
                first.dims
            ));
        }
        total = total.saturating_add(own.get(axis).copied().unwrap_or(0));
        if let (Some(own), Some(dim)) = (own.get_mut(axis), dims.get(axis)) {
            *own = *dim;
        }
        if own != dims {
            return Err(format!(
                "values of {:?} and {:?} cannot be concatenated along dimension {axis}",
                first.dims, view.dims
            ));
        }
    }
    if let Some(dim) = dims.get_mut(axis) {
        *dim = total;
    }
    let is_map = axis == 1 && dims.len() == 4;
    let mut parts = Vec::with_capacity(views.len());
    for view in views {
        let before = product(view.dims.get(..axis).unwrap_or_default());
        parts.push(match is_map {
            true => importer.in_order(view)?,
            false => {
                importer.shaped(view, &[before, view.len().checked_div(before).unwrap_or(0)])?
            }
        });
    }
    if is_map {
        return joined_maps(importer, parts);
    }
    let parts: Vec<&View> = parts.iter().collect();
    Ok(importer.node(Concat, &parts)?.reshaped(dims))
}

/// The channels of maps behind each other. A dense block concatenates all maps before each layer: what begins with an
/// earlier concatenation is made of it, and takes no copies.
fn joined_maps(importer: &mut Importer, mut parts: Vec<View>) -> Result<View, String> {
    let values: Vec<ValueId> = parts.iter().map(|part| part.value).collect();
    let earlier = (2..=values.len()).rev().find_map(|count| {
        let earlier = importer.concats.get(values.get(..count)?)?;
        Some((count, earlier.clone()))
    });
    if let Some((count, earlier)) = earlier {
        parts.splice(..count, [earlier]);
    }
    let joined = match &parts[..] {
        [only] => only.clone(),
        parts => importer.node(Concat, &parts.iter().collect::<Vec<_>>())?,
    };
    importer.concats.insert(values, joined.clone());
    Ok(joined)
}

pub(super) fn expand<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let view = importer.view(node, 0)?;
    let wanted = importer
        .optional_ints(node, 1)?
        .ok_or("its shape is missing")?;
    let wanted: Option<Vec<usize>> = wanted
        .iter()
        .map(|&dim| usize::try_from(dim).ok())
        .collect();
    let wanted = wanted.ok_or("its shape must not be negative")?;
    let dims = broadcast(&view.dims, &wanted)?;
    let output = importer.reordered(&view, |view| view.broadcast_to(&dims))?;
    Ok(vec![Value::Device(output)])
}

pub(super) fn tile<'m>(
    importer: &mut Importer<'m>,
    node: OnnxNode<'m>,
) -> Result<Vec<Value<'m>>, String> {
    let mut view = importer.view(node, 0)?;
    let repeats = importer
        .optional_ints(node, 1)?
        .ok_or("its repeats are missing")?;
    if repeats.len() != view.dims.len() {
        return Err(format!(
            "its repeats {repeats:?} are for another rank than {:?}",
            view.dims
        ));
    }
    for (axis, repeat) in repeats.into_iter().enumerate() {
        let repeat =
            usize::try_from(repeat).map_err(|_| "its repeats must be positive".to_owned())?;
        if repeat != 1 {
            view = repeated(importer, &view, axis, repeat)?;
        }
    }
    Ok(vec![Value::Device(view)])
}

/// A value several times behind itself.
pub(super) fn repeated(
    importer: &mut Importer,
    view: &View,
    axis: usize,
    times: usize,
) -> Result<View, String> {
    let mut result = view.dims.clone();
    if let Some(dim) = result.get_mut(axis) {
        *dim = dim.checked_mul(times).ok_or("its output is too large")?;
    }
    let mut apart = view.dims.clone();
    apart.insert(axis, 1);
    let mut wide = apart.clone();
    if let Some(dim) = wide.get_mut(axis) {
        *dim = times;
    }
    let view = view.clone().reshaped(apart);
    Ok(importer
        .reordered(&view, |view| view.broadcast_to(&wide))?
        .reshaped(result))
}
