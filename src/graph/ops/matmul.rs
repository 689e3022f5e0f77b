use super::sum_to::sum_to;
use super::{Operator, Rearrange, expect_inputs, products};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Products of two values' matrices, as PyTorch's `bmm`: `[B, M, K]` times `[B, K, N]` gives `[B, M, N]`. Either B may
/// be 1, for one matrix that is multiplied with all of the other's.
///
/// For a matrix that is a parameter, there is [`Linear`](super::Linear).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatMul;

impl Operator for MatMul {
    fn kind(&self) -> &'static str {
        "MatMul"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let (a, b) = (inputs[0], inputs[1]);
        match (a.dims(), b.dims()) {
            (&[batch_a, m, k], &[batch_b, rows, n])
                if k == rows && (batch_a == batch_b || batch_a == 1 || batch_b == 1) =>
            {
                Ok(Shape::from([batch_a.max(batch_b), m, n]))
            }
            _ => Err(format!(
                "it takes [B, M, K] and [B, K, N], where either B may be 1, but its inputs are {a} and {b}"
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }

    fn multiplications(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        let inner = inputs[0].dims().last().copied().unwrap_or(1);
        products(&[output.len(), inner])
    }

    /// The gradient times the transpose of the other matrix.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let shapes = [0, 1].map(|i| backward.input_shape(i).clone());
        let inputs = [0, 1].map(|i| backward.input(i));
        let mut gradients = vec![None, None];
        for (i, slot) in gradients.iter_mut().enumerate() {
            if !backward.needs_gradient(i) {
                continue;
            }
            let other = 1 - i;
            let order = Rearrange::transpose(&shapes[other], &[0, 2, 1])?;
            let transposed = backward.node(order, &[inputs[other]]);
            let factors = match i {
                0 => [gradient, transposed],
                _ => [transposed, gradient],
            };
            let product = backward.node(Self, &factors);
            // One matrix that was multiplied with all has the sum of the gradients.
            let mut dims = shapes[i].dims().to_vec();
            dims[0] = backward.output_shape().dims()[0];
            *slot = Some(sum_to(backward, product, &Shape::from(dims), &shapes[i])?);
        }
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_products() {
        let infer =
            |a: &[usize], b: &[usize]| MatMul.output_shape(&[&Shape::from(a), &Shape::from(b)]);
        assert_eq!(infer(&[2, 3, 4], &[2, 4, 5]), Ok(Shape::from([2, 3, 5])));
        assert_eq!(infer(&[1, 3, 4], &[2, 4, 5]), Ok(Shape::from([2, 3, 5])));
        assert_eq!(infer(&[2, 3, 4], &[1, 4, 5]), Ok(Shape::from([2, 3, 5])));
        for (a, b) in [
            (&[2, 3, 4][..], &[2, 5, 4][..]),
            (&[2, 3, 4], &[3, 4, 5]),
            (&[3, 4], &[4, 5]),
        ] {
            assert!(infer(a, b).unwrap_err().contains("[B, M, K]"));
        }
    }
}
