//! Pooling over windows.

use super::loop_iterations::{SumPart, SumPartParams, in_parts, plain};
use super::{Dispatch, LoweringContext, TensorView};
use crate::error::Result;
use crate::gpu::POOL;
use crate::gpu::uniform::uniforms;
use crate::graph::{Pool2d, PoolKind};

uniforms! {
    struct Params for POOL {
        input: TensorView,
        output: TensorView,
        part: SumPartParams,
        kernel: [u32; 2],
        stride: [u32; 2],
        dilation: [u32; 2],
        /// Top and left. Negative values wrap around, as in the shader's arithmetic.
        padding: [u32; 2],
        padding_after: [u32; 2],
        count_include_pad: u32,
        empty: f32,
        outside: f32,
        exponent: f32,
        root: f32,
        unused: u32,
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Pool2d) -> Result<Vec<Dispatch>> {
    let input = context.inputs[0];
    let fused = &context.node.fused;
    let own = op.padding_for(fused.padded([input.height as usize, input.width as usize]));
    let side = |i: usize| (own[i] as isize + fused.pad[i]) as u32;
    let [top, bottom, left, right] = [0, 1, 2, 3].map(side);
    // The operation's code in `shaders/pool.wgsl`.
    let (code, count_include_pad, empty) = match op.kind {
        PoolKind::Lp { .. } => (2, false, 0.0),
        PoolKind::Max => (0, false, f32::NEG_INFINITY),
        // Padding that a pass has fused counts toward the divisor. Passes fuse it into a pooling that does
        // not count its padding only where that has none of its own.
        PoolKind::Average { count_include_pad } => (1, count_include_pad || fused.pads(), 0.0),
    };
    let degree = match op.kind {
        PoolKind::Lp { p } => p as f32,
        _ => 1.0,
    };
    let params = |part: &SumPart| Params {
        input,
        output: context.output,
        kernel: op.kernel.map(|v| v as u32),
        stride: op.stride.map(|v| v as u32),
        dilation: op.dilation.map(|v| v as u32),
        padding: [top, left],
        padding_after: [bottom, right],
        part: part.into(),
        count_include_pad: u32::from(count_include_pad),
        empty,
        outside: if fused.pads() { fused.pad_value } else { empty },
        exponent: degree,
        root: degree.recip(),
        unused: 0,
    };
    let constants = [("OPERATION", code)];
    in_parts(context, &POOL, 1, &constants, op.kernel, plain, params)
}
