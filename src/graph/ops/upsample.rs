use super::{
    Operator, expect_gradient, expect_inputs, expect_one_input, expect_positive, map_dims,
};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// How pixels are interpolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpsampleMode {
    /// Nearest neighbor: the input pixel `floor(i * in / out)`.
    Nearest,
    /// Bilinear interpolation of the four nearest pixels.
    Bilinear {
        /// Whether the centers of the corner pixels are aligned, or else their outer edges.
        align_corners: bool,
    },
}

/// The size of the output.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum UpsampleSize {
    /// `floor(size * factor)`, vertically and horizontally.
    Factor([f64; 2]),
    /// This height and width.
    Size([usize; 2]),
    /// The height and width of the second input. Only its shape matters.
    OfSecondInput,
}

/// Resizing of an `[N, C, H, W]` map, as PyTorch's `Upsample` and `interpolate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upsample {
    /// Nearest or bilinear.
    pub mode: UpsampleMode,
    /// Factor or size.
    pub size: UpsampleSize,
}

impl Upsample {
    /// Nearest neighbor, by a factor.
    pub fn nearest(factor: f64) -> Self {
        Self {
            mode: UpsampleMode::Nearest,
            size: UpsampleSize::Factor([factor; 2]),
        }
    }

    /// Bilinear, by a factor.
    pub fn bilinear(factor: f64, align_corners: bool) -> Self {
        Self {
            mode: UpsampleMode::Bilinear { align_corners },
            size: UpsampleSize::Factor([factor; 2]),
        }
    }

    /// Sets the output's height and width instead of a factor.
    pub fn to_size(mut self, height: usize, width: usize) -> Self {
        self.size = UpsampleSize::Size([height, width]);
        self
    }

    /// Takes the output's height and width from a second input instead, so that the graph is one for maps of any
    /// size.
    pub fn to_size_of_second_input(mut self) -> Self {
        self.size = UpsampleSize::OfSecondInput;
        self
    }

    /// Input pixels per output pixel, vertically and horizontally, for resizing from `input` to `output`
    /// (height, width): PyTorch's `area_pixel_compute_scale`.
    pub fn scale(&self, input: [usize; 2], output: [usize; 2]) -> [f64; 2] {
        [0, 1].map(|i| match (self.mode, self.size) {
            (
                UpsampleMode::Bilinear {
                    align_corners: true,
                },
                _,
            ) => match output[i] {
                0 | 1 => 0.0,
                output => input[i].saturating_sub(1) as f64 / output.saturating_sub(1) as f64,
            },
            (_, UpsampleSize::Factor(factor)) => 1.0 / factor[i],
            (_, UpsampleSize::Size(_) | UpsampleSize::OfSecondInput) => {
                input[i] as f64 / output[i] as f64
            }
        })
    }
}

impl Upsample {
    /// The two of `size` input pixels that output pixel `i` is made of along one axis, and the weight of the second,
    /// for a [scale](Self::scale). In float32, as in PyTorch and on the GPU, so that all three choose the same pixels
    /// where a product is close to a whole number.
    pub(crate) fn source(&self, i: usize, scale: f64, size: usize) -> (usize, usize, f32) {
        let scale = scale as f32;
        let position = match self.mode {
            UpsampleMode::Bilinear {
                align_corners: false,
            } => ((i as f32 + 0.5) * scale - 0.5).max(0.0),
            _ => i as f32 * scale,
        };
        let last = size.saturating_sub(1);
        let first = (position.floor() as usize).min(last);
        match self.mode {
            UpsampleMode::Nearest => (first, first, 0.0),
            UpsampleMode::Bilinear { .. } => {
                (first, (first + 1).min(last), position - first as f32)
            }
        }
    }
}

impl Operator for Upsample {
    fn kind(&self) -> &'static str {
        "Upsample"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        if self.size != UpsampleSize::OfSecondInput {
            expect_one_input(inputs)?;
        }
        let usable = match self.size {
            UpsampleSize::OfSecondInput => return expect_inputs(2, inputs),
            UpsampleSize::Factor(factor) => factor.iter().all(|f| f.is_finite() && *f > 0.0),
            UpsampleSize::Size([h, w]) => {
                return expect_positive(&[("output height", h), ("output width", w)]);
            }
        };
        match usable {
            true => Ok(()),
            false => Err(format!("its size must be positive, found {:?}", self.size)),
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        let [h, w] = match self.size {
            // Too large a float saturates to the largest integer, which shape inference rejects.
            UpsampleSize::Factor([fh, fw]) => [
                (h as f64 * fh).floor() as usize,
                (w as f64 * fw).floor() as usize,
            ],
            UpsampleSize::Size(size) => size,
            UpsampleSize::OfSecondInput => {
                let [_, _, h, w] = map_dims(inputs[1])?;
                [h, w]
            }
        };
        Ok(Shape::from([n, c, h, w]))
    }

    fn reach(&self, inputs: &[&Shape], output: &Shape) -> Reach {
        let size = match self.mode {
            UpsampleMode::Nearest => [1; 2],
            UpsampleMode::Bilinear { .. } => [2; 2],
        };
        let ([_, _, h, w], [_, _, out_h, out_w]) = (inputs[0].nchw(), output.nchw());
        let factor = [out_h as f64 / h as f64, out_w as f64 / w as f64];
        Reach::Upsampled { size, factor }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let mut op = UpsampleBackward {
            upsample: *self,
            input: [h, w],
        };
        if self.size != UpsampleSize::OfSecondInput {
            return Ok(vec![Some(backward.node(op, &[gradient]))]);
        }
        let [_, _, height, width] = backward.output_shape().nchw();
        op.upsample = self.to_size(height, width);
        Ok(vec![Some(backward.node(op, &[gradient])), None])
    }
}

/// The gradient of an [`Upsample`]: for each input pixel, the gradients of the output pixels that depend on
/// it, weighted as in the interpolation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UpsampleBackward {
    /// The forward operator, with a factor or a size.
    pub upsample: Upsample,
    /// Height and width of the forward input.
    pub input: [usize; 2],
}

impl Operator for UpsampleBackward {
    fn kind(&self) -> &'static str {
        "UpsampleBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        if self.upsample.size == UpsampleSize::OfSecondInput {
            return Err("it needs the factor or the size of the forward operator's output".into());
        }
        self.upsample.check(inputs)?;
        let [height, width] = self.input;
        expect_positive(&[("input height", height), ("input width", width)])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, _, _] = map_dims(inputs[0])?;
        let [h, w] = self.input;
        let input = Shape::from([n, c, h, w]);
        expect_gradient(&self.upsample.output_shape(&[&input])?, inputs[0])?;
        Ok(input)
    }
}
