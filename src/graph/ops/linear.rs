use super::{Operator, Parameter, expect_one_input, expect_positive, products};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// A fully connected layer of `[N, in]` features, as PyTorch's `Linear`.
///
/// Parameters: `weight` `[out, in]` and, with a bias, `bias` `[out]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    /// Features of the input.
    pub in_features: usize,
    /// Features of the output.
    pub out_features: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Linear {
    /// With a bias.
    pub fn new(in_features: usize, out_features: usize) -> Self {
        Self {
            in_features,
            out_features,
            bias: true,
        }
    }

    /// Sets whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }
}

impl Operator for Linear {
    fn kind(&self) -> &'static str {
        "Linear"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[
            ("number of input features", self.in_features),
            ("number of output features", self.out_features),
        ])
    }

    fn parameters(&self) -> Vec<Parameter> {
        let weight = [self.out_features, self.in_features];
        let mut parameters = vec![Parameter::learned("weight", weight)];
        if self.bias {
            parameters.push(Parameter::learned("bias", [self.out_features]));
        }
        parameters
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].dims() {
            [n, features] if *features == self.in_features => {
                Ok(Shape::from([*n, self.out_features]))
            }
            _ => Err(format!(
                "it takes [N, {}], but its input is {}; a network that ends in a classifier of fixed size takes one image size only",
                self.in_features, inputs[0]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }

    fn multiplications(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        products(&[output.len(), self.in_features])
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let node = backward.node(LinearBackward(self.clone()), &[gradient]);
        Ok(vec![Some(node)])
    }
}

/// The gradient of a [`Linear`]: the gradient with respect to the output, `[N, out]`, times the weight:
/// `[N, in]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinearBackward(pub Linear);

impl Operator for LinearBackward {
    fn kind(&self) -> &'static str {
        "LinearBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        self.0.check(inputs)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters().into_iter().take(1).collect()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].dims() {
            [n, features] if *features == self.0.out_features => {
                Ok(Shape::from([*n, self.0.in_features]))
            }
            _ => Err(format!(
                "it takes [N, {}], but its input is {}",
                self.0.out_features, inputs[0]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }

    fn multiplications(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        products(&[output.len(), self.0.out_features])
    }
}
