use super::{Operator, expect_one_input, expect_positive, map_dims};
use crate::graph::Reach;
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
}
