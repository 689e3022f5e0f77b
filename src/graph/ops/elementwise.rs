use super::{Operator, Reduce, ReduceKind, ReduceOver, expect_inputs};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// An element-wise function of two values of the same shape. The second is broadcast where its batch,
/// height or width is 1, as for the scales of squeeze-and-excite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The larger; NaN if either is NaN.
    Max,
    /// The smaller; NaN if either is NaN.
    Min,
}

impl Operator for Binary {
    fn kind(&self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Max => "Maximum",
            Self::Min => "Minimum",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        let fits = a.rank() == b.rank()
            && a.rank() >= 2
            && (a.dims().iter().zip(b.dims()).enumerate())
                .all(|(i, (a, b))| a == b || (i != 1 && *b == 1));
        if !fits {
            return Err(format!(
                "its inputs have shapes {a} and {b}; they must be equal, except that the second may be 1 in batch, height or width"
            ));
        }
        Ok(a.clone())
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let (a, b) = (backward.input(0), backward.input(1));
        match self {
            Self::Add => {
                let second = gradient_of_second(backward, gradient)?;
                Ok(vec![Some(gradient), second])
            }
            Self::Mul => {
                let first =
                    (backward.needs_gradient(0)).then(|| backward.node(Self::Mul, &[gradient, b]));
                let second = match backward.needs_gradient(1) {
                    true => {
                        let product = backward.node(Self::Mul, &[gradient, a]);
                        gradient_of_second(backward, product)?
                    }
                    false => None,
                };
                Ok(vec![first, second])
            }
            _ => Err("its gradient is not implemented; those of Add and Mul are".to_owned()),
        }
    }
}

/// The gradient with respect to the second input, of an output gradient that is already multiplied by the
/// derivative: its sum over the pixels if the second input is broadcast over them.
fn gradient_of_second(
    backward: &mut Backward,
    gradient: ValueId,
) -> Result<Option<ValueId>, String> {
    if !backward.needs_gradient(1) {
        return Ok(None);
    }
    let (a, b) = (backward.input_shape(0), backward.input_shape(1));
    if a == b {
        return Ok(Some(gradient));
    }
    match (a.dims(), b.dims()) {
        ([n, _, _, _], [m, _, 1, 1]) if n == m => {
            let sum = Reduce {
                kind: ReduceKind::Sum,
                over: ReduceOver::Space,
            };
            Ok(Some(backward.node(sum, &[gradient])))
        }
        _ => Err(format!(
            "its inputs have shapes {a} and {b}; a gradient is implemented if they are equal or the second is one pixel per image"
        )),
    }
}
