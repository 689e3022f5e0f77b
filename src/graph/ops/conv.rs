use super::{
    ConvTranspose2d, Operator, Pad2d, Padding, Parameter, expect_channels, expect_one_input,
    expect_positive, map_dims, padded_extent, products, window_extent,
};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// 2-D convolution (cross-correlation, as PyTorch's `Conv2d`) of an `[N, C, H, W]` map.
///
/// Parameters: `weight` `[out, in / groups, kh, kw]` and, with a bias, `bias` `[out]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal spacing of the kernel's taps.
    pub dilation: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Number of groups of channels, each convolved separately; divides both channel counts.
    pub groups: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl Conv2d {
    /// A square kernel with PyTorch's defaults: stride 1, no padding, one group, with a bias.
    pub fn new(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            padding: Padding::all(0),
            groups: 1,
            bias: true,
        }
    }

    /// A depthwise convolution: one kernel per channel.
    pub fn depthwise(channels: usize, kernel: usize) -> Self {
        Self::new(channels, channels, kernel).groups(channels)
    }

    /// Sets the kernel's height and width.
    pub fn kernel_hw(mut self, height: usize, width: usize) -> Self {
        self.kernel = [height, width];
        self
    }

    /// Sets both strides.
    pub fn stride(self, stride: usize) -> Self {
        self.stride_hw(stride, stride)
    }

    /// Sets the vertical and the horizontal stride.
    pub fn stride_hw(mut self, height: usize, width: usize) -> Self {
        self.stride = [height, width];
        self
    }

    /// Sets both dilations.
    pub fn dilation(self, dilation: usize) -> Self {
        self.dilation_hw(dilation, dilation)
    }

    /// Sets the vertical and the horizontal dilation.
    pub fn dilation_hw(mut self, height: usize, width: usize) -> Self {
        self.dilation = [height, width];
        self
    }

    /// Sets the padding: one number for all four sides, or `[top, bottom, left, right]`.
    pub fn padding(mut self, padding: impl Into<Padding>) -> Self {
        self.padding = padding.into();
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

    /// `[top, bottom, left, right]` for a map of this height and width.
    pub fn padding_for(&self, size: [usize; 2]) -> [usize; 4] {
        self.padding
            .resolve(size, self.kernel, self.stride, self.dilation)
    }
}

impl Operator for Conv2d {
    fn kind(&self) -> &'static str {
        "Conv2d"
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
        self.padding.check()
    }

    fn parameters(&self) -> Vec<Parameter> {
        let [kh, kw] = self.kernel;
        let weight = [self.out_channels, self.in_channels / self.groups, kh, kw];
        let mut parameters = vec![Parameter::learned("weight", weight)];
        if self.bias {
            parameters.push(Parameter::learned("bias", [self.out_channels]));
        }
        parameters
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        expect_channels(self.in_channels, c, inputs[0])?;
        let [top, bottom, left, right] = self.padding_for([h, w]);
        let output = |i: usize, size: usize, before: usize, after: usize| {
            let extent = window_extent(self.kernel[i], self.dilation[i]);
            let padded = padded_extent(size, before, after)?;
            match padded.checked_sub(extent) {
                Some(room) => Ok(room / self.stride[i] + 1),
                None => Err(format!(
                    "its kernel covers {extent} pixels, but its input {} is only {padded} {} with padding",
                    inputs[0],
                    ["high", "wide"][i]
                )),
            }
        };
        let (h, w) = (output(0, h, top, bottom)?, output(1, w, left, right)?);
        Ok(Shape::from([n, self.out_channels, h, w]))
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Window {
            size: [0, 1].map(|i| window_extent(self.kernel[i], self.dilation[i])),
            stride: self.stride,
        }
    }

    fn multiplications(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        products(&[
            output.len(),
            self.in_channels / self.groups,
            self.kernel[0],
            self.kernel[1],
        ])
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let padding = self.padding_for([h, w]);
        let [top, bottom, left, right] = padding;
        // Rows and columns after the last window.
        let unread = |i: usize, size: usize, before: usize, after: usize| {
            let extent = window_extent(self.kernel[i], self.dilation[i]);
            padded_extent(size, before, after)
                .map(|padded| padded.saturating_sub(extent) % self.stride[i])
        };
        let transposed = ConvTranspose2d {
            in_channels: self.out_channels,
            out_channels: self.in_channels,
            kernel: self.kernel,
            stride: self.stride,
            dilation: self.dilation,
            padding: [0; 2],
            output_padding: [unread(0, h, top, bottom)?, unread(1, w, left, right)?],
            groups: self.groups,
            bias: false,
        };
        let padded = backward.node(transposed, &[gradient]);
        // The padding pass lets the transposed convolution skip the cropped pixels.
        let node = match padding {
            [0, 0, 0, 0] => padded,
            _ => {
                let crop = Pad2d::crop(padding)?;
                backward.node(crop, &[padded])
            }
        };
        Ok(vec![Some(node)])
    }
}

/// Checks the settings of a convolution or transposed convolution: all positive, and channels (in, out)
/// divisible by the groups.
pub(super) fn check_settings(
    channels: [usize; 2],
    groups: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
) -> Result<(), String> {
    expect_positive(&[
        ("number of input channels", channels[0]),
        ("number of output channels", channels[1]),
        ("number of groups", groups),
        ("kernel height", kernel[0]),
        ("kernel width", kernel[1]),
        ("vertical stride", stride[0]),
        ("horizontal stride", stride[1]),
        ("vertical dilation", dilation[0]),
        ("horizontal dilation", dilation[1]),
    ])?;
    match channels.iter().all(|count| count.is_multiple_of(groups)) {
        true => Ok(()),
        false => Err(format!(
            "{} input and {} output channels cannot be split into {groups} groups",
            channels[0], channels[1]
        )),
    }
}
