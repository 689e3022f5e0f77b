//! Operators that write elements into a larger tensor, and the places of those that are not zero.

use super::super::host::{HostData, HostTensor, strides};
use super::super::node::axis_of;
use super::arrange::{Axis, Picks, positions, take, whole};
use super::call::{Call, int_of, mask_of, place_of};
use super::{check_len, tensor};
use crate::tensor::Shape;

/// With a constant. All but `data` are attributes before version 11; `axes` are an input from version 18 on.
pub(super) fn pad(call: &Call) -> Result<HostTensor, String> {
    let (node, input) = (call.node, call.input(0, "data")?);
    let mode = node.string_or("mode", "constant");
    if mode != "constant" {
        let mode = crate::printable::name(mode);
        return Err(format!("mode '{mode}' is not evaluated on the host"));
    }
    let pads = (call.setting(11, "pads", 1)?).ok_or("its 'pads' are missing")?;
    if node.opset < 18 && call.optional(3).is_some() {
        return Err("'axes' is an input from opset 18 on".to_owned());
    }
    let axes = match call.optional_ints(3, "axes")? {
        Some(axes) => axes,
        None => (0..int_of(input.rank())?).collect(),
    };
    mask_of(&axes, input.rank())?;
    if Some(pads.len()) != axes.len().checked_mul(2) {
        return Err(format!("{} pads for {} axes", pads.len(), axes.len()));
    }
    let fill = match call.optional(2) {
        Some(_) if node.opset < 11 => {
            return Err("its value is an attribute before opset 11".to_owned());
        }
        Some(_) => call.scalar(2, "constant_value")?,
        None if node.opset < 11 && node.has("value") => {
            HostData::Float(vec![node.float_or("value", 0.0)])
        }
        None => input.kind().zeros(1),
    };

    // What stays of the input, and where it is in the result.
    let (mut kept, mut placed) = (whole(input), whole(input));
    let mut dims = input.dims().to_vec();
    let (before, after) = pads.split_at_checked(axes.len()).unwrap_or_default();
    for (axis, (&before, &after)) in axes.into_iter().zip(before.iter().zip(after)) {
        let axis = axis_of(axis, input.rank())?;
        if let (Some(dim), Some(kept), Some(placed)) =
            (dims.get_mut(axis), kept.get_mut(axis), placed.get_mut(axis))
        {
            let padding = Padding::new(*dim, before, after).ok_or_else(|| {
                format!("a dimension of {dim} cannot be padded by {before} and {after}")
            })?;
            *dim = padding.dim;
            kept.0 = Picks::span(padding.from, padding.len);
            placed.0 = Picks::span(padding.to, padding.len);
        }
    }
    let mut data = (fill.repeated(check_len(&dims)?)).ok_or("its value is not one number")?;
    let placed: Vec<Axis> = (placed.into_iter().zip(strides(&dims)))
        .map(|((picks, _), stride)| (picks, stride))
        .collect();
    let (positions, _) = positions(&placed)?;
    (data.place(&positions, take(input, &kept)?.data())).ok_or_else(|| {
        format!(
            "its input is {}, and its value {}",
            input.kind(),
            fill.kind()
        )
    })?;
    tensor(dims, data)
}

/// One dimension of Pad: `len` elements at `from` of the input are at `to` of `dim`.
struct Padding {
    dim: usize,
    from: usize,
    to: usize,
    len: usize,
}

impl Padding {
    /// Negative pads remove elements.
    fn new(dim: usize, before: i64, after: i64) -> Option<Self> {
        let old = i64::try_from(dim).ok()?;
        let new = old.checked_add(before)?.checked_add(after)?;
        let from = before.min(0).checked_neg()?;
        let end = old.checked_add(after.min(0))?;
        Some(Self {
            dim: usize::try_from(new).ok()?,
            from: usize::try_from(from).ok()?,
            to: usize::try_from(before.max(0)).ok()?,
            len: usize::try_from(end.checked_sub(from)?.max(0)).ok()?,
        })
    }
}

/// The indices of all elements that are not zero, a column for each.
pub(super) fn non_zero(call: &Call) -> Result<HostTensor, String> {
    fn places<T: Copy>(values: &[T], zero: impl Fn(T) -> bool) -> Vec<usize> {
        let values = values.iter().enumerate();
        let values = values.filter(|(_, value)| !zero(**value));
        values.map(|(i, _)| i).collect()
    }
    let input = call.input(0, "X")?;
    let places = match input.data() {
        HostData::Float(values) => places(values, |x| x == 0.0),
        HostData::Int(values) => places(values, |x| x == 0),
        HostData::Bool(values) => places(values, |x| !x),
    };
    let dims = vec![input.rank(), places.len()];
    let mut indices = Vec::with_capacity(check_len(&dims)?);
    for (&dim, stride) in input.dims().iter().zip(strides(input.dims())) {
        for place in &places {
            // Neither is zero: the input has elements.
            let along = place.checked_div(stride).and_then(|i| i.checked_rem(dim));
            indices.push(int_of(along.unwrap_or(0))?);
        }
    }
    tensor(dims, HostData::Int(indices))
}

/// Without a reduction.
pub(super) fn scatter_nd(call: &Call) -> Result<HostTensor, String> {
    let (input, updates) = (call.input(0, "data")?, call.input(2, "updates")?);
    let indices = call.input(1, "indices")?;
    if call.node.string_or("reduction", "none") != "none" {
        return Err("its 'reduction' is not evaluated on the host".to_owned());
    }
    let HostData::Int(values) = indices.data() else {
        return Err(format!("its indices are {}", indices.kind()));
    };
    let (&depth, outer) = (indices.dims().split_last()).ok_or("its indices have no dimensions")?;
    let (indexed, inner) = (input.dims().split_at_checked(depth)).ok_or_else(|| {
        format!(
            "indices of {depth} dimensions for {}",
            Shape::from(input.dims())
        )
    })?;
    let expected = [outer, inner].concat();
    if updates.dims() != expected {
        return Err(format!(
            "updates of {} were expected, found {}",
            Shape::from(expected),
            Shape::from(updates.dims())
        ));
    }
    check_len(input.dims())?;

    let mut data = input.clone().into_data();
    if updates.len() > 0 {
        // Not zero: the updates have elements.
        let block = Shape::from(inner).len();
        let blocks = updates.len().checked_div(block).unwrap_or(0);
        let strides = strides(input.dims());
        let mut places = Vec::with_capacity(updates.len());
        for i in 0..blocks {
            let row = i
                .checked_mul(depth)
                .and_then(|at| values.get(at..)?.get(..depth));
            let row = row.ok_or("its indices end early")?;
            let mut base = 0_usize;
            for ((&index, &dim), stride) in row.iter().zip(indexed).zip(&strides) {
                let offset = place_of(index, dim)?.saturating_mul(*stride);
                base = base.saturating_add(offset);
            }
            places.extend(base..base.saturating_add(block));
        }
        data.place(&places, updates.data()).ok_or_else(|| {
            format!(
                "its input is {}, and its updates {}",
                input.kind(),
                updates.kind()
            )
        })?;
    }
    tensor(input.dims(), data)
}
