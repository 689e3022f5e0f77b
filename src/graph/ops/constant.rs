use super::{Operator, Parameter, expect_inputs};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// A value that is the same in every run: a tensor of the weights, for operators that take values.
///
/// Takes no inputs. Parameter: `weight`, of the value's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The shape of the value.
    pub shape: Shape,
}

impl Operator for Constant {
    fn kind(&self) -> &'static str {
        "Constant"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(0, inputs)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::learned("weight", self.shape.clone())]
    }

    fn output_shape(&self, _inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(self.shape.clone())
    }

    fn backward(
        &self,
        _backward: &mut Backward,
        _gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(Vec::new())
    }
}
