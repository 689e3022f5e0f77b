use super::{Operator, expect_inputs};
use crate::graph::Reach;
use crate::tensor::Shape;

/// Pixels of an `[N, C, H, W]` map at the positions of a second value, `[N, 2, height, width]`, of which each pixel
/// has a column and a row from -1 to 1. PyTorch's `grid_sample`, whose positions are the last dimension, after
/// `grid.permute(0, 3, 1, 2)`. A position that is NaN gives NaN.
///
/// Of a volume `[N, C, D, H, W]`, positions `[N, 3, depth, height, width]` also have a place along the depth, the last
/// of the three; bicubic interpolation is for maps only.
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
    /// Depth, height and width of the input, if it is a volume.
    pub volume: Option<[usize; 3]>,
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
        expect_inputs(2, inputs)?;
        match (self.mode, self.volume) {
            (GridSampleMode::Bicubic, Some(_)) => {
                Err("bicubic interpolation is for maps, not for volumes".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match (self.volume, inputs[0].dims(), inputs[1].dims()) {
            (None, &[n, c, _, _], &[batch, 2, h, w]) if batch == n => Ok(Shape::from([n, c, h, w])),
            (Some(size), &[n, c, ref own @ ..], &[batch, 3, d, h, w])
                if batch == n && *own == size =>
            {
                Ok(Shape::from([n, c, d, h, w]))
            }
            (None, ..) => Err(format!(
                "it takes a map [N, C, H, W] and positions [N, 2, height, width], but they are {} and {}",
                inputs[0], inputs[1]
            )),
            (Some([d, h, w]), ..) => Err(format!(
                "it takes a volume [N, C, {d}, {h}, {w}] and positions [N, 3, depth, height, width], but they are {} and {}",
                inputs[0], inputs[1]
            )),
        }
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }
}
