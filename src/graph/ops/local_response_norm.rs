use super::{
    Operator, expect_gradient, expect_inputs, expect_one_input, expect_positive, map_dims,
};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Local response normalization across channels (Krizhevsky et al. 2012, section 3.3), in PyTorch's
/// parameters: `x / (k + alpha / size * sum(x²))^beta`, where the sum is over a window of `size` channels
/// around each channel. The paper's alpha is this alpha divided by `size`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Channels of the window: `size / 2` before the channel and `(size - 1) / 2` after it.
    pub size: usize,
    /// See the formula.
    pub alpha: f64,
    /// See the formula.
    pub beta: f64,
    /// See the formula.
    pub k: f64,
}

impl LocalResponseNorm {
    /// With PyTorch's defaults: alpha 1e-4, beta 0.75, k 1.
    pub fn new(size: usize) -> Self {
        Self {
            size,
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
        }
    }
}

impl Operator for LocalResponseNorm {
    fn kind(&self) -> &'static str {
        "LocalResponseNorm"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[("size", self.size)])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        map_dims(inputs[0])?;
        Ok(inputs[0].clone())
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let input = backward.input(0);
        let node = backward.node(LocalResponseNormBackward(*self), &[gradient, input]);
        Ok(vec![Some(node)])
    }
}

/// The gradient of a [`LocalResponseNorm`]. Takes the gradient `g` with respect to the output, and the input
/// `x`. With `d = k + alpha / size * sum(x²)` over the window of each channel, it is `g / d^beta` minus
/// `2 alpha beta / size * x` times the sum of `g x / d^(beta + 1)` over the channels whose windows contain
/// `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNormBackward(pub LocalResponseNorm);

impl Operator for LocalResponseNormBackward {
    fn kind(&self) -> &'static str {
        "LocalResponseNormBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)?;
        self.0.check(1)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        map_dims(inputs[0])?;
        expect_gradient(inputs[1], inputs[0])?;
        Ok(inputs[0].clone())
    }
}
