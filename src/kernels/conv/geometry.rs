//! Where a convolution's windows lie, and where its weights.

use crate::gpu::uniform::uniforms;
use std::borrow::Cow;
use std::ops::Range;

use super::super::NodeContext;
use super::super::norm::Folding;
use crate::error::Result;
use crate::graph::{Conv2d, ConvTranspose2d};
use crate::weights::Weights;

uniforms! {
    /// `Window` of `shaders/shared/window.wgsl`.
    #[derive(PartialEq, Eq)]
    pub(super) struct Window {
        pub kernel: [u32; 2],
        pub stride: [u32; 2],
        pub dilation: [u32; 2],
        /// Wraps around below zero, as the shader's arithmetic does.
        pub padding: [u32; 2],
    }

    /// `Outputs` of `shaders/shared/window.wgsl`.
    pub(super) struct Outputs {
        pub size: [u32; 2],
        pub step: [u32; 2],
        pub origin: [u32; 2],
        pub pixels: u32,
        /// Remainders of the columns in one dispatch.
        pub columns: u32,
    }
}

impl Window {
    /// Of a convolution and the padding or cropping before it.
    pub fn new(context: &NodeContext, op: &Conv2d) -> Self {
        let input = &context.inputs[0];
        let fused = &context.node.fused;
        let size = [input.height as usize, input.width as usize];
        let own = op.padding_for(fused.padded(size));
        let before = |i: usize| (own[i] as isize + fused.pad[i]) as u32;
        Self {
            kernel: op.kernel.map(|v| v as u32),
            stride: op.stride.map(|v| v as u32),
            dilation: op.dilation.map(|v| v as u32),
            padding: [before(0), before(2)],
        }
    }
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
            window: Window::new(context, op),
            outputs: Outputs {
                size: [context.output.height, context.output.width],
                step: [1, 1],
                origin: [0, 0],
                pixels: context.output.pixels,
                columns: 1,
            },
            rows: (0..op.kernel[0]).collect(),
            columns: (0..op.kernel[1]).collect(),
        }
    }

    /// A transposed convolution taken apart by the remainders of its stride; remainders that no
    /// output has are left out. What passes have it crop goes with its own padding, which is the same.
    pub fn remainders(context: &NodeContext, op: &ConvTranspose2d) -> Vec<Self> {
        let [top, _, left, _] = context.node.fused.crop;
        let cut = [op.padding[0] + top, op.padding[1] + left];
        let axis = |i: usize, size: u32| -> Vec<(Axis, u32)> {
            (0..op.stride[i])
                .map(|remainder| {
                    let outputs = (size as usize).saturating_sub(remainder);
                    let outputs = outputs.div_ceil(op.stride[i]) as u32;
                    (Axis::new(op, i, remainder, cut[i]), outputs)
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
                    columns: 1,
                },
                rows: row.taps,
                columns: column.taps,
            })
            .collect()
    }

    /// The remainders as one dispatch takes them, where their windows and numbers of outputs are
    /// equal, as with a kernel as large as the stride.
    pub fn merged(places: &[Self]) -> Option<Vec<Self>> {
        let first = places.first()?;
        let same =
            |place: &Self| place.window == first.window && place.outputs.size == first.outputs.size;
        let in_first_row = |place: &&Self| place.outputs.origin[0] == first.outputs.origin[0];
        let columns = places.iter().filter(in_first_row).count() as u32;
        places.iter().all(same).then(|| {
            let mut merged = places.to_vec();
            for place in &mut merged {
                place.outputs.columns = columns;
            }
            merged
        })
    }
}

/// A convolution that any of the kernels for them can compute: an ordinary one, or what a transposed one
/// of stride 1 is.
pub(super) struct ConvProblem {
    /// Its settings; where its windows begin is in `part`.
    pub op: Conv2d,
    pub filter: Filter,
    pub part: Part,
}

impl ConvProblem {
    pub fn of(context: &NodeContext, op: &Conv2d) -> Self {
        Self {
            op: op.clone(),
            filter: Filter::of(context, op),
            part: Part::whole(context, op),
        }
    }

