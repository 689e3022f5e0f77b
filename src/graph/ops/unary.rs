use super::activation::rectified;
use super::{Operator, expect_gradient, expect_inputs, expect_one_input};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// An element-wise function of a value of any shape, defined as in ONNX; [`Activation`](super::Activation) has
/// those that are fused into other operators. NaN gives NaN in all but those that return booleans, 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Unary {
    /// `x` where positive, `alpha * (exp(x) - 1)` elsewhere (Clevert et al. 2016).
    Elu {
        /// The limit for negative values is `-alpha`: 1 by default.
        alpha: f32,
    },
    /// `gamma * x` where positive, `gamma * alpha * (exp(x) - 1)` elsewhere (Klambauer et al. 2017).
    Selu {
        /// 1.6732632 by default.
        alpha: f32,
        /// 1.0507010 by default.
        gamma: f32,
    },
    /// `x` where positive, `alpha * (exp(x / alpha) - 1)` elsewhere (Barron 2017).
    Celu {
        /// The limit for negative values is `-alpha`: 1 by default. Not 0.
        alpha: f32,
    },
    /// `x * (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU by its approximation `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`.
    GeluTanh,
    /// The error function.
    Erf,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `x / (1 + abs(x))`.
    Softsign,
    /// `min(max(alpha * x + beta, 0), 1)`.
    HardSigmoid {
        /// The slope: 0.2 by default in ONNX, 1/6 in PyTorch.
        alpha: f32,
        /// The value at 0: 0.5 by default.
        beta: f32,
    },
    /// `x * sigmoid(alpha * x)` (Ramachandran et al. 2017).
    Swish {
        /// 1 by default.
        alpha: f32,
    },
    /// `x` where above `alpha`, 0 elsewhere.
    ThresholdedRelu {
        /// The threshold: 1 by default.
        alpha: f32,
    },
    /// The exponential.
    Exp,
    /// The natural logarithm; NaN for negative values.
    Log,
    /// The square root; NaN for negative values.
    Sqrt,
    /// `x` to the power of `exponent`, as C's `pow` but for NaN: of negative values, NaN unless the exponent is an
    /// integer.
    Pow {
        /// The exponent.
        exponent: f32,
    },
    /// The absolute value.
    Abs,
    /// `-x`.
    Neg,
    /// The nearest integer that is not larger.
    Floor,
    /// The nearest integer that is not smaller.
    Ceil,
    /// The nearest integer; the even one of two.
    Round,
    /// -1, 0 or 1.
    Sign,
    /// The sine. From about 1e5 on, values in -1..1 without meaning, as arguments are too coarse.
    Sin,
    /// The cosine. As for [`Sin`](Self::Sin).
    Cos,
    /// The tangent. As for [`Sin`](Self::Sin).
    Tan,
    /// The inverse of the sine; NaN beyond -1..1.
    Asin,
    /// The inverse of the cosine; NaN beyond -1..1.
    Acos,
    /// The inverse of the tangent.
    Atan,
    /// The hyperbolic sine.
    Sinh,
    /// The hyperbolic cosine.
    Cosh,
    /// The inverse of the hyperbolic sine.
    Asinh,
    /// The inverse of the hyperbolic cosine; NaN below 1.
    Acosh,
    /// The inverse of the hyperbolic tangent; NaN beyond -1..1.
    Atanh,
    /// `1 / x`.
    Reciprocal,
    /// `min(max(x, min), max)`. Bounds may be infinite. If `min` is above `max`, it is `max`.
    Clip {
        /// The lower bound.
        min: f32,
        /// The upper bound.
        max: f32,
    },
    /// `scale * x + offset`.
    Affine {
        /// The factor.
        scale: f32,
        /// What is added.
        offset: f32,
    },
    /// `min(max(round(x / scale), min), max)`, a whole number: ONNX's `QuantizeLinear` before the zero point is added,
    /// by which the bounds are less. Of two integers that are equally near, `round` is the even one.
    Quantize {
        /// The step between neighboring numbers, above 0.
        scale: f32,
        /// The lower bound.
        min: f32,
        /// The upper bound.
        max: f32,
    },
    /// [`Quantize`](Self::Quantize) times `scale`: PyTorch's `fake_quantize_per_tensor_affine`.
    FakeQuantize {
        /// As in [`Quantize`](Self::Quantize).
        scale: f32,
        /// The lower bound, in steps.
        min: f32,
        /// The upper bound, in steps.
        max: f32,
    },
    /// `x + bias` below `-lambda`, `x - bias` above `lambda`, 0 between.
    Shrink {
        /// The threshold: 0.5 by default.
        lambda: f32,
        /// What magnitudes are reduced by: 0 by default.
        bias: f32,
    },
    /// The integer part: rounded toward 0.
    Trunc,
    /// 1 for NaN, else 0.
    IsNan,
    /// 1 for infinity, else 0.
    IsInf {
        /// Whether the positive one counts.
        positive: bool,
        /// Whether the negative one counts.
        negative: bool,
    },
    /// 1 for 0, else 0.
    Not,
    /// 0 for 0, else 1.
    ToBool,
}

