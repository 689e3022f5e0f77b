use super::{
    Operator, expect_gradient, expect_inputs, expect_one_input, expect_positive, map_dims,
};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), in PyTorch's
/// terms: `x / (k + alpha / size * sum(x²))^beta`, the sum over the `size` channels around. The
/// paper's alpha is this alpha over `size`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNorm {
    /// Channels summed over: `size / 2` before, `(size - 1) / 2` after.
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
        let read = backward.input(0);
        let node = backward.node(LocalResponseNormBackward(*self), &[gradient, read]);
        Ok(vec![Some(node)])
    }
}

/// The gradient through a [`LocalResponseNorm`]: takes the gradient with respect to its output and what it
/// read. With `d = k + alpha / size * sum(x²)` around each channel it is `g / d^beta` less
/// `2 alpha beta / size * x` times the sum of `g x / d^(beta + 1)` over the channels that `x` counts for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalResponseNormBackward(pub LocalResponseNorm);

impl Operator for LocalResponseNormBackward {
    fn kind(&self) -> &'static str {
        "LocalResponseNormBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        map_dims(inputs[0])?;
        expect_gradient(inputs[1], inputs[0])?;
        Ok(inputs[0].clone())
    }
}
