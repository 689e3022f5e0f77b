use super::{Binary, Flatten, Operator, Rearrange, Reduce, ReduceKind, ReduceOver, Unflatten};
use crate::graph::{Backward, ValueId};
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

    /// `y * (g - sum(g * y))`, for the output `y` and the gradient `g` with respect to it.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let shape = backward.output_shape().clone();
        let map = |backward: &mut Backward, value| -> Result<ValueId, String> {
            Ok(match *shape.dims() {
                [_, _, _, _] => value,
                // Unlike a rearrangement, it does not fix the number of images.
                [_, channels] => {
                    let dims = [channels, 1, 1];
                    backward.node(Unflatten { dims }, &[value])
                }
                _ => backward.node(Rearrange::reshape(shape.clone(), as_map(&shape))?, &[value]),
            })
        };
        let output = backward.output();
        let (y, g) = (map(backward, output)?, map(backward, gradient)?);
        let weighted = backward.node(Binary::Mul, &[g, y]);
        let sum = Reduce {
            kind: ReduceKind::Sum,
            over: ReduceOver::Channels,
        };
        let sum = backward.node(sum, &[weighted]);
        let difference = backward.node(Binary::Sub, &[g, sum]);
        let product = backward.node(Binary::Mul, &[difference, y]);
        let product = match shape.rank() {
            4 => product,
            2 => backward.node(Flatten, &[product]),
            _ => backward.node(Rearrange::reshape(as_map(&shape), shape)?, &[product]),
        };
        Ok(vec![Some(product)])
    }
}

/// The same elements as a map `[N, C, H, W]`.
fn as_map(shape: &Shape) -> Shape {
    Shape::from(shape.nchw())
}
