use super::{Flatten, Operator, expect_one_input, expect_positive};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// `[N, C * H * W]`, in NCHW order, to `[N, C, H, W]`, as PyTorch's `Unflatten`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unflatten {
    /// Channels, height and width.
    pub dims: [usize; 3],
}

impl Operator for Unflatten {
    fn kind(&self) -> &'static str {
        "Unflatten"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        let [channels, height, width] = self.dims;
        expect_positive(&[
            ("number of channels", channels),
            ("height", height),
            ("width", width),
        ])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [c, h, w] = self.dims;
        match inputs[0].dims() {
            [n, features] if c.checked_mul(h).and_then(|x| x.checked_mul(w)) == Some(*features) => {
                Ok(Shape::from([*n, c, h, w]))
            }
            _ => Err(format!(
                "it takes [N, {c} * {h} * {w}], but its input is {}",
                inputs[0]
            )),
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(vec![Some(backward.node(Flatten, &[gradient]))])
    }
}
