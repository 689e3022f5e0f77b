use super::sum_to::sum_to;
use super::{Operator, Unary, expect_inputs};
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
        let mut gradients = vec![None, None];
        for (i, slot) in gradients.iter_mut().enumerate() {
            if !backward.needs_gradient(i) {
                continue;
            }
            let Some(product) = self.product(backward, gradient, i) else {
                continue;
            };
            let (from, to) = (backward.output_shape(), backward.input_shape(i));
            let (from, to) = (from.clone(), to.clone());
            *slot = Some(sum_to(backward, product, &from, &to)?);
        }
        Ok(gradients)
    }
}

impl Binary {
    /// The gradient times the derivative with respect to input `i`; `None` where that is 0 or does not exist.
    fn product(self, backward: &mut Backward, gradient: ValueId, i: usize) -> Option<ValueId> {
        let (a, b) = (backward.input(0), backward.input(1));
        let negated = |backward: &mut Backward, value| backward.node(Unary::Neg, &[value]);
        let is_first = i == 0;
        let product = match self {
            Self::Add => gradient,
            Self::Sub if is_first => gradient,
            Self::Sub => negated(backward, gradient),
            Self::Mul => backward.node(Self::Mul, &[gradient, if is_first { b } else { a }]),
            Self::Div if is_first => backward.node(Self::Div, &[gradient, b]),
            Self::Div => {
                let output = backward.output();
                let share = backward.node(Self::Div, &[output, b]);
                let product = backward.node(Self::Mul, &[gradient, share]);
                negated(backward, product)
            }
            // Half of it to each where both are equal, as in PyTorch.
            Self::Max | Self::Min => {
                let wins = match (self, is_first) {
                    (Self::Max, true) | (Self::Min, false) => [a, b],
                    _ => [b, a],
                };
                let above = backward.node(Self::Greater, &wins);
                let not_below = backward.node(Self::GreaterOrEqual, &wins);
                let both = backward.node(Self::Add, &[above, not_below]);
                let half = Unary::Affine {
                    scale: 0.5,
                    offset: 0.0,
                };
                let share = backward.node(half, &[both]);
                backward.node(Self::Mul, &[gradient, share])
            }
            // b * a^(b - 1).
            Self::Pow if is_first => {
                let less = Unary::Affine {
                    scale: 1.0,
                    offset: -1.0,
                };
                let exponent = backward.node(less, &[b]);
                let power = backward.node(Self::Pow, &[a, exponent]);
                let derivative = backward.node(Self::Mul, &[power, b]);
                backward.node(Self::Mul, &[gradient, derivative])
            }
            // a^b * ln(a), and 0 where a is 0.
            Self::Pow => {
                let output = backward.output();
                let log = backward.node(Unary::Log, &[a]);
                let derivative = backward.node(Self::Mul, &[output, log]);
                let product = backward.node(Self::Mul, &[gradient, derivative]);
                let zeros = backward.node(Unary::Clip { min: 0.0, max: 0.0 }, &[gradient]);
                backward.node(Where, &[a, product, zeros])
            }
            Self::Remainder | Self::Fmod if is_first => gradient,
            // The negative quotient, which is constant in pieces.
            Self::Remainder | Self::Fmod => {
                let quotient = backward.node(Self::Div, &[a, b]);
                let whole = match self {
                    Self::Remainder => Unary::Floor,
                    _ => Unary::Trunc,
                };
                let whole = backward.node(whole, &[quotient]);
                let product = backward.node(Self::Mul, &[gradient, whole]);
                negated(backward, product)
            }
            Self::Equal
            | Self::Greater
            | Self::GreaterOrEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::And
            | Self::Or
            | Self::Xor
            | Self::TruncDiv => return None,
        };
        Some(product)
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
                    let (from, to) = (backward.output_shape(), backward.input_shape(i));
                    let (from, to) = (from.clone(), to.clone());
                    Some(sum_to(backward, own, &from, &to)?)
                }
                false => None,
            });
        }
        Ok(gradients)
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
