use super::{Operator, expect_inputs, map_dims};
use crate::graph::Reach;
use crate::tensor::Shape;

/// Pixels of an `[N, C, H, W]` map at the positions of a second value, `[N, 2, height, width]`, of which each pixel
/// has a column and a row from -1 to 1. PyTorch's `grid_sample`, whose positions are the last dimension, after
/// `grid.permute(0, 3, 1, 2)`. A position that is NaN gives NaN.
///
/// With float16, positions are rounded to 11 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GridSample {
    /// How pixels between others are interpolated.
    pub mode: GridSampleMode,
    /// What is beyond the edges.
    pub padding: GridSamplePadding,
    /// Whether -1 and 1 are the centers of the pixels at the edges, or else their outer edges.
    pub align_corners: bool,
}

/// How pixels between others are interpolated, see [`GridSample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GridSampleMode {
    /// The nearest pixel; of two that are equally near, the one with the even number.
    Nearest,
    /// Bilinear interpolation of 4 pixels.
    Bilinear,
    /// Bicubic interpolation of 16 pixels (Keys 1981, with a coefficient of -0.75).
    Bicubic,
}

/// What is beyond the edges of a map, see [`GridSample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GridSamplePadding {
    /// Zeros.
    Zeros,
    /// The pixels at the edges. Positions outside are moved to the nearest pixel.
    Border,
    /// The map, mirrored again and again.
    Reflection,
}

impl Operator for GridSample {
    fn kind(&self) -> &'static str {
        "GridSample"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, _, _] = map_dims(inputs[0])?;
        match *inputs[1].dims() {
            [batch, 2, height, width] if batch == n => Ok(Shape::from([n, c, height, width])),
            _ => Err(format!(
                "it takes positions [{n}, 2, height, width] for its input {}, but they are {}",
                inputs[0], inputs[1]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }
}