impl Unary {
    /// The parameters, each with its name.
    fn settings(self) -> Vec<(&'static str, f32)> {
        match self {
            Self::Elu { alpha }
            | Self::Celu { alpha }
            | Self::Swish { alpha }
            | Self::ThresholdedRelu { alpha } => vec![("alpha", alpha)],
            Self::Selu { alpha, gamma } => vec![("alpha", alpha), ("gamma", gamma)],
            Self::HardSigmoid { alpha, beta } => vec![("alpha", alpha), ("beta", beta)],
            Self::Pow { exponent } => vec![("exponent", exponent)],
            Self::Clip { min, max } => vec![("minimum", min), ("maximum", max)],
            Self::Quantize { scale, min, max } | Self::FakeQuantize { scale, min, max } => {
                vec![("scale", scale), ("minimum", min), ("maximum", max)]
            }
            Self::Affine { scale, offset } => vec![("scale", scale), ("offset", offset)],
            Self::Shrink { lambda, bias } => vec![("lambda", lambda), ("bias", bias)],
            Self::Gelu
            | Self::GeluTanh
            | Self::Erf
            | Self::Softplus
            | Self::Softsign
            | Self::Exp
            | Self::Log
            | Self::Sqrt
            | Self::Abs
            | Self::Neg
            | Self::Floor
            | Self::Ceil
            | Self::Round
            | Self::Sign
            | Self::Sin
            | Self::Cos
            | Self::Tan
            | Self::Asin
            | Self::Acos
            | Self::Atan
            | Self::Sinh
            | Self::Cosh
            | Self::Asinh
            | Self::Acosh
            | Self::Atanh
            | Self::Trunc
            | Self::IsNan
            | Self::IsInf { .. }
            | Self::Not
            | Self::ToBool
            | Self::Reciprocal => Vec::new(),
        }
    }

    fn check_settings(self) -> Result<(), String> {
        let may_be_infinite = matches!(self, Self::Clip { .. });
        for (name, value) in self.settings() {
            if value.is_nan() || (value.is_infinite() && !may_be_infinite) {
                return Err(format!(
                    "its {name} is {value}, which is not a number it takes"
                ));
            }
        }
        match self {
            Self::Celu { alpha: 0.0 } => Err("its alpha is 0, by which it would divide".to_owned()),
            Self::Quantize { scale, .. } | Self::FakeQuantize { scale, .. } if scale <= 0.0 => {
                Err(format!("its scale is {scale}, which is not above 0"))
            }
            Self::Quantize { min, max, .. } | Self::FakeQuantize { min, max, .. } if min > max => {
                Err(format!("its minimum {min} is above its maximum {max}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is a rectifier: unbounded for positive inputs, and near 0 or bounded for negative ones.
    fn is_rectifier(self) -> bool {
        matches!(
            self,
            Self::Elu { .. }
                | Self::Selu { .. }
                | Self::Celu { .. }
                | Self::Gelu
                | Self::GeluTanh
                | Self::Softplus
                | Self::Swish { .. }
                | Self::ThresholdedRelu { .. }
        )
    }

    /// Whether it is constant in pieces, so that nothing is propagated through it: PyTorch's gradient of 0.
    fn is_constant_in_pieces(self) -> bool {
        matches!(
            self,
            Self::Floor
                | Self::Ceil
                | Self::Round
                | Self::Sign
                | Self::Trunc
                | Self::Quantize { .. }
        ) || self.is_predicate()
    }

    /// Whether it returns booleans, 0 and 1, for NaN as well.
    pub(crate) fn is_predicate(self) -> bool {
        matches!(
            self,
            Self::IsNan | Self::IsInf { .. } | Self::Not | Self::ToBool
        )
    }
}

impl Operator for Unary {
    fn kind(&self) -> &'static str {
        match self {
            Self::Elu { .. } => "ELU",
            Self::Selu { .. } => "SELU",
            Self::Celu { .. } => "CELU",
            Self::Gelu | Self::GeluTanh => "GELU",
            Self::Erf => "Erf",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::HardSigmoid { .. } => "Hardsigmoid",
            Self::Swish { .. } => "Swish",
            Self::ThresholdedRelu { .. } => "Threshold",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Pow { .. } => "Pow",
            Self::Abs => "Abs",
            Self::Neg => "Neg",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Sign => "Sign",
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::Tan => "Tan",
            Self::Asin => "Asin",
            Self::Acos => "Acos",
            Self::Atan => "Atan",
            Self::Sinh => "Sinh",
            Self::Cosh => "Cosh",
            Self::Asinh => "Asinh",
            Self::Acosh => "Acosh",
            Self::Atanh => "Atanh",
            Self::Reciprocal => "Reciprocal",
            Self::Clip { .. } => "Clamp",
            Self::Affine { .. } => "Affine",
            Self::Quantize { .. } => "Quantize",
            Self::FakeQuantize { .. } => "FakeQuantize",
            Self::Shrink { .. } => "Shrink",
            Self::Trunc => "Trunc",
            Self::IsNan => "IsNaN",
            Self::IsInf { .. } => "IsInf",
            Self::Not => "Not",
            Self::ToBool => "ToBool",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        self.check_settings()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        if self.is_constant_in_pieces() {
            return Ok(vec![None]);
        }
        let propagated = rectified(backward, gradient, self.is_rectifier());
        if propagated.is_final {
            return Ok(vec![Some(propagated.gradient)]);
        }
        let input = backward.input(0);
        let node = backward.node(UnaryBackward(*self), &[propagated.gradient, input]);
        Ok(vec![Some(node)])
    }
}

/// The gradient of a [`Unary`] function. Takes the gradient with respect to the output and, of the same shape,
/// the input. At kinks it is that of the smaller input, as in PyTorch; that of a clip is 1 at its bounds. That of a
/// function that is constant in pieces is 0, but that of a fake quantization is 1 within its bounds, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnaryBackward(pub Unary);

impl Operator for UnaryBackward {
    fn kind(&self) -> &'static str {
        "UnaryBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)?;
        self.0.check_settings()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        expect_gradient(inputs[1], inputs[0])?;
        Ok(inputs[0].clone())
    }
}
