//! Resizing by tables of weights.

use super::{Dispatch, LoweringContext, Read, TensorView, nested};
use crate::error::Result;
use crate::gpu::RESAMPLE;
use crate::gpu::uniform::uniforms;
use crate::graph::{Resample, Taps};

uniforms! {
    struct Params for RESAMPLE {
        input: TensorView,
        output: TensorView,
        row_stride: u32,
        column_stride: u32,
        first_column: u32,
        outside: f32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Resample) -> Result<Vec<Dispatch>> {
    let strides = [&op.rows, &op.columns].map(stride);
    let first_column = op.rows.windows.len() * strides[0];
    // Tables are smaller than the maps that they are for.
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        row_stride: strides[0] as u32,
        column_stride: strides[1] as u32,
        first_column: first_column as u32,
        outside: op.outside,
    };
    let table = [packed(&op.rows), packed(&op.columns)].concat();
    let table = context.table("taps", table);
    let counts = [&op.rows, &op.columns].map(|taps| taps.max_taps() as u64);
    let reads = vec![Read::Input(0), table];
    Ok(vec![context.per_element(
        &RESAMPLE,
        &params,
        reads,
        nested(counts),
    )?])
}

/// Elements of the table for each output pixel: the first tap, their number, and their weights.
fn stride(taps: &Taps) -> usize {
    (taps.max_taps() + 2).div_ceil(4)
}

/// The part of the table for one axis, as `shaders/resample.wgsl` reads it.
fn packed(taps: &Taps) -> Vec<f32> {
    let len = stride(taps) * 4;
    let mut table = vec![0.0; len * taps.windows.len()];
    for (packed, window) in table.chunks_mut(len).zip(&taps.windows) {
        // Both are at most `Taps::MAX_INPUT`, which float32 counts to.
        packed[0] = window.first as f32;
        packed[1] = window.weights.len() as f32;
        packed[2..][..window.weights.len()].copy_from_slice(&window.weights);
    }
    table
}
