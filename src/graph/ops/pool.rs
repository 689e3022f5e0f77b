use super::{
    AdaptiveAvgPool2dBackward, AvgPool2dBackward, Binary, MaxPool2dBackward, Operator, Padding,
    Unary, Where, expect_one_input, expect_positive, map_dims, padded_extent, window_extent,
};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// What pooling computes over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PoolKind {
    /// The maximum. Padding counts as minus infinity. NaN if any value is NaN.
    Max,
    /// The mean.
    Average {
        /// Whether padding pixels count in the divisor. PyTorch's default is `true`.
        count_include_pad: bool,
    },
    /// The root of degree `p` of the sum of all magnitudes to the power of `p`: the norm of the window. PyTorch's
    /// `LPPool2d` has the values in place of their magnitudes.
    Lp {
        /// The degree, at least 1.
        p: u32,
    },
}

/// Pooling over windows of an `[N, C, H, W]` map, as PyTorch's `MaxPool2d` and `AvgPool2d`, which has no dilation
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool2d {
    /// Maximum, mean or norm.
    pub kind: PoolKind,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride.
    pub stride: [usize; 2],
    /// Vertical and horizontal spacing of the window's taps.
    pub dilation: [usize; 2],
    /// Padding around the input.
    pub padding: Padding,
    /// Whether a window that starts inside the input (or its top or left padding) may extend past the end.
    pub ceil_mode: bool,
}

impl Pool2d {
    /// A square window with a stride of its own size, without padding.
    pub fn new(kind: PoolKind, kernel: usize) -> Self {
        Self {
            kind,
            kernel: [kernel; 2],
            stride: [kernel; 2],
            dilation: [1; 2],
            padding: Padding::all(0),
            ceil_mode: false,
        }
    }

    /// Max pooling with a square window and the given stride.
    pub fn max(kernel: usize, stride: usize) -> Self {
        Self::new(PoolKind::Max, kernel).stride_hw(stride, stride)
    }

    /// Average pooling with a square window and the given stride. Padding counts in the divisor, as in
    /// PyTorch.
    pub fn average(kernel: usize, stride: usize) -> Self {
        let count_include_pad = true;
        Self::new(PoolKind::Average { count_include_pad }, kernel).stride_hw(stride, stride)
    }

    /// Sets the window's height and width.
    pub fn kernel_hw(mut self, height: usize, width: usize) -> Self {
        self.kernel = [height, width];
        self
    }

    /// Sets the vertical and the horizontal stride.
    pub fn stride_hw(mut self, height: usize, width: usize) -> Self {
        self.stride = [height, width];
        self
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

    /// Sets whether windows may extend past the end.
    pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
        self.ceil_mode = ceil_mode;
        self
    }

    /// `[top, bottom, left, right]` for a map of this height and width.
    pub fn padding_for(&self, size: [usize; 2]) -> [usize; 4] {
        self.padding
            .resolve(size, self.kernel, self.stride, self.dilation)
    }

    /// Output pixels along axis `i`, or why there are none: the window is larger than the padded input
    /// `shape`, of `size` pixels along that axis without padding.
    fn output_extent(
        &self,
        i: usize,
        shape: &Shape,
        size: usize,
        [before, after]: [usize; 2],
    ) -> Result<usize, String> {
        let window = window_extent(self.kernel[i], self.dilation[i]);
        let padded = padded_extent(size, before, after)?;
        let room = padded.checked_sub(window).ok_or_else(|| {
            format!(
                "its window {:?} is larger than its input {shape} with padding",
                self.kernel
            )
        })?;
        // Windows after the first.
        let more = match self.ceil_mode {
            false => room / self.stride[i],
            true => room.div_ceil(self.stride[i]),
        };
        // As in PyTorch, the last window must start inside the input or its top or left padding.
        let starts_outside =
            self.ceil_mode && more.saturating_mul(self.stride[i]) >= size.saturating_add(before);
        Ok(more.saturating_add(usize::from(!starts_outside)))
    }
}

