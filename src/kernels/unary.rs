//! Element-wise functions beyond activations.

use super::{Dispatch, LoweringContext, NO_LOOPS, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{UNARY, UNARY_BACKWARD};
use crate::graph::Unary;

uniforms! {
    struct Params for UNARY {
        input: TensorView,
        output: TensorView,
        settings: [f32; 2],
        unused: [u32; 2],
    }

    struct BackwardParams for UNARY_BACKWARD {
        gradient: TensorView,
        value: TensorView,
        output: TensorView,
        settings: [f32; 2],
        unused: [u32; 2],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Unary) -> Result<Vec<Dispatch>> {
    let (code, settings) = code(op);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        settings,
        unused: [0; 2],
    };
    let dispatch = context.per_element(&UNARY, &params, vec![Read::Input(0)], NO_LOOPS)?;
    Ok(vec![dispatch.constant("FUNCTION", code)])
}

pub(super) fn backward_dispatches(context: &LoweringContext, op: Unary) -> Result<Vec<Dispatch>> {
    let (code, settings) = code(op);
    let params = BackwardParams {
        gradient: context.inputs[0],
        value: context.inputs[1],
        output: context.output,
        settings,
        unused: [0; 2],
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch = context.per_element(&UNARY_BACKWARD, &params, reads, NO_LOOPS)?;
    Ok(vec![dispatch.constant("FUNCTION", code)])
}

/// The function's code in `shaders/shared/unary.wgsl`, and its parameters.
fn code(op: Unary) -> (u32, [f32; 2]) {
    match op {
        Unary::Elu { alpha } => (0, [alpha, 0.0]),
        Unary::Selu { alpha, gamma } => (1, [alpha, gamma]),
        Unary::Celu { alpha } => (2, [alpha, 0.0]),
        Unary::Gelu => (3, [0.0; 2]),
        Unary::GeluTanh => (4, [0.0; 2]),
        Unary::Erf => (5, [0.0; 2]),
        Unary::Softplus => (6, [0.0; 2]),
        Unary::Softsign => (7, [0.0; 2]),
        Unary::HardSigmoid { alpha, beta } => (8, [alpha, beta]),
        Unary::Swish { alpha } => (9, [alpha, 0.0]),
        Unary::ThresholdedRelu { alpha } => (10, [alpha, 0.0]),
        Unary::Exp => (11, [0.0; 2]),
        Unary::Log => (12, [0.0; 2]),
        Unary::Sqrt => (13, [0.0; 2]),
        Unary::Pow { exponent } => (14, [exponent, 0.0]),
        Unary::Abs => (15, [0.0; 2]),
        Unary::Neg => (16, [0.0; 2]),
        Unary::Floor => (17, [0.0; 2]),
        Unary::Ceil => (18, [0.0; 2]),
        Unary::Round => (19, [0.0; 2]),
        Unary::Sign => (20, [0.0; 2]),
        Unary::Sin => (21, [0.0; 2]),
        Unary::Cos => (22, [0.0; 2]),
        Unary::Tan => (23, [0.0; 2]),
        Unary::Reciprocal => (24, [0.0; 2]),
        Unary::Clip { min, max } => (25, [min, max]),
        Unary::Affine { scale, offset } => (26, [scale, offset]),
        Unary::Asin => (27, [0.0; 2]),
        Unary::Acos => (28, [0.0; 2]),
        Unary::Atan => (29, [0.0; 2]),
        Unary::Sinh => (30, [0.0; 2]),
        Unary::Cosh => (31, [0.0; 2]),
        Unary::Asinh => (32, [0.0; 2]),
        Unary::Acosh => (33, [0.0; 2]),
        Unary::Atanh => (34, [0.0; 2]),
        Unary::Shrink { lambda, bias } => (35, [lambda, bias]),
        Unary::Trunc => (36, [0.0; 2]),
        Unary::IsNan => (37, [0.0; 2]),
        Unary::IsInf { positive, negative } => (38, [positive, negative].map(f32::from)),
        Unary::Not => (39, [0.0; 2]),
        Unary::ToBool => (40, [0.0; 2]),
    }
}
