use super::{
    Operator, Parameter, expect_channels, expect_gradient, expect_inputs, expect_one_input,
    expect_positive,
};
use crate::graph::{Backward, Reach, ValueId};
use crate::tensor::Shape;

/// The pixels over which a [`GroupNorm`] computes mean and variance, together with the channels of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NormOver {
    /// Each pixel by itself: PyTorch's `LayerNorm` over the channels, with one group.
    Pixel,
    /// All pixels of an image: `GroupNorm`, and `InstanceNorm2d` with as many groups as channels.
    Image,
    /// All pixels of all images.
    Batch,
}

/// Group, layer and instance normalization (Wu and He 2018, Ba et al. 2016, Ulyanov et al. 2016):
/// `(x - mean) / sqrt(variance + eps) * weight + bias`, with mean and variance of the channels of each group.
/// The variance is that of the population, as in PyTorch.
///
/// Takes `[N, C, H, W]` or `[N, C]`. Parameters, where it is affine: `weight` and `bias`, each `[C]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNorm {
    /// Channels of the input.
    pub channels: usize,
    /// Groups of as many channels each, which follow one another.
    pub groups: usize,
    /// Which pixels are normalized together.
    pub over: NormOver,
    /// Added to the variance. 1e-5 in PyTorch.
    pub eps: f64,
    /// Whether there are a weight and a bias.
    pub affine: bool,
    /// Whether the mean is subtracted. `RMSNorm` does not, and divides by the root of the mean square.
    pub centered: bool,
}

impl GroupNorm {
    /// PyTorch's `GroupNorm`.
    pub fn new(groups: usize, channels: usize) -> Self {
        Self {
            channels,
            groups,
            over: NormOver::Image,
            eps: 1e-5,
            affine: true,
            centered: true,
        }
    }

    /// PyTorch's `LayerNorm` over the channels of each pixel.
    pub fn layer(channels: usize) -> Self {
        Self::new(1, channels).over(NormOver::Pixel)
    }

    /// PyTorch's `InstanceNorm2d`, with a weight and a bias.
    pub fn instance(channels: usize) -> Self {
        Self::new(channels, channels)
    }

    /// Sets the pixels that are normalized together.
    pub fn over(mut self, over: NormOver) -> Self {
        self.over = over;
        self
    }

    /// Sets the epsilon.
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// Sets whether there are a weight and a bias.
    pub fn affine(mut self, affine: bool) -> Self {
        self.affine = affine;
        self
    }

    /// Sets whether the mean is subtracted.
    pub fn centered(mut self, centered: bool) -> Self {
        self.centered = centered;
        self
    }

    /// The channels of a group.
    pub fn group_channels(&self) -> usize {
        self.channels / self.groups.max(1)
    }

    /// The fewest channels that are whole groups and whole elements of four, of which a kernel computes all at
    /// once.
    pub(crate) fn block_channels(&self) -> usize {
        let size = self.group_channels();
        let whole = match size % 4 {
            0 => size,
            2 => size.saturating_mul(2),
            _ => size.saturating_mul(4),
        };
        whole.clamp(4, self.channels.next_multiple_of(4).max(4))
    }

    /// How many pixels of an input of this shape are normalized together.
    pub(crate) fn pixels(&self, input: &Shape) -> usize {
        let [n, _, h, w] = input.nchw();
        match self.over {
            NormOver::Pixel => 1,
            NormOver::Image => h * w,
            NormOver::Batch => n * h * w,
        }
    }
}

impl Operator for GroupNorm {
    fn kind(&self) -> &'static str {
        match (self.centered, self.over) {
            (false, _) => "RMSNorm",
            (true, NormOver::Pixel) if self.groups == 1 => "LayerNorm",
            (true, NormOver::Image) if self.groups == self.channels => "InstanceNorm2d",
            _ => "GroupNorm",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[("channels", self.channels), ("groups", self.groups)])?;
        match self.channels.is_multiple_of(self.groups) {
            true => Ok(()),
            false => Err(format!(
                "its {} channels do not consist of {} equal groups",
                self.channels, self.groups
            )),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        if !self.affine {
            return Vec::new();
        }
        let shape = [self.channels];
        vec![
            Parameter::learned("weight", shape),
            Parameter::learned("bias", shape),
        ]
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        match inputs[0].dims() {
            [_, c] | [_, c, _, _] => expect_channels(self.channels, *c, inputs[0])?,
            _ => {
                return Err(format!(
                    "it takes [N, C] or [N, C, H, W], but its input is {}",
                    inputs[0]
                ));
            }
        }
        Ok(inputs[0].clone())
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        match self.over {
            NormOver::Pixel => Reach::Pixel,
            NormOver::Image | NormOver::Batch => Reach::Whole,
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let input = backward.input(0);
        let node = backward.node(GroupNormBackward(self.clone()), &[gradient, input]);
        Ok(vec![Some(node)])
    }
}

/// The gradient of a [`GroupNorm`]. Takes the gradient with respect to the output and, of the same shape, the input.
///
/// With `g` the gradient times the weight, `z` the normalized input and means over each group:
/// `(g - mean(g) - z * mean(g * z)) / sqrt(variance + eps)` (Ioffe and Szegedy 2015, section 3). Without the mean,
/// where the norm is not centered.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupNormBackward(pub GroupNorm);

impl Operator for GroupNormBackward {
    fn kind(&self) -> &'static str {
        "GroupNormBackward"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_inputs(2, inputs)?;
        self.0.check(1)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        expect_gradient(&self.0.output_shape(&inputs[1..])?, inputs[0])?;
        Ok(inputs[1].clone())
    }

    fn reach(&self, inputs: &[&Shape], output: &Shape) -> Reach {
        self.0.reach(inputs, output)
    }
}
