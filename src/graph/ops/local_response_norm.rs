use super::{Operator, expect_one_input, expect_positive, map_dims};
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
}
