//! Cumulative sums along rows.

use super::loop_iterations::{SumPart, nested, split_sum};
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::CUM_SUM;
use crate::gpu::uniform::uniforms;
use crate::graph::CumSum;

uniforms! {
    struct Params for CUM_SUM {
        input: TensorView,
        output: TensorView,
        first: u32,
        end: u32,
        unused: [u32; 2],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: CumSum) -> Result<Vec<Dispatch>> {
    let (device, output) = (context.device, context.output);
    let count = u64::from(output.batch) * u64::from(output.c4);
    let grid = device.flat_grid(&context.node.name, count)?;
    let iterations = |pixels: usize| nested([pixels as u64]);
    let limit = device.max_loop_iterations;
    let parts = split_sum([1, 1], output.width as usize, limit, |_, pixels| {
        iterations(pixels)
    });
    let dispatch = |part: SumPart| {
        let params = Params {
            input: context.inputs[0],
            output,
            first: part.inner.start as u32,
            end: part.inner.end as u32,
            unused: [0; 2],
        };
        let iterations = iterations(part.inner.len());
        let dispatch = device.dispatch(&CUM_SUM, &params, vec![Read::Input(0)], grid, iterations);
        dispatch.constants(&[
            ("EXCLUSIVE", u32::from(op.exclusive)),
            ("REVERSE", u32::from(op.reverse)),
            part.accumulate(),
        ])
    };
    Ok(parts.into_iter().map(dispatch).collect())
}
