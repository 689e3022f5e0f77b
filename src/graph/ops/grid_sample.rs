use super::{Operator, expect_gradient, expect_inputs, expect_positive, map_dims};
use crate::graph::{Backward, Reach, ValueId};
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
    /// The pixels at the edges. Positions outside are moved to the nearest pixel; of a bicubic sample, each of its
    /// pixels is, as in PyTorch.
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

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        if self.volume.is_some() {
            return Err("the gradient of samples of a volume is not implemented; choose a target that it does not depend on".to_owned());
        }
        let (input, positions) = (backward.input(0), backward.input(1));
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let of_input = backward.needs_gradient(0).then(|| {
            let op = GridSampleBackward {
                sample: *self,
                input: [h, w],
            };
            backward.node(op, &[gradient, positions])
        });
        let of_positions = backward.needs_gradient(1).then(|| {
            let op = GridSamplePositionsBackward(*self);
            backward.node(op, &[gradient, input, positions])
        });
        Ok(vec![of_input, of_positions])
    }
}

/// The gradient of a [`GridSample`] of a map with respect to the map: for each pixel, the gradients of all samples
/// that it is part of, with its weights in them. Takes the gradient with respect to the output and the positions.
///
/// Each pixel looks for its samples among all of its image, which takes long for large maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GridSampleBackward {
    /// The forward operator.
    pub sample: GridSample,
    /// Height and width of the map.
    pub input: [usize; 2],
}

impl Operator for GridSampleBackward {
    fn kind(&self) -> &'static str {
        "GridSampleBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        self.sample.check(inputs)?;
        expect_map(&self.sample)?;
        expect_positive(&[
            ("input height", self.input[0]),
            ("input width", self.input[1]),
        ])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, _, _] = map_dims(inputs[0])?;
        let input = Shape::from([n, c, self.input[0], self.input[1]]);
        let output = self.sample.output_shape(&[&input, inputs[1]])?;
        expect_gradient(&output, inputs[0])?;
        Ok(input)
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }
}

/// The gradient of a [`GridSample`] of a map with respect to the positions. Takes the gradient with respect to the
/// output, the map and the positions. It is 0 for nearest pixels, and where a position was moved to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GridSamplePositionsBackward(pub GridSample);

impl Operator for GridSamplePositionsBackward {
    fn kind(&self) -> &'static str {
        "GridSamplePositionsBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(3, inputs)?;
        self.0.check(2)?;
        expect_map(&self.0)
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        expect_gradient(&self.0.output_shape(&inputs[1..])?, inputs[0])?;
        Ok(inputs[2].clone())
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Whole
    }
}

fn expect_map(sample: &GridSample) -> Result<(), String> {
    match sample.volume {
        None => Ok(()),
        Some(_) => Err("it is the gradient of samples of a map, not of a volume".to_owned()),
    }
}
