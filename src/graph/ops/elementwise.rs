use super::{Operator, Reduce, ReduceKind, ReduceOver, expect_inputs};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// An element-wise function of two values of the same rank. Either is broadcast along the axes where its extent is
/// 1, as in NumPy; the output has the larger extents.
///
/// The axes after the third are one in memory. Together, they have to be equal in both values, or all 1 in one of
/// them. Otherwise the value has to be [expanded](super::Rearrange::expand) before.
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
    /// `a` to the power of `b`, as C's `pow`, except that it is NaN if either is NaN: of a negative `a`, NaN
    /// unless `b` is an integer.
    Pow,
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
            Self::Pow => "Pow",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        let pairs = || a.dims().iter().zip(b.dims());
        let fits = a.rank() == b.rank() && pairs().all(|(a, b)| a == b || *a == 1 || *b == 1);
        if !fits {
            return Err(format!(
                "its inputs have shapes {a} and {b}; they must have the same rank, and along each axis the same extent, or 1 in either"
            ));
        }
        let (a_width, b_width) = (&a.dims()[a.rank().min(3)..], &b.dims()[b.rank().min(3)..]);
        let is_one = |width: &[usize]| width.iter().all(|extent| *extent == 1);
        if a_width != b_width && !is_one(a_width) && !is_one(b_width) {
            return Err(format!(
                "its inputs have shapes {a} and {b}; broadcasting along some of the axes after the third is not possible: expand the value first"
            ));
        }
        // Where one is 1, it is the other; 0 is kept for shape inference to report.
        let dims: Vec<usize> = pairs()
            .map(|(a, b)| if *a == 1 { *b } else { *a })
            .collect();
        Ok(Shape::from(dims))
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let inputs = [backward.input(0), backward.input(1)];
        let mut gradients = Vec::with_capacity(2);
        for (i, other) in [(0, inputs[1]), (1, inputs[0])] {
            if !backward.needs_gradient(i) {
                gradients.push(None);
                continue;
            }
            let product = match self {
                Self::Add => gradient,
                Self::Mul => backward.node(Self::Mul, &[gradient, other]),
                _ => {
                    return Err(
                        "its gradient is not implemented; those of Add and Mul are".to_owned()
                    );
                }
            };
            gradients.push(Some(gradient_of_input(backward, i, product)?));
        }
        Ok(gradients)
    }
}

/// The gradient with respect to input `i`, of an output gradient that is already multiplied by the derivative:
/// its sum over the pixels if the input is broadcast over them.
fn gradient_of_input(
    backward: &mut Backward,
    i: usize,
    gradient: ValueId,
) -> Result<ValueId, String> {
    let (input, output) = (backward.input_shape(i), backward.output_shape());
    if input == output {
        return Ok(gradient);
    }
    match (output.dims(), input.dims()) {
        ([n, c, _, _], [m, d, 1, 1]) if (n, c) == (m, d) => {
            let sum = Reduce {
                kind: ReduceKind::Sum,
                over: ReduceOver::Space,
            };
            Ok(backward.node(sum, &[gradient]))
        }
        _ => {
            let (a, b) = (backward.input_shape(0), backward.input_shape(1));
            Err(format!(
                "its inputs have shapes {a} and {b}; a gradient is implemented if they are equal or one of them is one pixel per image"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(a: &[usize], b: &[usize]) -> Result<Shape, String> {
        Binary::Add.output_shape(&[&Shape::from(a), &Shape::from(b)])
    }

    #[test]
    fn shapes_are_broadcast_as_in_numpy() {
        for (a, b, expected) in [
            (&[2, 3][..], &[2, 1][..], &[2, 3][..]),
            (&[1, 3, 1, 5], &[2, 1, 4, 1], &[2, 3, 4, 5]),
            (&[5], &[1], &[5]),
            (&[], &[], &[]),
            (&[1, 1, 7], &[2, 3, 1], &[2, 3, 7]),
            // The axes after the third are equal, or all 1 in one.
            (&[1, 3, 1, 5, 6], &[2, 1, 4, 5, 6], &[2, 3, 4, 5, 6]),
            (&[1, 3, 1, 1, 1], &[2, 1, 4, 5, 6], &[2, 3, 4, 5, 6]),
            (&[2, 3, 4, 5, 6], &[2, 3, 4, 1, 1], &[2, 3, 4, 5, 6]),
        ] {
            assert_eq!(infer(a, b), Ok(Shape::from(expected)));
            assert_eq!(infer(b, a), Ok(Shape::from(expected)));
        }
        for (a, b) in [
            (&[2, 3][..], &[2, 2][..]),
            (&[2, 3], &[3]),
            (&[2, 0], &[2, 3]),
        ] {
            assert!(infer(a, b).unwrap_err().contains("same extent"));
            assert!(infer(b, a).unwrap_err().contains("same extent"));
        }
        for (a, b) in [
            (&[2, 3, 4, 5, 1][..], &[2, 3, 4, 5, 6][..]),
            (&[2, 3, 4, 5, 1], &[2, 3, 4, 1, 6]),
        ] {
            let error = infer(a, b).unwrap_err();
            assert!(error.contains("expand the value first"), "{error}");
            assert!(infer(b, a).is_err());
        }
    }
}
