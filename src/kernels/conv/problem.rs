//! What is to be convolved: shapes, settings and fusions, but nothing of where values lie.

use super::window::{Outputs, Phase, Taps, Window};
use crate::graph::{Conv2d, ConvTranspose2d, Fused, Linear};
use crate::tensor::Shape;

/// Output channels of an N tile of the GEMM shaders.
pub(super) const N_TILE: usize = 16;

/// A convolution of which every output pixel sees the same taps: an ordinary one, or what a transposed
/// one of stride 1 is. Its settings are those of the window that slides over the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvProblem {
    pub batch: usize,
    pub filter: FilterShape,
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Rows above and columns to the left that are added to the input; negative where it is cropped.
    pub padding: [isize; 2],
    /// Whether the input is read as the user passes it: NCHW, float32.
    pub nchw_input: bool,
    pub has_prologue: bool,
    pub has_residual: bool,
}

/// A transposed convolution with a stride. Output pixels see different taps, by the remainders of their
/// row and column by the stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransposedConvProblem {
    pub batch: usize,
    pub filter: FilterShape,
    /// Height and width of the output.
    pub output: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Rows above and columns to the left that are cut off the output: its padding, and a crop that was
    /// fused into it, which is the same.
    pub cut: [usize; 2],
}

/// The weights of a convolution of either kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterShape {
    pub in_channels: usize,
    pub out_channels: usize,
    pub groups: usize,
    pub kernel: [usize; 2],
    pub has_bias: bool,
    pub order: WeightOrder,
}

/// The order of a weight's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightOrder {
    /// `[out, in / groups, kh, kw]`, of convolutions.
    OutputFirst,
    /// `[in, out / groups, kh, kw]`, of transposed convolutions. Windows see the taps in reverse.
    InputFirst,
}

/// The matrix products of a convolution: a batch of equal ones, each for all channel groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GemmProblem {
    /// Rows of one product: output pixels.
    pub m: u64,
    /// Products in a dispatch: stride phases, or points of Winograd's transform.
    pub gemms: u64,
    pub groups: usize,
    /// Input channels of a group; K is that times the kernel's taps.
    pub group_inputs: usize,
    /// Output channels of a group: N.
    pub group_outputs: usize,
    /// Taps of the kernel.
    pub taps: u64,
    /// Whether the sums may be split between workgroups, with a workspace for the parts.
    pub may_split: bool,
}

impl FilterShape {
    fn of_conv(op: &Conv2d) -> Self {
        Self {
            in_channels: op.in_channels,
            out_channels: op.out_channels,
            groups: op.groups,
            kernel: op.kernel,
            has_bias: op.bias,
            order: WeightOrder::OutputFirst,
        }
    }

    fn of_transposed_conv(op: &ConvTranspose2d) -> Self {
        Self {
            in_channels: op.in_channels,
            out_channels: op.out_channels,
            groups: op.groups,
            kernel: op.kernel,
            has_bias: op.bias,
            order: WeightOrder::InputFirst,
        }
    }

    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.in_channels && self.groups == self.out_channels
    }

    /// Input channels of a group.
    pub(crate) fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of a group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// A batch of `gemms` products with `m` rows each.
    fn gemm(&self, m: u64, gemms: u64) -> GemmProblem {
        GemmProblem {
            m,
            gemms,
            groups: self.groups,
            group_inputs: self.group_inputs(),
            group_outputs: self.group_outputs(),
            taps: (self.kernel[0] * self.kernel[1]) as u64,
            may_split: false,
        }
    }
}

impl ConvProblem {
    /// `op` with what is fused into it. `nchw_input` says that the input is read NCHW.
    pub fn new(
        op: &Conv2d,
        fused: &Fused,
        input: &Shape,
        output: &Shape,
        nchw_input: bool,
    ) -> Self {
        let [_, _, height, width] = input.nchw();
        let [top, _, left, _] = op.padding_for(fused.padded([height, width]));
        Self {
            dilation: op.dilation,
            stride: op.stride,
            padding: [top as isize + fused.pad[0], left as isize + fused.pad[2]],
            input: [height, width],
            nchw_input,
            ..Self::unit_stride(FilterShape::of_conv(op), fused, output)
        }
    }

    /// The convolution that `op`, of stride 1, is: its window starts where the last tap lies.
    pub fn from_transposed(
        op: &ConvTranspose2d,
        fused: &Fused,
        input: &Shape,
        output: &Shape,
    ) -> Self {
        let [_, _, height, width] = input.nchw();
        let cut = TransposedConvProblem::cut(op, fused);
        let padding = |i: usize| ((op.kernel[i] - 1) * op.dilation[i]) as isize - cut[i] as isize;
        Self {
            dilation: op.dilation,
            padding: [padding(0), padding(1)],
            input: [height, width],
            ..Self::unit_stride(FilterShape::of_transposed_conv(op), fused, output)
        }
    }

