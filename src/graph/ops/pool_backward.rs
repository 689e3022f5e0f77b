//! Gradients through pooling.

use super::{
    AdaptiveAvgPool2d, Operator, Pool2d, expect_gradient, expect_inputs, expect_one_input, map_dims,
};
use crate::tensor::Shape;

/// The gradient through a max [`Pool2d`]: takes the gradient with respect to its output, what it read and
/// what it answered. All of a window's gradient goes to its maximum, the first where there are several, as
/// PyTorch's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaxPool2dBackward(pub Pool2d);

impl Operator for MaxPool2dBackward {
    fn kind(&self) -> &'static str {
        "MaxPool2dBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(3, inputs)?;
        self.0.check(1)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let output = self.0.output_shape(&inputs[1..2])?;
        expect_gradient(&output, inputs[0])?;
        expect_gradient(&output, inputs[2])?;
        Ok(inputs[1].clone())
    }
}

/// The gradient through an average [`Pool2d`]: every pixel's share of the windows that saw it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AvgPool2dBackward {
    /// What went forth.
    pub pool: Pool2d,
    /// Height and width of what it read.
    pub input: [usize; 2],
}

impl Operator for AvgPool2dBackward {
    fn kind(&self) -> &'static str {
        "AvgPool2dBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        self.pool.check(inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        before_pooling(inputs[0], self.input, |input| {
            self.pool.output_shape(&[input])
        })
    }
}

/// The gradient through an [`AdaptiveAvgPool2d`]: every pixel's share of the bins that it was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdaptiveAvgPool2dBackward {
    /// What went forth.
    pub pool: AdaptiveAvgPool2d,
    /// Height and width of what it read.
    pub input: [usize; 2],
}

impl Operator for AdaptiveAvgPool2dBackward {
    fn kind(&self) -> &'static str {
        "AdaptiveAvgPool2dBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        self.pool.check(inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        before_pooling(inputs[0], self.input, |input| {
            self.pool.output_shape(&[input])
        })
    }
}

/// The shape of what was pooled to `gradient`'s.
fn before_pooling(
    gradient: &Shape,
    [h, w]: [usize; 2],
    pool: impl Fn(&Shape) -> Result<Shape, String>,
) -> Result<Shape, String> {
    let [n, c, _, _] = map_dims(gradient)?;
    let input = Shape::from([n, c, h, w]);
    expect_gradient(&pool(&input)?, gradient)?;
    Ok(input)
}
