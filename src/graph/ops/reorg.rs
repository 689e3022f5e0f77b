use super::{Factor, Operator, Rearrange, expect_one_input, expect_positive, map_dims};
use crate::graph::{Backward, Reach, ValueId};
use crate::tensor::Shape;

/// Space-to-depth in the order of Darknet's `reorg` layer (YOLOv2): `[N, C, H, W]` to
/// `[N, C s², H / s, W / s]`. The order of the elements differs from PyTorch's `PixelUnshuffle` and ONNX's
/// `SpaceToDepth`. In PyTorch:
///
/// ```text
/// x.reshape(N, C / s², H, s, W, s).permute(0, 3, 5, 1, 2, 4).reshape(N, C s², H / s, W / s)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reorg {
    /// The factor `s` by which height and width are divided.
    pub stride: usize,
}

impl Reorg {
    /// The same for a map of this shape.
    fn rearrange(&self, input: &Shape, output: &Shape) -> Result<Rearrange, String> {
        let ([n, c, h, w], s) = (input.nchw(), self.stride);
        // The digits of the input's index, as in the formula above, and which of them is the output's next.
        let extents = [n, c / (s * s), h, s, w, s];
        let mut strides = [1; 6];
        for i in (0..5).rev() {
            strides[i] = strides[i + 1] * extents[i + 1];
        }
        let factors = [0, 3, 5, 1, 2, 4].map(|digit| Factor {
            extent: extents[digit],
            // Below the number of elements, which shape inference has counted.
            stride: strides[digit] as isize,
        });
        Rearrange::new(input.clone(), output.clone(), factors.to_vec(), 0)
    }
}

impl Operator for Reorg {
    fn kind(&self) -> &'static str {
        "Reorg"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[("stride", self.stride)])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        let s = self.stride;
        // Too large a product saturates to the largest integer, which shape inference rejects.
        let square = s.saturating_mul(s);
        if !c.is_multiple_of(square) || !h.is_multiple_of(s) || !w.is_multiple_of(s) {
            return Err(format!(
                "its input {} must have a multiple of {square} channels, and a height and width that are multiples of {s}",
                inputs[0],
            ));
        }
        Ok(Shape::from([n, c.saturating_mul(square), h / s, w / s]))
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Window {
            size: [self.stride; 2],
            stride: [self.stride; 2],
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let (input, output) = (backward.input_shape(0), backward.output_shape());
        let inverse =
            (self.rearrange(input, output)?.inverse()).ok_or("its elements cannot be put back")?;
        Ok(vec![Some(backward.node(inverse, &[gradient]))])
    }
}
