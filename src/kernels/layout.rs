//! Conversion between NCHW float32, as callers see tensors, and the engine's layout: NHWC in elements of four
//! channels.

use super::{DeviceContext, Dispatch, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{PACK, UNPACK};

uniforms! {
    struct PackParams for PACK {
        output: TensorView,
    }

    struct UnpackParams for UNPACK {
        input: TensorView,
    }
}

/// Converts an NCHW tensor, the dispatch's only read, to the engine's layout.
pub(crate) fn pack(device: &DeviceContext, what: &str, output: TensorView) -> Result<Dispatch> {
    let count = u64::from(output.pixels) * u64::from(output.c4);
    let grid = device.flat_grid(what, count)?;
    Ok(device.dispatch(
        &PACK,
        &PackParams { output },
        vec![Read::Input(0)],
        grid,
        NO_LOOPS,
    ))
}

/// Converts a tensor in the engine's layout, the dispatch's only read, to NCHW.
pub(crate) fn unpack(device: &DeviceContext, what: &str, input: TensorView) -> Result<Dispatch> {
    let count = u64::from(input.pixels) * u64::from(input.c4);
    let grid = device.flat_grid(what, count)?;
    Ok(device.dispatch(
        &UNPACK,
        &UnpackParams { input },
        vec![Read::Input(0)],
        grid,
        NO_LOOPS,
    ))
}
