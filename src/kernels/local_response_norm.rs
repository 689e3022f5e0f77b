//! Local response normalisation.

use bytemuck::{Pod, Zeroable};

use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::{LOCAL_RESPONSE_NORM, LOCAL_RESPONSE_NORM_BACKWARD};
use crate::graph::LocalResponseNorm;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: TensorView,
    output: TensorView,
    settings: Settings,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct BackwardParams {
    gradient: TensorView,
    input: TensorView,
    output: TensorView,
    settings: Settings,
}

/// What both shaders have in their uniform blocks, behind where things lie.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Settings {
    before: u32,
    after: u32,
    share: f32,
    beta: f32,
    k: f32,
    unused: [u32; 3],
}

impl Settings {
    fn new(op: &LocalResponseNorm, channels: u32) -> Self {
        // More than there are channels is as many as there are, and does not overflow.
        let reach = |size: usize| size.min(channels as usize) as u32;
        Self {
            before: reach(op.size / 2),
            after: reach((op.size - 1) / 2),
            share: (op.alpha / op.size as f64) as f32,
            beta: op.beta as f32,
            k: op.k as f32,
            unused: [0; 3],
        }
    }
}

pub(super) fn dispatches(
    context: &LoweringContext,
    op: &LocalResponseNorm,
) -> Result<Vec<Dispatch>> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        settings: Settings::new(op, context.output.channels),
    };
    let reads = vec![Read::Input(0)];
    let dispatch = context.per_element(&LOCAL_RESPONSE_NORM, &params, reads)?;
    Ok(vec![dispatch])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &LocalResponseNorm,
) -> Result<Vec<Dispatch>> {
    let params = BackwardParams {
        gradient: context.inputs[0],
        input: context.inputs[1],
        output: context.output,
        settings: Settings::new(op, context.output.channels),
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch = context.per_element(&LOCAL_RESPONSE_NORM_BACKWARD, &params, reads)?;
    Ok(vec![dispatch])
}
