//! Operators that keep the elements and change the shape.

use super::super::host::HostTensor;
use super::super::node::axis_of;
use super::call::{Call, int_of, listed, mask_of};
use super::{check_rank, tensor};
use crate::tensor::Shape;

fn with_dims(input: &HostTensor, dims: Vec<usize>) -> Result<HostTensor, String> {
    check_rank(dims.len())?;
    let shape = Shape::from(&dims[..]);
    match shape.checked_len() == Some(input.len()) {
        true => tensor(dims, input.data().clone()),
        false => Err(format!(
            "{} of {} elements cannot be reshaped to {shape}",
            Shape::from(input.dims()),
            input.len()
        )),
    }
}

/// 0 keeps a dimension unless `allowzero` is 1 (from version 14 on), and -1 is what is left.
pub(super) fn reshape(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let asked = call.ints(1, "shape")?;
    check_rank(asked.len())?;
    let keep_zeros = call.node.opset >= 14 && call.node.flag("allowzero");
    if keep_zeros && asked.contains(&0) && asked.contains(&-1) {
        return Err(format!("{} has both 0 and -1", listed(&asked)));
    }
    let mut dims = vec![];
    let mut free = None;
    for (i, &dim) in asked.iter().enumerate() {
        dims.push(match dim {
            0 if !keep_zeros => (input.dims().get(i).copied()).ok_or_else(|| {
                format!(
                    "{} keeps dimension {i}, and the input is {}",
                    listed(&asked),
                    Shape::from(input.dims())
                )
            })?,
            -1 if free.replace(i).is_none() => 1,
            -1 => return Err(format!("{} has more than one -1", listed(&asked))),
            _ => usize::try_from(dim).map_err(|_| format!("{dim} is not a dimension"))?,
        });
    }
    if let Some(free) = free {
        let rest = Shape::from(&dims[..]).checked_len();
        let whole = rest.filter(|&rest| input.len().checked_rem(rest) == Some(0));
        let left = whole.and_then(|rest| input.len().checked_div(rest));
        let left = left.ok_or_else(|| {
            format!(
                "{} of {} elements cannot be reshaped to {}",
                Shape::from(input.dims()),
                input.len(),
                listed(&asked)
            )
        })?;
        // `free` is one of the dimensions.
        if let Some(dim) = dims.get_mut(free) {
            *dim = left;
        }
    }
    with_dims(input, dims)
}

pub(super) fn flatten(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "input")?;
    let axis = call.node.int_or("axis", 1);
    // Unlike other axes, it may be the rank itself.
    let axis = match int_of(input.rank())? == axis {
        true => input.rank(),
        false => axis_of(axis, input.rank())?,
    };
    let (rows, columns) = input.dims().split_at_checked(axis).unwrap_or_default();
    let product = |dims: &[usize]| {
        let len = Shape::from(dims).checked_len();
        len.ok_or_else(|| format!("{} does not fit", Shape::from(dims)))
    };
    with_dims(input, vec![product(rows)?, product(columns)?])
}

/// `axes` is an input from version 13 on. Without it, all dimensions of 1 go.
pub(super) fn squeeze(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let gone = match call.setting(13, "axes", 1)? {
        None => input.dims().iter().map(|&dim| dim == 1).collect(),
        Some(axes) if axes.is_empty() && input.dims().contains(&1) => {
            return Err("its axes are empty, which is read as none and as all".to_owned());
        }
        Some(axes) => mask_of(&axes, input.rank())?,
    };
    let mut dims = vec![];
    for (axis, (&dim, gone)) in input.dims().iter().zip(gone).enumerate() {
        match (gone, dim) {
            (false, _) => dims.push(dim),
            (true, 1) => {}
            (true, _) => return Err(format!("dimension {axis} is {dim}, and not 1")),
        }
    }
    with_dims(input, dims)
}

/// `axes`, which are those of the result, is an input from version 13 on.
pub(super) fn unsqueeze(call: &Call) -> Result<HostTensor, String> {
    let input = call.input(0, "data")?;
    let axes = (call.setting(13, "axes", 1)?).ok_or("its 'axes' are missing")?;
    let rank = input.rank().saturating_add(axes.len());
    let added = mask_of(&axes, rank)?;
    let mut kept = input.dims().iter().copied();
    // As many are not added as the input has.
    let dims = added
        .into_iter()
        .map(|added| if added { 1 } else { kept.next().unwrap_or(1) });
    with_dims(input, dims.collect())
}
