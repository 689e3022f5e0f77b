use super::conv::check_settings;
use super::{
    Conv2d, MAX_EXTENT, Operator, Pad2d, Padding, Parameter, expect_channels, expect_one_input,
    expect_possible, map_dims, products, window_extent,
};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// The most stride phases: kernels keep a description of each. A stride of 512 has as many.
const MAX_PHASES: usize = 1 << 18;

/// 2-D transposed convolution of an `[N, C, H, W]` map, as PyTorch's `ConvTranspose2d`: every input
/// pixel adds its multiple of the kernel to the output, at positions `stride` pixels apart (Dumoulin and
/// Visin 2016, chapter 4).
///
/// Parameters: `weight` `[in, out / groups, kh, kw]` and, with a bias, `bias` `[out]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConvTranspose2d {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal distance between the kernels of neighboring pixels.
    pub stride: [usize; 2],
    /// Vertical and horizontal spacing of the kernel's taps.
    pub dilation: [usize; 2],
    /// Rows and columns cropped off the output on both sides.
    pub padding: [usize; 2],
    /// Rows and columns added at the bottom and right of the output; smaller than stride or dilation.
    pub output_padding: [usize; 2],
    /// Number of groups of channels, each convolved separately; divides both channel counts.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl ConvTranspose2d {
    /// A square kernel, no padding, one group, with a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel: usize, stride: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            padding: [0; 2],
            output_padding: [0; 2],
            groups: 1,
            bias: true,
        }
    }

    /// Sets the padding, which is cropped off the output on all four sides.
    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding; 2];
        self
    }

    /// Sets the output padding, added at the bottom and right.
    pub fn output_padding(mut self, output_padding: usize) -> Self {
        self.output_padding = [output_padding; 2];
        self
    }

    /// Sets both dilations.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.dilation = [dilation; 2];
        self
    }

    /// Sets the number of groups.
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Sets whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Whether each output channel depends on one input channel of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups == self.in_channels && self.groups == self.out_channels && self.groups > 1
    }
}

impl Operator for ConvTranspose2d {
    fn kind(&self) -> &'static str {
        "ConvTranspose2d"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        let channels = [self.in_channels, self.out_channels];
        check_settings(
            channels,
            self.groups,
            self.kernel,
            self.stride,
            self.dilation,
        )?;
        expect_possible(&[
            ("vertical padding", self.padding[0]),
            ("horizontal padding", self.padding[1]),
        ])?;
        for i in 0..2 {
            if self.output_padding[i] >= self.stride[i].max(self.dilation[i]) {
                return Err(format!(
                    "its output padding {:?} must be smaller than its stride {:?} or dilation {:?}",
                    self.output_padding, self.stride, self.dilation
                ));
            }
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<Parameter> {
        let [kh, kw] = self.kernel;
        let weight = [self.in_channels, self.out_channels / self.groups, kh, kw];
        let mut parameters = vec![Parameter::learned("weight", weight)];
        if self.bias {
            parameters.push(Parameter::learned("bias", [self.out_channels]));
        }
        parameters
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        expect_channels(self.in_channels, c, inputs[0])?;
        let extent = |i: usize, size: usize| {
            let last = size.saturating_sub(1).saturating_mul(self.stride[i]);
            let full = last
                .saturating_add(window_extent(self.kernel[i], self.dilation[i]))
                .saturating_add(self.output_padding[i]);
            if full > MAX_EXTENT {
                return Err(format!(
                    "its output would have {full} pixels along one axis before it is cropped; at most \
                     {MAX_EXTENT} are possible"
                ));
            }
            let cropped = self.padding[i].saturating_mul(2);
            full.checked_sub(cropped).ok_or_else(|| {
                format!(
                    "its padding {:?} crops more than all {full} pixels",
                    self.padding
                )
            })
        };
        let (h, w) = (extent(0, h)?, extent(1, w)?);
        let phases = self.stride[0].min(h).saturating_mul(self.stride[1].min(w));
        if phases > MAX_PHASES {
            return Err(format!(
                "with its stride {:?}, {phases} kinds of output pixels see different parts of its kernel; at \
                 most {MAX_PHASES} are possible",
                self.stride
            ));
        }
        Ok(Shape::from([n, self.out_channels, h, w]))
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        let taps = |i: usize| window_extent(self.kernel[i], self.dilation[i]);
        Reach::Upsampled {
            size: [0, 1].map(|i| taps(i).div_ceil(self.stride[i])),
            factor: self.stride.map(|stride| stride as f64),
        }
    }

    fn multiplications(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        products(&[
            inputs[0].len(),
            self.out_channels / self.groups,
            self.kernel[0],
            self.kernel[1],
        ])
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        // Pixels added by the output padding depend on no input.
        let cut = [0, 1].map(|i| self.output_padding[i].saturating_sub(self.padding[i]));
        let gradient = match cut {
            [0, 0] => gradient,
            [bottom, right] => backward.node(Pad2d::crop([0, bottom, 0, right])?, &[gradient]),
        };
        let [after_h, after_w] =
            [0, 1].map(|i| self.padding[i].saturating_sub(self.output_padding[i]));
        let [top, left] = self.padding;
        let conv = Conv2d {
            in_channels: self.out_channels,
            out_channels: self.in_channels,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            padding: Padding::from([top, after_h, left, after_w]),
            groups: self.groups,
            bias: false,
        };
        Ok(vec![Some(backward.node(conv, &[gradient]))])
    }
}
