//! Which elements the gathering and scattering operators mean: positions in row-major order.
#![deny(clippy::arithmetic_side_effects)]

use super::layout::product;
use crate::onnx::host::{HostTensor, strides};
use crate::onnx::node::axis_of;

/// Blocks of equally many elements of a tensor, in the order in which they are read or written.
pub(super) struct Blocks {
    /// The position of each, counted in blocks.
    pub positions: Vec<usize>,
    /// The elements of a block.
    pub len: usize,
}

fn ints(indices: &HostTensor) -> Result<Vec<i64>, String> {
    (indices.as_ints()).ok_or_else(|| "its indices must be integers".to_owned())
}

/// An index along a dimension of `dim` elements, counted from the end where it is negative.
pub(super) fn index(index: i64, dim: usize) -> Result<usize, String> {
    axis_of(index, dim).map_err(|_| format!("index {index} is not one of {dim}"))
}

/// Of `GatherElements` and `ScatterElements`: the position of an index, but along `axis` that of the index's value.
pub(super) fn elements(
    dims: &[usize],
    indices: &HostTensor,
    axis: usize,
) -> Result<Blocks, String> {
    let shape = indices.dims();
    let fits = shape.len() == dims.len()
        && (shape.iter().zip(dims).enumerate()).all(|(i, (own, dim))| i == axis || own <= dim);
    if !fits {
        return Err(format!("indices {shape:?} do not fit {dims:?}"));
    }
    let (own_strides, data_strides) = (strides(shape), strides(dims));
    let mut positions = Vec::with_capacity(indices.len());
    for (i, value) in ints(indices)?.into_iter().enumerate() {
        let mut position = 0_usize;
        for (at, (&dim, &stride)) in dims.iter().zip(&data_strides).enumerate() {
            let along = match at == axis {
                true => index(value, dim)?,
                false => (own_strides.get(at).zip(shape.get(at)))
                    .and_then(|(&own, &extent)| i.checked_div(own)?.checked_rem(extent))
                    .unwrap_or(0),
            };
            position = position.saturating_add(along.saturating_mul(stride));
        }
        positions.push(position);
    }
    Ok(Blocks { positions, len: 1 })
}

/// Of `GatherND` and `ScatterND`: the last dimension of the indices names the first dimensions of the data, after
/// `batch` ones that both have.
pub(super) fn tuples(dims: &[usize], indices: &HostTensor, batch: usize) -> Result<Blocks, String> {
    let error = || format!("indices {:?} do not fit {dims:?}", indices.dims());
    let (&width, before) = indices.dims().split_last().ok_or_else(error)?;
    let named = batch.checked_add(width).ok_or_else(error)?;
    let (leading, block) = dims.split_at_checked(named).ok_or_else(error)?;
    let (shared, own) = leading.split_at_checked(batch).ok_or_else(error)?;
    if before.get(..batch) != Some(shared) {
        return Err(error());
    }
    let count = product(before);
    let per_batch = count.checked_div(product(shared)).unwrap_or(0);
    let values = ints(indices)?;
    let mut positions = Vec::with_capacity(count);
    for i in 0..count {
        let mut position = i.checked_div(per_batch).unwrap_or(0);
        let start = i.saturating_mul(width);
        let tuple = values.get(start..).unwrap_or_default();
        for (&value, &dim) in tuple.iter().zip(own) {
            position = position
                .saturating_mul(dim)
                .saturating_add(index(value, dim)?);
        }
        positions.push(position);
    }
    Ok(Blocks {
        positions,
        len: product(block),
    })
}
