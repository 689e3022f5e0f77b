use super::Operator;
use crate::tensor::Shape;

/// `exp(x) / sum(exp(x))` over the channels, dimension 1 of `[N, C]` or `[N, C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Softmax;

impl Operator for Softmax {
    fn kind(&self) -> &'static str {
        "Softmax"
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
}
