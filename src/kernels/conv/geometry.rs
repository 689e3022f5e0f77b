//! Where a convolution's windows lie, and where its weights.

use std::borrow::Cow;
use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::super::{Map, NodeContext};
use crate::error::Result;
use crate::graph::{Conv2d, ConvTranspose2d};
use crate::weights::Weights;

/// `Window` of `shaders/shared/window.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Window {
    pub kernel: [u32; 2],
    pub stride: [u32; 2],
    pub dilation: [u32; 2],
    /// Wraps around below zero, as the shader's arithmetic does.
    pub padding: [u32; 2],
}

impl Window {
    pub fn new(op: &Conv2d, input: &Map) -> Self {
        let [top, _, left, _] = op.padding_for([input.height as usize, input.width as usize]);
        Self {
            kernel: op.kernel.map(|v| v as u32),
            stride: op.stride.map(|v| v as u32),
            dilation: op.dilation.map(|v| v as u32),
            padding: [top as u32, left as u32],
        }
    }
}

/// `Outputs` of `shaders/shared/window.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct Outputs {
    pub size: [u32; 2],
    pub step: [u32; 2],
    pub origin: [u32; 2],
    pub pixels: u32,
    /// WGSL rounds the struct up to its alignment.
    unused: u32,
}

/// The part of a convolution that one set of dispatches computes.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub window: Window,
    pub outputs: Outputs,
    /// The kernel's rows and columns in the order in which the window has them.
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
}

impl Part {
    /// All of an ordinary convolution.
    pub fn whole(context: &NodeContext, op: &Conv2d) -> Self {
        Self {
            window: Window::new(op, &context.inputs[0]),
            outputs: Outputs {
                size: [context.output.height, context.output.width],
                step: [1, 1],
                origin: [0, 0],
                pixels: context.output.pixels,
                unused: 0,
            },
            rows: (0..op.kernel[0]).collect(),
            columns: (0..op.kernel[1]).collect(),
        }
    }

    /// A transposed convolution taken apart by the remainders of its stride; remainders that no
    /// output has are left out.
    pub fn remainders(context: &NodeContext, op: &ConvTranspose2d) -> Vec<Self> {
        let axis = |i: usize, size: u32| -> Vec<(Axis, u32)> {
            (0..op.stride[i])
                .map(|remainder| {
                    let outputs = (size as usize).saturating_sub(remainder);
                    let outputs = outputs.div_ceil(op.stride[i]) as u32;
                    (Axis::new(op, i, remainder), outputs)
                })
                .filter(|(_, outputs)| *outputs > 0)
                .collect()
        };
        let columns = axis(1, context.output.width);
        (axis(0, context.output.height).into_iter())
            .flat_map(|row| {
                columns
                    .iter()
                    .cloned()
                    .map(move |column| (row.clone(), column))
            })
            .map(|((row, height), (column, width))| Self {
                window: Window {
                    kernel: [row.taps.len() as u32, column.taps.len() as u32],
                    stride: [1, 1],
                    dilation: [row.dilation, column.dilation],
                    padding: [row.padding, column.padding],
                },
                outputs: Outputs {
                    size: [height, width],
                    step: op.stride.map(|v| v as u32),
                    origin: [row.remainder, column.remainder],
                    pixels: context.output.batch * height * width,
                    unused: 0,
                },
                rows: row.taps,
                columns: column.taps,
            })
            .collect()
    }
}

/// One axis of a transposed convolution, for the outputs of one remainder.
#[derive(Clone, Debug)]
struct Axis {
    remainder: u32,
    taps: Vec<usize>,
    dilation: u32,
    padding: u32,
}

impl Axis {
    /// Output `i * stride + remainder` gets input `y` through tap `k` where
    /// `y * stride + k * dilation = i * stride + remainder + padding`. So the taps of one remainder
    /// are those with `k * dilation` of one remainder, and each reads the input at
    /// `i + (remainder + padding - k * dilation) / stride`.
    fn new(op: &ConvTranspose2d, i: usize, remainder: usize) -> Self {
        let (stride, dilation) = (op.stride[i], op.dilation[i]);
        let at = (remainder + op.padding[i]) as isize;
        let offset = |tap: usize| {
            let difference = at - (tap * dilation) as isize;
            (difference % stride as isize == 0).then_some(difference / stride as isize)
        };
        // Last tap first, so that what they read goes up.
        let taps: Vec<usize> = (0..op.kernel[i])
            .rev()
            .filter(|&tap| offset(tap).is_some())
            .collect();
        let offsets: Vec<isize> = taps.iter().filter_map(|&tap| offset(tap)).collect();
        Self {
            remainder: remainder as u32,
            // Equal between neighbours: taps that fit are equally far apart.
            dilation: match offsets[..] {
                [first, second, ..] => (second - first) as u32,
                _ => 1,
            },
            // Wraps around where the window starts inside the input.
            padding: offsets.first().map_or(0, |&first| -first) as u32,
            taps,
        }
    }
}

/// The weights of a convolution, whichever way round they lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    pub groups: usize,
    /// Channels of a group.
    pub group_inputs: usize,
    pub group_outputs: usize,
    pub has_bias: bool,
    kernel: [usize; 2],
    /// `[in, out / groups, kh, kw]` rather than `[out, in / groups, kh, kw]`.
    input_first: bool,
}

impl Filter {
    pub fn of(op: &Conv2d) -> Self {
        Self {
            groups: op.groups,
            group_inputs: op.in_channels / op.groups,
            group_outputs: op.out_channels / op.groups,
            has_bias: op.bias,
            kernel: op.kernel,
            input_first: false,
        }
    }

    pub fn transposed(op: &ConvTranspose2d) -> Self {
        Self {
            groups: op.groups,
            group_inputs: op.in_channels / op.groups,
            group_outputs: op.out_channels / op.groups,
            has_bias: op.bias,
            kernel: op.kernel,
            input_first: true,
        }
    }

    /// The kernels of output channels in `outputs`. Only these are read where they lie together: a
    /// weight may be larger than memory likes.
    pub fn read<'a>(
        self,
        weights: &'a Weights,
        name: &str,
        outputs: Range<usize>,
    ) -> Result<Kernels<'a>> {
        let len = self.group_inputs * self.kernel[0] * self.kernel[1];
        let values = match self.input_first {
            true => weights.read(name)?,
            false => weights.read_range(name, outputs.start * len..outputs.end * len)?,
        };
        Ok(Kernels {
            filter: self,
            first_output: outputs.start,
            values,
        })
    }

    /// Where in a kernel the window's tap (row, column) lies.
    pub fn tap(&self, row: usize, column: usize) -> usize {
        row * self.kernel[1] + column
    }
}

/// Kernels that were read.
pub(super) struct Kernels<'a> {
    filter: Filter,
    first_output: usize,
    values: Cow<'a, [f32]>,
}

impl Kernels<'_> {
    /// The kernel, `kh * kw` numbers, from an input channel within its group to an output channel.
    pub fn get(&self, output: usize, input: usize) -> &[f32] {
        let filter = &self.filter;
        let row = match filter.input_first {
            true => {
                let group = output / filter.group_outputs;
                let input = group * filter.group_inputs + input;
                input * filter.group_outputs + output % filter.group_outputs
            }
            false => (output - self.first_output) * filter.group_inputs + input,
        };
        let taps = filter.kernel[0] * filter.kernel[1];
        &self.values[row * taps..][..taps]
    }
}