    /// With a stride of 1 there is one remainder, and its taps are all of the kernel's, last first.
    pub fn from_transposed(context: &NodeContext, op: &ConvTranspose2d) -> Option<Self> {
        if op.stride != [1, 1] {
            return None;
        }
        let part = Part::remainders(context, op).pop()?;
        let op_of_window = Conv2d::new(op.in_channels, op.out_channels, 1)
            .kernel_hw(op.kernel[0], op.kernel[1])
            .dilation_hw(op.dilation[0], op.dilation[1])
            .groups(op.groups)
            .bias(op.bias);
        Some(Self {
            op: op_of_window,
            filter: Filter::transposed(context, op),
            part,
        })
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
    /// `y * stride + k * dilation = i * stride + remainder + cut`, `cut` being what is cut off before.
    /// So the taps of one remainder are those with `k * dilation` of one remainder, and each reads the
    /// input at `i + (remainder + cut - k * dilation) / stride`.
    fn new(op: &ConvTranspose2d, i: usize, remainder: usize, cut: usize) -> Self {
        let (stride, dilation) = (op.stride[i], op.dilation[i]);
        let at = (remainder + cut) as isize;
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
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub groups: usize,
    /// Channels of a group.
    pub group_inputs: usize,
    pub group_outputs: usize,
    /// The bias, and the norm that goes into the kernels that are read.
    pub folding: Folding,
    kernel: [usize; 2],
    /// `[in, out / groups, kh, kw]` rather than `[out, in / groups, kh, kw]`.
    input_first: bool,
}

impl Filter {
    pub fn of(context: &NodeContext, op: &Conv2d) -> Self {
        Self {
            groups: op.groups,
            group_inputs: op.in_channels / op.groups,
            group_outputs: op.out_channels / op.groups,
            folding: Folding::of(context, op.out_channels, op.bias),
            kernel: op.kernel,
            input_first: false,
        }
    }

    pub fn transposed(context: &NodeContext, op: &ConvTranspose2d) -> Self {
        Self {
            groups: op.groups,
            group_inputs: op.in_channels / op.groups,
            group_outputs: op.out_channels / op.groups,
            folding: Folding::of(context, op.out_channels, op.bias),
            kernel: op.kernel,
            input_first: true,
        }
    }

    /// The kernels of output channels in `outputs`, the norm folded in. Only these are read where
    /// they lie together: a weight may be larger than memory likes.
    pub fn read<'a>(
        &'a self,
        weights: &'a Weights,
        name: &str,
        outputs: Range<usize>,
    ) -> Result<Kernels<'a>> {
        let taps = self.taps();
        let len = self.group_inputs * taps;
        let first_output = outputs.start;
        let values = match self.input_first {
            true => self.folding.scaled_by(weights, weights.read(name)?, |i| {
                let (input, output) =
                    (i / taps / self.group_outputs, i / taps % self.group_outputs);
                input / self.group_inputs * self.group_outputs + output
            })?,
            false => {
                let values = weights.read_range(name, outputs.start * len..outputs.end * len)?;
                self.folding.scaled(weights, values, outputs)?
            }
        };
        Ok(Kernels {
            filter: self,
            first_output,
            values,
        })
    }

    /// Tells packed weights from those of a convolution that reads the same the other way round, as its
    /// gradient does.
    pub fn form(&self) -> &'static str {
        match self.input_first {
            true => " transposed",
            false => "",
        }
    }

    /// Numbers of a kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Where in a kernel the window's tap (row, column) lies.
    pub fn tap(&self, row: usize, column: usize) -> usize {
        row * self.kernel[1] + column
    }
}

/// Kernels that were read.
pub(super) struct Kernels<'a> {
    filter: &'a Filter,
    first_output: usize,
    values: Cow<'a, [f32]>,
}

impl Kernels<'_> {
    /// The kernel, `kh * kw` numbers, from an input channel within its group to an output channel.
    pub fn get(&self, output: usize, input: usize) -> &[f32] {
        let filter = self.filter;
        let row = match filter.input_first {
            true => {
                let group = output / filter.group_outputs;
                let input = group * filter.group_inputs + input;
                input * filter.group_outputs + output % filter.group_outputs
            }
            false => (output - self.first_output) * filter.group_inputs + input,
        };
        let taps = filter.taps();
        &self.values[row * taps..][..taps]
    }

    /// The same, its taps in the order in which a [`ConvProblem`] convolution's window has them.
    pub fn in_order(&self, output: usize, input: usize) -> Cow<'_, [f32]> {
        let kernel = self.get(output, input);
        match self.filter.input_first {
            true => kernel.iter().rev().copied().collect(),
            false => Cow::Borrowed(kernel),
        }
    }
}
