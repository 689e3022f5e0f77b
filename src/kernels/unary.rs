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
        settings: [f32; 4],
    }

    struct BackwardParams for UNARY_BACKWARD {
        gradient: TensorView,
        value: TensorView,
        output: TensorView,
        settings: [f32; 4],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: Unary) -> Result<Vec<Dispatch>> {
    let (code, settings) = code(op);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        settings,
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
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let dispatch = context.per_element(&UNARY_BACKWARD, &params, reads, NO_LOOPS)?;
    Ok(vec![dispatch.constant("FUNCTION", code)])
}

/// The function's code in `shaders/shared/unary.wgsl`, and its parameters.
fn code(op: Unary) -> (u32, [f32; 4]) {
    match op {
        Unary::Elu { alpha } => (0, settings([alpha])),
        Unary::Selu { alpha, gamma } => (1, settings([alpha, gamma])),
        Unary::Celu { alpha } => (2, settings([alpha])),
        Unary::Gelu => (3, [0.0; 4]),
        Unary::GeluTanh => (4, [0.0; 4]),
        Unary::Erf => (5, [0.0; 4]),
        Unary::Softplus => (6, [0.0; 4]),
        Unary::Softsign => (7, [0.0; 4]),
        Unary::HardSigmoid { alpha, beta } => (8, settings([alpha, beta])),
        Unary::Swish { alpha } => (9, settings([alpha])),
        Unary::ThresholdedRelu { alpha } => (10, settings([alpha])),
        Unary::Exp => (11, [0.0; 4]),
        Unary::Log => (12, [0.0; 4]),
        Unary::Sqrt => (13, [0.0; 4]),
        Unary::Pow { exponent } => (14, settings([exponent])),
        Unary::Abs => (15, [0.0; 4]),
        Unary::Neg => (16, [0.0; 4]),
        Unary::Floor => (17, [0.0; 4]),
        Unary::Ceil => (18, [0.0; 4]),
        Unary::Round => (19, [0.0; 4]),
        Unary::Sign => (20, [0.0; 4]),
        Unary::Sin => (21, [0.0; 4]),
        Unary::Cos => (22, [0.0; 4]),
        Unary::Tan => (23, [0.0; 4]),
        Unary::Reciprocal => (24, [0.0; 4]),
        Unary::Clip { min, max } => (25, settings([min, max])),
        Unary::Affine { scale, offset } => (26, settings([scale, offset])),
        Unary::Asin => (27, [0.0; 4]),
        Unary::Acos => (28, [0.0; 4]),
        Unary::Atan => (29, [0.0; 4]),
        Unary::Sinh => (30, [0.0; 4]),
        Unary::Cosh => (31, [0.0; 4]),
        Unary::Asinh => (32, [0.0; 4]),
        Unary::Acosh => (33, [0.0; 4]),
        Unary::Atanh => (34, [0.0; 4]),
        Unary::Shrink { lambda, bias } => (35, settings([lambda, bias])),
        Unary::Trunc => (36, [0.0; 4]),
        Unary::Quantize { scale, min, max } => (37, settings([scale, min, max])),
        Unary::FakeQuantize { scale, min, max } => (38, settings([scale, min, max])),
        Unary::IsNan => (39, [0.0; 4]),
        Unary::IsInf { positive, negative } => {
            (40, settings([f32::from(positive), f32::from(negative)]))
        }
        Unary::Not => (41, [0.0; 4]),
        Unary::ToBool => (42, [0.0; 4]),
    }
}

/// Parameters in the uniform block.
fn settings<const N: usize>(values: [f32; N]) -> [f32; 4] {
    let mut all = [0.0; 4];
    all[..N].copy_from_slice(&values);
    all
}
