use super::Operator;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// One-hot argmax over the channels, dimension 1 of `[N, C]` or `[N, C, H, W]`: 1 at the largest channel and
/// 0 at the others, as ONNX's `Hardmax`. Of several equal ones, the first is taken. NaN compares larger
/// than any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hardmax;

impl Operator for Hardmax {
    fn kind(&self) -> &'static str {
        "Hardmax"
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].rank() {
            2.. => Ok(inputs[0].clone()),
            _ => Err(format!(
                "it takes [N, C, …], but its input is {}",
                inputs[0]
            )),
        }
    }

    /// It is constant in pieces.
    fn backward(
        &self,
        _backward: &mut Backward,
        _gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(vec![None])
    }
}
