//! Gradients of pooling.

use super::{
    AdaptiveAvgPool2d, Operator, Pool2d, expect_gradient, expect_inputs, expect_positive, map_dims,
};
use crate::tensor::Shape;

/// The gradient of a max [`Pool2d`]. Takes the gradient with respect to the output, the input and the output.
/// All of a window's gradient goes to its maximum, the first of several equal ones, as in PyTorch.
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

/// The gradient of an average [`Pool2d`]: for each pixel, its share of the gradients of the windows that
/// contain it. With the window of a norm ([`PoolKind::Lp`](super::PoolKind::Lp)), each pixel gets the whole
/// gradients, as of a sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AvgPool2dBackward {
    /// The forward operator.
    pub pool: Pool2d,
    /// Height and width of the forward input.
    pub input: [usize; 2],
}

impl Operator for AvgPool2dBackward {
    fn kind(&self) -> &'static str {
        "AvgPool2dBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        self.pool.check(inputs)?;
        expect_map(self.input)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        forward_input_shape(inputs[0], self.input, |input| {
            self.pool.output_shape(&[input])
        })
    }
}

/// The gradient of an [`AdaptiveAvgPool2d`]: for each pixel, its share of the gradients of the bins that
/// contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdaptiveAvgPool2dBackward {
    /// The forward operator.
    pub pool: AdaptiveAvgPool2d,
    /// Height and width of the forward input.
    pub input: [usize; 2],
}

impl Operator for AdaptiveAvgPool2dBackward {
    fn kind(&self) -> &'static str {
        "AdaptiveAvgPool2dBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        self.pool.check(inputs)?;
        expect_map(self.input)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        forward_input_shape(inputs[0], self.input, |input| {
            self.pool.output_shape(&[input])
        })
    }
}

fn expect_map([height, width]: [usize; 2]) -> Result<(), String> {
    expect_positive(&[("input height", height), ("input width", width)])
}

/// The shape of the forward input, checked against the output gradient's.
fn forward_input_shape(
    gradient: &Shape,
    [h, w]: [usize; 2],
    pool: impl Fn(&Shape) -> Result<Shape, String>,
) -> Result<Shape, String> {
    let [n, c, _, _] = map_dims(gradient)?;
    let input = Shape::from([n, c, h, w]);
    expect_gradient(&pool(&input)?, gradient)?;
    Ok(input)
}
