//! Products of two values' matrices.

use super::loop_iterations::{SumPart, nested, split_sum};
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::MATMUL;
use crate::gpu::uniform::uniforms;

uniforms! {
    struct Params for MATMUL {
        a: TensorView,
        b: TensorView,
        output: TensorView,
        first: u32,
        end: u32,
        unused: [u32; 2],
    }
}

/// The tile of a workgroup, as in `shaders/matmul.wgsl`: elements of channels, pixels, and steps along K.
const TILE_M_C4: u32 = 16;
const TILE_N: u32 = 32;
const TILE_K: u32 = 16;
/// The most iterations of the loops within a step, none of which a compiler needs to unroll.
const STEP_ITERATIONS: u64 = 264;
/// The same of those before and after all steps.
const OTHER_ITERATIONS: u64 = 32;

pub(super) fn dispatches(context: &LoweringContext) -> Result<Vec<Dispatch>> {
    let (device, output) = (context.device, context.output);
    let tiles = [
        output.batch,
        output.c4.div_ceil(TILE_M_C4),
        output.width.div_ceil(TILE_N),
    ];
    let workgroups = tiles.into_iter().map(u64::from).product();
    let [x, y] = device.fold(&context.node.name, workgroups)?;
    let steps = context.inputs[0].width.div_ceil(TILE_K) as usize;
    let iterations = |steps: usize| nested([steps as u64, STEP_ITERATIONS]) + OTHER_ITERATIONS;
    let limit = device.max_loop_iterations;
    let parts = split_sum([1, 1], steps, limit, |_, steps| iterations(steps));
    let dispatch = |part: SumPart| {
        let params = Params {
            a: context.inputs[0],
            b: context.inputs[1],
            output,
            first: part.inner.start as u32,
            end: part.inner.end as u32,
            unused: [0; 2],
        };
        let reads = vec![Read::Input(0), Read::Input(1)];
        let iterations = iterations(part.inner.len());
        let dispatch = device.dispatch(&MATMUL, &params, reads, [x, y, 1], iterations);
        dispatch.constants(&[part.accumulate()])
    };
    Ok(parts.into_iter().map(dispatch).collect())
}
