use super::{Operator, Unflatten};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
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

    fn reach(&self, inputs: &[&Shape], _output: &Shape) -> Reach {
        // The features depend on all pixels of the map.
        match inputs[0].nchw() {
            [_, _, 1, 1] => Reach::Pixel,
            _ => Reach::Whole,
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let shape = backward.input_shape(0);
        if shape.rank() == 2 {
            return Ok(vec![Some(gradient)]);
        }
        let [_, channels, height, width] = shape.nchw();
        let dims = [channels, height, width];
        Ok(vec![Some(backward.node(Unflatten { dims }, &[gradient]))])
    }
}
