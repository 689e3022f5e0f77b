use super::{Operator, Parameter, per_channel_shape};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Batch normalization with running statistics (Ioffe and Szegedy 2015):
/// `weight * (x - running_mean) / sqrt(running_var + eps) + bias` for each channel.
///
/// Takes `[N, C, H, W]` or `[N, C]`. Parameters: `weight`, `bias`, `running_mean`, `running_var`,
/// each `[C]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm2d {
    /// Channels of the input.
    pub channels: usize,
    /// Added to the variance. 1e-5 in PyTorch, 1e-3 in TensorFlow.
    pub eps: f64,
}

impl BatchNorm2d {
    /// With PyTorch's epsilon, 1e-5.
    pub fn new(channels: usize) -> Self {
        Self {
            channels,
            eps: 1e-5,
        }
    }

    /// Sets the epsilon.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }
}

impl Operator for BatchNorm2d {
    fn kind(&self) -> &'static str {
        "BatchNorm2d"
    }

    fn parameters(&self) -> Vec<Parameter> {
        let shape = [self.channels];
        vec![
            Parameter::learned("weight", shape),
            Parameter::learned("bias", shape),
            Parameter::statistic("running_mean", shape),
            Parameter::statistic("running_var", shape),
        ]
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        per_channel_shape(self.channels, inputs[0])
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let node = backward.node(BatchNorm2dBackward(self.clone()), &[gradient]);
        Ok(vec![Some(node)])
    }
}

/// The gradient of a [`BatchNorm2d`]: for each channel, `weight / sqrt(running_var + eps)` times the
/// gradient with respect to the output.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm2dBackward(pub BatchNorm2d);

impl Operator for BatchNorm2dBackward {
    fn kind(&self) -> &'static str {
        "BatchNorm2dBackward"
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        self.0.output_shape(inputs)
    }
}
