//! Functions of each element of one value.

use super::super::element_type::ElementType;
use super::attribute::{flag, float, int};
use super::writer::GraphWriter;
use crate::graph::{Activation, Unary};

pub(super) fn activation(writer: &mut GraphWriter, op: Activation) -> String {
    let x = writer.input(0);
    match op {
        Activation::Relu => writer.op("Relu", &[&x], Vec::new()),
        Activation::Relu6 => clip(writer, &x, 0.0, 6.0),
        Activation::LeakyRelu { slope } => {
            writer.op("LeakyRelu", &[&x], vec![float("alpha", slope)])
        }
        Activation::Sigmoid => writer.op("Sigmoid", &[&x], Vec::new()),
        Activation::Tanh => writer.op("Tanh", &[&x], Vec::new()),
        Activation::HardSwish => writer.op("HardSwish", &[&x], Vec::new()),
        Activation::Silu => {
            let gate = writer.op("Sigmoid", &[&x], Vec::new());
            writer.op("Mul", &[&x, &gate], Vec::new())
        }
        // ONNX has had Mish since opset 18.
        Activation::Mish => {
            let gate = writer.op("Softplus", &[&x], Vec::new());
            let gate = writer.op("Tanh", &[&gate], Vec::new());
            writer.op("Mul", &[&x, &gate], Vec::new())
        }
    }
}

pub(super) fn unary(writer: &mut GraphWriter, op: Unary) -> String {
    let x = writer.input(0);
    let x = x.as_str();
    let alpha = |alpha| vec![float("alpha", alpha)];
    match op {
        Unary::Elu { alpha: a } => writer.op("Elu", &[x], alpha(a)),
        Unary::Selu { alpha: a, gamma } => {
            writer.op("Selu", &[x], vec![float("alpha", a), float("gamma", gamma)])
        }
        Unary::Celu { alpha: a } => writer.op("Celu", &[x], alpha(a)),
        Unary::Gelu => gelu(writer, x),
        Unary::GeluTanh => gelu_tanh(writer, x),
        Unary::Erf => writer.op("Erf", &[x], Vec::new()),
        Unary::Softplus => writer.op("Softplus", &[x], Vec::new()),
        Unary::Softsign => writer.op("Softsign", &[x], Vec::new()),
        Unary::HardSigmoid { alpha: a, beta } => writer.op(
            "HardSigmoid",
            &[x],
            vec![float("alpha", a), float("beta", beta)],
        ),
        Unary::Swish { alpha: a } => {
            let scaled = scaled(writer, x, a);
            let gate = writer.op("Sigmoid", &[&scaled], Vec::new());
            writer.op("Mul", &[x, &gate], Vec::new())
        }
        Unary::ThresholdedRelu { alpha: a } => writer.op("ThresholdedRelu", &[x], alpha(a)),
        Unary::Exp => writer.op("Exp", &[x], Vec::new()),
        Unary::Log => writer.op("Log", &[x], Vec::new()),
        Unary::Sqrt => writer.op("Sqrt", &[x], Vec::new()),
        Unary::Pow { exponent } => with_number(writer, "Pow", x, exponent),
        Unary::Abs => writer.op("Abs", &[x], Vec::new()),
        Unary::Neg => writer.op("Neg", &[x], Vec::new()),
        Unary::Floor => writer.op("Floor", &[x], Vec::new()),
        Unary::Ceil => writer.op("Ceil", &[x], Vec::new()),
        Unary::Round => writer.op("Round", &[x], Vec::new()),
        Unary::Sign => writer.op("Sign", &[x], Vec::new()),
        Unary::Sin => writer.op("Sin", &[x], Vec::new()),
        Unary::Cos => writer.op("Cos", &[x], Vec::new()),
        Unary::Tan => writer.op("Tan", &[x], Vec::new()),
        Unary::Asin => writer.op("Asin", &[x], Vec::new()),
        Unary::Acos => writer.op("Acos", &[x], Vec::new()),
        Unary::Atan => writer.op("Atan", &[x], Vec::new()),
        Unary::Sinh => writer.op("Sinh", &[x], Vec::new()),
        Unary::Cosh => writer.op("Cosh", &[x], Vec::new()),
        Unary::Asinh => writer.op("Asinh", &[x], Vec::new()),
        Unary::Acosh => writer.op("Acosh", &[x], Vec::new()),
        Unary::Atanh => writer.op("Atanh", &[x], Vec::new()),
        Unary::Reciprocal => writer.op("Reciprocal", &[x], Vec::new()),
        Unary::Clip { min, max } => clip(writer, x, min, max),
        Unary::Affine { scale, offset } => match (scale, offset) {
            (scale, 0.0) => scaled(writer, x, scale),
            (1.0, offset) => with_number(writer, "Add", x, offset),
            _ => {
                let scaled = scaled(writer, x, scale);
                with_number(writer, "Add", &scaled, offset)
            }
        },
        Unary::Quantize { scale, min, max } => quantized(writer, x, scale, [min, max]),
        Unary::FakeQuantize { scale, min, max } => {
            let steps = quantized(writer, x, scale, [min, max]);
            scaled(writer, &steps, scale)
        }
        Unary::Shrink { lambda, bias } => writer.op(
            "Shrink",
            &[x],
            vec![float("lambd", lambda), float("bias", bias)],
        ),
        Unary::Trunc => trunc(writer, x),
        Unary::IsNan => {
            let is = writer.op("IsNaN", &[x], Vec::new());
            to_float(writer, &is)
        }
        Unary::IsInf { positive, negative } => {
            let signs = vec![
                flag("detect_negative", negative),
                flag("detect_positive", positive),
            ];
            let is = writer.op("IsInf", &[x], signs);
            to_float(writer, &is)
        }
        Unary::Not => {
            let is = with_number(writer, "Equal", x, 0.0);
            to_float(writer, &is)
        }
        Unary::ToBool => {
            let is = to_bool(writer, x);
            to_float(writer, &is)
        }
    }
}

