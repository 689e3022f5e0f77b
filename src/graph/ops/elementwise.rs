use super::{Operator, Reduce, ReduceKind, ReduceOver, Unary, expect_inputs};
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
    /// 1 where equal, else 0. Comparisons with NaN are 0.
    Equal,
    /// 1 where `a > b`, else 0.
    Greater,
    /// 1 where `a >= b`, else 0.
    GreaterOrEqual,
    /// 1 where `a < b`, else 0.
    Less,
    /// 1 where `a <= b`, else 0.
    LessOrEqual,
    /// 1 where neither is 0, else 0.
    And,
    /// 0 where both are 0, else 1.
    Or,
    /// 1 where one of them is 0 and the other is not, else 0.
    Xor,
    /// `a - b * floor(a / b)`, with the sign of `b`, as Python's `%`. As for `Fmod`, quotients from 2^24 on lose digits
    /// on a GPU.
    Remainder,
    /// `a - b * trunc(a / b)`, with the sign of `a`, as C's `fmod`.
    Fmod,
    /// `trunc(a / b)`: a division of integers.
    TruncDiv,
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
            Self::Equal => "Equal",
            Self::Greater => "Greater",
            Self::GreaterOrEqual => "GreaterOrEqual",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
            Self::And => "And",
            Self::Or => "Or",
            Self::Xor => "Xor",
            Self::Remainder => "Remainder",
            Self::Fmod => "Fmod",
            Self::TruncDiv => "TruncDiv",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        broadcast(inputs)
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

/// The shape of values that are broadcast to each other.
fn broadcast(inputs: &[&Shape]) -> Result<Shape, String> {
    let shapes = || {
        let shapes: Vec<String> = inputs.iter().map(ToString::to_string).collect();
        format!("its inputs have shapes {}", shapes.join(" and "))
    };
    let mut dims = inputs[0].dims().to_vec();
    for input in &inputs[1..] {
        let fits = input.rank() == dims.len()
            && (dims.iter().zip(input.dims())).all(|(a, b)| a == b || *a == 1 || *b == 1);
        if !fits {
            return Err(format!(
                "{}; they must have the same rank, and along each axis the same extent, or 1",
                shapes()
            ));
        }
        // Where one is 1, it is the other; 0 is kept for shape inference to report.
        for (dim, &own) in dims.iter_mut().zip(input.dims()) {
            if *dim == 1 {
                *dim = own;
            }
        }
    }
    let width = |dims: &[usize]| dims.iter().skip(3).copied().collect::<Vec<usize>>();
    let whole = width(&dims);
    let is_one = |width: &[usize]| width.iter().all(|extent| *extent == 1);
    let mut widths = inputs.iter().map(|input| width(input.dims()));
    match widths.all(|own| own == whole || is_one(&own)) {
        true => Ok(Shape::from(dims)),
        false => Err(format!(
            "{}; broadcasting along some of the axes after the third is not possible: expand the value first",
            shapes()
        )),
    }
}

/// The element of the second value where the first is not 0, that of the third elsewhere: PyTorch's `where`. Each of
/// the three is broadcast as [`Binary`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Where;

impl Operator for Where {
    fn kind(&self) -> &'static str {
        "Where"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(3, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        broadcast(inputs)
    }

    /// The gradient where the value was taken, and 0 elsewhere. The condition has none.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let condition = backward.input(0);
        if backward.input_shape(0) != backward.output_shape() {
            return Err("its gradient is implemented if its condition is not broadcast".to_owned());
        }
        let zeros = Unary::Clip { min: 0.0, max: 0.0 };
        let zeros = backward.node(zeros, &[condition]);
        let mut gradients = vec![None];
        for i in [1, 2] {
            let taken = match i {
                1 => [condition, gradient, zeros],
                _ => [condition, zeros, gradient],
            };
            gradients.push(match backward.needs_gradient(i) {
                true => {
                    let own = backward.node(Self, &taken);
                    Some(gradient_of_input(backward, i, own)?)
                }
                false => None,
            });
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
        _ => Err(format!(
            "its input {i} has the shape {input}, and its output {output}; a gradient is implemented if they are equal or the input is one pixel per image"
        )),
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