    /// The rows of a fully connected layer as pixels. The weights have the same order.
    pub fn from_linear(op: &Linear, fused: &Fused, output: &Shape) -> Self {
        let filter = FilterShape {
            in_channels: op.in_features,
            out_channels: op.out_features,
            groups: 1,
            kernel: [1, 1],
            has_bias: op.bias,
            order: WeightOrder::OutputFirst,
        };
        Self::unit_stride(filter, fused, output)
    }

    /// The rows of a fully connected layer's gradient as pixels.
    pub fn from_linear_backward(op: &Linear, fused: &Fused, output: &Shape) -> Self {
        let filter = FilterShape {
            in_channels: op.out_features,
            out_channels: op.in_features,
            groups: 1,
            kernel: [1, 1],
            has_bias: false,
            order: WeightOrder::InputFirst,
        };
        Self::unit_stride(filter, fused, output)
    }

    /// An input of the output's size, without padding.
    fn unit_stride(filter: FilterShape, fused: &Fused, output: &Shape) -> Self {
        let [batch, _, height, width] = output.nchw();
        Self {
            batch,
            filter,
            input: [height, width],
            output: [height, width],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [0, 0],
            nchw_input: false,
            has_prologue: fused.prologue.is_some(),
            has_residual: fused.residual.is_some(),
        }
    }

    /// Output pixels of the batch.
    pub fn m(&self) -> u64 {
        (self.batch * self.output[0] * self.output[1]) as u64
    }

    pub(super) fn gemm(&self) -> GemmProblem {
        GemmProblem {
            // The steps of an NCHW image are single taps, and its pixels many.
            may_split: self.filter.groups == 1 && !self.nchw_input,
            ..self.filter.gemm(self.m(), 1)
        }
    }

    pub(super) fn window(&self) -> Window {
        Window {
            kernel: self.filter.kernel.map(|v| v as u32),
            stride: self.stride.map(|v| v as u32),
            dilation: self.dilation.map(|v| v as u32),
            padding: self.padding.map(|v| v as u32),
        }
    }

    /// All output pixels, as one phase.
    pub(crate) fn phase(&self) -> Phase {
        let taps = |count: usize| match self.filter.order {
            WeightOrder::OutputFirst => Taps::forward(count),
            WeightOrder::InputFirst => Taps::reverse(count),
        };
        let size = self.output.map(|v| v as u32);
        Phase {
            window: self.window(),
            outputs: Outputs {
                size,
                step: [1, 1],
                origin: [0, 0],
                pixels: self.batch as u32 * size[0] * size[1],
                phase_columns: 1,
            },
            rows: taps(self.filter.kernel[0]),
            columns: taps(self.filter.kernel[1]),
        }
    }
}

impl TransposedConvProblem {
    /// `op`, whose stride is not 1, with what is fused into it.
    pub fn new(op: &ConvTranspose2d, fused: &Fused, output: &Shape) -> Self {
        let [batch, _, height, width] = output.nchw();
        Self {
            batch,
            filter: FilterShape::of_transposed_conv(op),
            output: [height, width],
            stride: op.stride,
            dilation: op.dilation,
            cut: Self::cut(op, fused),
        }
    }

    /// The products of `phases`, which are of one size.
    pub(super) fn gemm(&self, phases: &[Phase]) -> GemmProblem {
        let m = (phases.first()).map_or(0, |phase| u64::from(phase.outputs.pixels));
        GemmProblem {
            taps: (phases.first()).map_or(0, |phase| phase.taps() as u64),
            ..self.filter.gemm(m, phases.len() as u64)
        }
    }

    fn cut(op: &ConvTranspose2d, fused: &Fused) -> [usize; 2] {
        let [top, _, left, _] = fused.crop;
        [op.padding[0] + top, op.padding[1] + left]
    }
}

impl GemmProblem {
    /// N tiles of all groups: no tile holds channels of two.
    pub fn n_tiles(&self) -> u64 {
        (self.groups * self.group_outputs.div_ceil(N_TILE)) as u64
    }

    /// Elements (four channels) of the input that an output channel reads at a tap.
    pub fn k_c4(&self) -> u64 {
        self.group_inputs.div_ceil(4) as u64
    }

    /// Workgroups of a tile of this many output pixels and channels.
    pub fn workgroups(&self, [pixels, channels]: [u32; 2]) -> u64 {
        let along_n = self.n_tiles().div_ceil(u64::from(channels) / N_TILE as u64);
        self.m.div_ceil(u64::from(pixels)) * along_n * self.gemms
    }

    /// Steps along K, of `k_step_c4` elements of one tap each.
    pub fn steps(&self, k_step_c4: u32) -> u64 {
        self.taps * self.k_c4().div_ceil(u64::from(k_step_c4))
    }

    /// Whether the GEMM shaders can compute it: one group, or groups of whole elements.
    pub fn has_whole_elements(&self) -> bool {
        let is_whole = |channels: usize| channels.is_multiple_of(4);
        self.groups == 1 || (is_whole(self.group_inputs) && is_whole(self.group_outputs))
    }
}
