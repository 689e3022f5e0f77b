//! Element-wise activations.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{ACTIVATION, ACTIVATION_BACKWARD};
use crate::graph::Activation;

uniforms! {
    struct Params for ACTIVATION {
        input: TensorView,
        output: TensorView,
        slope: f32,
    }

    struct BackwardParams for ACTIVATION_BACKWARD {
        gradient: TensorView,
        value: TensorView,
        output: TensorView,
        slope: f32,
        unused: [u32; 3],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Activation) -> Result<Vec<Dispatch>> {
    let (code, slope) = code(Some(op));
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        slope,
    };
    let dispatch = context.per_element(&ACTIVATION, &params, vec![Read::Input(0)], NO_LOOPS)?;
    Ok(vec![dispatch.constant("ACTIVATION", code)])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: Activation,
) -> Result<Vec<Dispatch>> {
    let (code, slope) = code(Some(op));
    let params = BackwardParams {
        gradient: context.inputs[0],
        value: context.inputs[1],
        output: context.output,
        slope,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch = context.per_element(&ACTIVATION_BACKWARD, &params, reads, NO_LOOPS)?;
    Ok(vec![dispatch.constant("ACTIVATION", code)])
}

/// The activation's code in `shaders/shared/activation.wgsl`, and the slope of leaky ReLU.
pub(super) fn code(op: Option<Activation>) -> (u32, f32) {
    match op {
        None => (0, 0.0),
        Some(Activation::Relu) => (1, 0.0),
        Some(Activation::Relu6) => (2, 0.0),
        Some(Activation::LeakyRelu { slope }) => (3, slope),
        Some(Activation::Sigmoid) => (4, 0.0),
        Some(Activation::Tanh) => (5, 0.0),
        Some(Activation::HardSwish) => (6, 0.0),
        Some(Activation::Silu) => (7, 0.0),
        Some(Activation::Mish) => (8, 0.0),
    }
}
