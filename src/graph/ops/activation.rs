use super::{Operator, expect_gradient, expect_inputs};
use crate::graph::{Backward, GradientRule, ValueId};
use crate::tensor::Shape;

/// An element-wise function of a value of any shape. NaN gives NaN in all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x` where positive, `slope * x` elsewhere.
    LeakyRelu {
        /// The slope for negative values: 0.01 in PyTorch, 0.1 in Darknet.
        slope: f32,
    },
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x * min(max(x + 3, 0), 6) / 6` (Howard et al. 2019).
    HardSwish,
    /// `x * sigmoid(x)`, also called swish (Ramachandran et al. 2017).
    Silu,
    /// `x * tanh(ln(1 + exp(x)))` (Misra 2019).
    Mish,
}

impl Activation {
    /// Whether the derivative can be computed from the output, which is available even where the
    /// activation is fused. Otherwise it is computed from the input.
    fn derives_from_output(self) -> bool {
        !matches!(self, Self::HardSwish | Self::Silu | Self::Mish)
    }
}

impl Operator for Activation {
    fn kind(&self) -> &'static str {
        match self {
            Self::Relu => "ReLU",
            Self::Relu6 => "ReLU6",
            Self::LeakyRelu { .. } => "LeakyReLU",
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::HardSwish => "Hardswish",
            Self::Silu => "SiLU",
            Self::Mish => "Mish",
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let Propagated { gradient, is_final } = rectified(backward, gradient, self.is_rectifier());
        if is_final {
            return Ok(vec![Some(gradient)]);
        }
        let value = match self.derives_from_output() {
            true => backward.output(),
            false => backward.input(0),
        };
        let node = backward.node(ActivationBackward(*self), &[gradient, value]);
        Ok(vec![Some(node)])
    }
}

/// What a function propagates under a [`GradientRule`].
pub(super) struct Propagated {
    pub gradient: ValueId,
    /// Whether it is the gradient with respect to the input, as it is. Otherwise the derivative is missing.
    pub is_final: bool,
}

/// Applies the rule for rectifiers to the gradient with respect to the output of one.
pub(super) fn rectified(
    backward: &mut Backward,
    gradient: ValueId,
    is_rectifier: bool,
) -> Propagated {
    let rule = backward.rule();
    let gradient = match rule {
        GradientRule::Guided | GradientRule::Deconvnet if is_rectifier => {
            backward.node(Activation::Relu, &[gradient])
        }
        _ => gradient,
    };
    Propagated {
        gradient,
        is_final: is_rectifier && rule == GradientRule::Deconvnet,
    }
}

/// The gradient of an [`Activation`]. Takes the gradient with respect to the output and, of the same shape,
/// the output (for Hardswish, SiLU and Mish, the input). At the kinks of ReLU and ReLU6 it is 0, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActivationBackward(pub Activation);

impl Operator for ActivationBackward {
    fn kind(&self) -> &'static str {
        "ActivationBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        expect_gradient(inputs[1], inputs[0])?;
        Ok(inputs[0].clone())
    }
}
