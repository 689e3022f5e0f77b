//! Between tensors as users see them, NCHW float32, and maps.

use super::{DeviceContext, Dispatch, Read, TensorView};
use crate::error::Result;
use crate::gpu::{PACK, UNPACK};

/// A tensor into a map. The read is the tensor.
pub(crate) fn pack(device: &DeviceContext, what: &str, output: TensorView) -> Result<Dispatch> {
    let count = u64::from(output.pixels) * u64::from(output.c4);
    let grid = device.flat_grid(what, count)?;
    Ok(device.dispatch(&PACK, &output, vec![Read::Input(0)], grid))
}

/// A map into a tensor. The read is the map.
pub(crate) fn unpack(device: &DeviceContext, what: &str, input: TensorView) -> Result<Dispatch> {
    let count = u64::from(input.pixels) * u64::from(input.c4);
    let grid = device.flat_grid(what, count)?;
    Ok(device.dispatch(&UNPACK, &input, vec![Read::Input(0)], grid))
}
