//! The weights of a convolution, in either order of their dimensions.

use std::borrow::Cow;
use std::ops::Range;

use super::super::norm::Folding;
use super::problem::{FilterShape, WeightOrder};
use crate::error::Result;
use crate::graph::Node;
use crate::weights::Weights;

/// The weights of a convolution.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub groups: usize,
    /// Channels of a group.
    pub group_inputs: usize,
    pub group_outputs: usize,
    /// The bias, and the norm and the branches that are folded into the weights that are read.
    pub folding: Folding,
    kernel: [usize; 2],
    order: WeightOrder,
}

impl Filter {
    /// The weights of `node`, which have this shape.
    pub fn new(node: &Node, shape: &FilterShape) -> Self {
        Self {
            groups: shape.groups,
            group_inputs: shape.group_inputs(),
            group_outputs: shape.group_outputs(),
            folding: Folding::new(node, shape.out_channels, shape.has_bias),
            kernel: shape.kernel,
            order: shape.order,
        }
    }

    /// Reads the weights of the output channels `outputs`, with the norm folded in. Where these are
    /// contiguous only they are read, since a weight may be too large to be in memory twice.
    pub fn read<'a>(
        &'a self,
        weights: &'a Weights,
        name: &str,
        outputs: Range<usize>,
    ) -> Result<Kernels<'a>> {
        let taps = self.taps();
        let len = self.group_inputs * taps;
        let first_output = outputs.start;
        let values = match self.order {
            WeightOrder::InputFirst => {
                self.folding.scaled_by(weights, weights.read(name)?, |i| {
                    let (input, output) =
                        (i / taps / self.group_outputs, i / taps % self.group_outputs);
                    input / self.group_inputs * self.group_outputs + output
                })?
            }
            WeightOrder::OutputFirst => {
                let values = weights.read_range(name, outputs.start * len..outputs.end * len)?;
                let values = self.folding.scaled(weights, values, outputs.clone())?;
                self.folding.add_branches(weights, values, outputs, taps)?
            }
        };
        Ok(Kernels {
            filter: self,
            first_output,
            values,
        })
    }

    /// A part of the names of packed weights: a convolution and its gradient read the same weight in
    /// different orders.
    pub fn order_suffix(&self) -> &'static str {
        match self.order {
            WeightOrder::InputFirst => " transposed",
            WeightOrder::OutputFirst => "",
        }
    }

    /// Numbers of a kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The index in a kernel of its tap at (row, column).
    pub fn tap(&self, row: usize, column: usize) -> usize {
        row * self.kernel[1] + column
    }
}

/// Weights that were read: a kernel for each pair of an output and an input channel.
pub(crate) struct Kernels<'a> {
    filter: &'a Filter,
    first_output: usize,
    values: Cow<'a, [f32]>,
}

impl Kernels<'_> {
    /// The kernel, `kh * kw` numbers, from an input channel within its group to an output channel.
    pub fn get(&self, output: usize, input: usize) -> &[f32] {
        let filter = self.filter;
        let row = match filter.order {
            WeightOrder::InputFirst => {
                let group = output / filter.group_outputs;
                let input = group * filter.group_inputs + input;
                input * filter.group_outputs + output % filter.group_outputs
            }
            WeightOrder::OutputFirst => (output - self.first_output) * filter.group_inputs + input,
        };
        let taps = filter.taps();
        &self.values[row * taps..][..taps]
    }

    /// The same, with its taps in the order in which the window of a [`ConvProblem`] sees them.
    pub fn in_window_order(&self, output: usize, input: usize) -> Cow<'_, [f32]> {
        let kernel = self.get(output, input);
        match self.filter.order {
            WeightOrder::InputFirst => kernel.iter().rev().copied().collect(),
            WeightOrder::OutputFirst => Cow::Borrowed(kernel),
        }
    }
}
