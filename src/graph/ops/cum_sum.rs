use super::Operator;
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// Sums of all elements up to each one, along the last axis of `[N, C, L]`: PyTorch's `cumsum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CumSum {
    /// Whether an element's own value is left out of its sum.
    pub exclusive: bool,
    /// Whether sums begin at the end.
    pub reverse: bool,
}

impl Operator for CumSum {
    fn kind(&self) -> &'static str {
        "CumSum"
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].rank() {
            3 => Ok(inputs[0].clone()),
            _ => Err(format!(
                "it takes [N, C, L], but its input is {}",
                inputs[0]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }

    /// The sums of the gradients of all elements that have it in their sums.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let back = Self {
            reverse: !self.reverse,
            ..*self
        };
        Ok(vec![Some(backward.node(back, &[gradient]))])
    }
}