/// An operator with a number as its second value.
fn with_number(writer: &mut GraphWriter, op_type: &str, x: &str, number: f32) -> String {
    let number = writer.number(number);
    writer.op(op_type, &[x, &number], Vec::new())
}

fn scaled(writer: &mut GraphWriter, x: &str, scale: f32) -> String {
    with_number(writer, "Mul", x, scale)
}

/// The number of steps of `scale`, within bounds. `QuantizeLinear` has those of integer types only.
fn quantized(writer: &mut GraphWriter, x: &str, scale: f32, [min, max]: [f32; 2]) -> String {
    let quotient = with_number(writer, "Div", x, scale);
    let steps = writer.op("Round", &[&quotient], Vec::new());
    clip(writer, &steps, min, max)
}

/// Bounds that are infinite are left out.
fn clip(writer: &mut GraphWriter, x: &str, min: f32, max: f32) -> String {
    let [min, max] =
        [(min, f32::NEG_INFINITY), (max, f32::INFINITY)].map(|(bound, none)| match bound == none {
            true => String::new(),
            false => writer.number(bound),
        });
    match max.is_empty() {
        true => writer.op("Clip", &[x, &min], Vec::new()),
        false => writer.op("Clip", &[x, &min, &max], Vec::new()),
    }
}

/// `x * (1 + erf(x / sqrt(2))) / 2`; ONNX has had GELU since opset 20.
fn gelu(writer: &mut GraphWriter, x: &str) -> String {
    let inner = scaled(writer, x, std::f32::consts::FRAC_1_SQRT_2);
    let erf = writer.op("Erf", &[&inner], Vec::new());
    let sum = with_number(writer, "Add", &erf, 1.0);
    let product = writer.op("Mul", &[x, &sum], Vec::new());
    scaled(writer, &product, 0.5)
}

/// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`.
fn gelu_tanh(writer: &mut GraphWriter, x: &str) -> String {
    let cube = with_number(writer, "Pow", x, 3.0);
    let cube = scaled(writer, &cube, 0.044_715);
    let inner = writer.op("Add", &[x, &cube], Vec::new());
    // sqrt(2 / pi)
    let inner = scaled(writer, &inner, 0.797_884_6);
    let tanh = writer.op("Tanh", &[&inner], Vec::new());
    let sum = with_number(writer, "Add", &tanh, 1.0);
    let product = writer.op("Mul", &[x, &sum], Vec::new());
    scaled(writer, &product, 0.5)
}

/// Rounded toward 0.
pub(super) fn trunc(writer: &mut GraphWriter, x: &str) -> String {
    let magnitude = writer.op("Abs", &[x], Vec::new());
    let whole = writer.op("Floor", &[&magnitude], Vec::new());
    let sign = writer.op("Sign", &[x], Vec::new());
    writer.op("Mul", &[&whole, &sign], Vec::new())
}

pub(super) fn to_float(writer: &mut GraphWriter, x: &str) -> String {
    cast(writer, x, ElementType::FLOAT)
}

pub(super) fn to_bool(writer: &mut GraphWriter, x: &str) -> String {
    cast(writer, x, ElementType::BOOL)
}

pub(super) fn cast(writer: &mut GraphWriter, x: &str, to: ElementType) -> String {
    writer.op("Cast", &[x], vec![int("to", i64::from(to.0))])
}