impl Operator for Pool2d {
    fn kind(&self) -> &'static str {
        match self.kind {
            PoolKind::Max => "MaxPool2d",
            PoolKind::Average { .. } => "AvgPool2d",
            PoolKind::Lp { .. } => "LPPool2d",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[
            ("window height", self.kernel[0]),
            ("window width", self.kernel[1]),
            ("vertical stride", self.stride[0]),
            ("horizontal stride", self.stride[1]),
            ("vertical dilation", self.dilation[0]),
            ("horizontal dilation", self.dilation[1]),
        ])?;
        if self.kind == (PoolKind::Lp { p: 0 }) {
            return Err("its degree p is 0; it must be at least 1".to_owned());
        }
        self.padding.check()?;
        // A window that lies entirely in the padding would have no maximum.
        if let Padding::Explicit {
            top,
            bottom,
            left,
            right,
        } = self.padding
        {
            let window = [0, 1].map(|i| window_extent(self.kernel[i], self.dilation[i]));
            if top.max(bottom) >= window[0] || left.max(right) >= window[1] {
                return Err(format!(
                    "its padding [{top}, {bottom}, {left}, {right}] is not smaller than its window {window:?}"
                ));
            }
        }
        Ok(())
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        let [top, bottom, left, right] = self.padding_for([h, w]);
        let h = self.output_extent(0, inputs[0], h, [top, bottom])?;
        let w = self.output_extent(1, inputs[0], w, [left, right])?;
        Ok(Shape::from([n, c, h, w]))
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Window {
            size: [0, 1].map(|i| window_extent(self.kernel[i], self.dilation[i])),
            stride: self.stride,
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let node = match self.kind {
            PoolKind::Max => {
                let (input, output) = (backward.input(0), backward.output());
                backward.node(MaxPool2dBackward(self.clone()), &[gradient, input, output])
            }
            PoolKind::Lp { p } => self.norm_backward(backward, gradient, p),
            PoolKind::Average { .. } => self.to_windows(backward, gradient),
        };
        Ok(vec![Some(node)])
    }
}

impl Pool2d {
    /// The gradient of a mean, or of a sum, with respect to the pixels of the windows.
    fn to_windows(&self, backward: &mut Backward, gradient: ValueId) -> ValueId {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let op = AvgPool2dBackward {
            pool: self.clone(),
            input: [h, w],
        };
        backward.node(op, &[gradient])
    }

    /// `sign(x) * abs(x)^(p - 1) * sum(g / y^(p - 1))`, for the output `y` and the gradient `g` with respect to it. A
    /// window of zeros has a gradient of 0, as in PyTorch.
    fn norm_backward(&self, backward: &mut Backward, gradient: ValueId, p: u32) -> ValueId {
        let (input, output) = (backward.input(0), backward.output());
        let sign = backward.node(Unary::Sign, &[input]);
        if p == 1 {
            let sum = self.to_windows(backward, gradient);
            return backward.node(Binary::Mul, &[sum, sign]);
        }
        let exponent = p.saturating_sub(1) as f32;
        let power = |backward: &mut Backward, value| match p {
            2 => value,
            _ => backward.node(Unary::Pow { exponent }, &[value]),
        };
        let divisor = power(backward, output);
        let share = backward.node(Binary::Div, &[gradient, divisor]);
        let zeros = backward.node(Unary::Clip { min: 0.0, max: 0.0 }, &[gradient]);
        let share = backward.node(Where, &[divisor, share, zeros]);
        let sum = self.to_windows(backward, share);
        let magnitude = backward.node(Unary::Abs, &[input]);
        let magnitude = power(backward, magnitude);
        let factor = backward.node(Binary::Mul, &[magnitude, sign]);
        backward.node(Binary::Mul, &[sum, factor])
    }
}

/// Average pooling of an `[N, C, H, W]` map to a given size, as PyTorch's `AdaptiveAvgPool2d`: the
/// output pixel `i` of `out` is the mean over `floor(i * in / out) .. ceil((i + 1) * in / out)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AdaptiveAvgPool2d {
    /// Height and width of the output.
    pub output: [usize; 2],
}

impl AdaptiveAvgPool2d {
    /// An output of this height and width; 1, 1 is global average pooling.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            output: [height, width],
        }
    }
}

impl Operator for AdaptiveAvgPool2d {
    fn kind(&self) -> &'static str {
        "AdaptiveAvgPool2d"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[
            ("output height", self.output[0]),
            ("output width", self.output[1]),
        ])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, _, _] = map_dims(inputs[0])?;
        Ok(Shape::from([n, c, self.output[0], self.output[1]]))
    }

    /// Exact if all bins have the same size.
    fn reach(&self, inputs: &[&Shape], _output: &Shape) -> Reach {
        let [_, _, h, w] = inputs[0].nchw();
        match self.output {
            [1, 1] => Reach::Whole,
            [out_h, out_w] => Reach::Window {
                size: [h.div_ceil(out_h), w.div_ceil(out_w)],
                stride: [(h / out_h).max(1), (w / out_w).max(1)],
            },
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let op = AdaptiveAvgPool2dBackward {
            pool: *self,
            input: [h, w],
        };
        Ok(vec![Some(backward.node(op, &[gradient]))])
    }
}
