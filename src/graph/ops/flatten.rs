use super::Operator;
use crate::tensor::Shape;

/// `[N, …]` to `[N, F]`, in NCHW order, as `torch.flatten(x, 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flatten;

impl Operator for Flatten {
    fn kind(&self) -> &'static str {
        "Flatten"
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].dims() {
            [n, rest @ ..] if !rest.is_empty() => Ok(Shape::from([*n, Shape::from(rest).len()])),
            _ => Err(format!("it takes [N, …], but its input is {}", inputs[0])),
        }
    }
}
