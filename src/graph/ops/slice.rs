use std::ops::Range;

use super::{Concat, Operator, Pad2d, expect_one_input, map_dims};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// A range of channels, dimension 1: PyTorch's `x[:, start:end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SliceChannels {
    /// The first channel.
    pub start: usize,
    /// One past the last channel.
    pub end: usize,
}

impl From<Range<usize>> for SliceChannels {
    fn from(range: Range<usize>) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}

impl Operator for SliceChannels {
    fn kind(&self) -> &'static str {
        "SliceChannels"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        match self.start < self.end {
            true => Ok(()),
            false => Err(format!(
                "its range of channels {}..{} is empty",
                self.start, self.end
            )),
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let mut dims = inputs[0].dims().to_vec();
        if dims.len() < 2 || self.end > dims[1] {
            return Err(format!(
                "it takes channels {}..{}, which its input {} does not have",
                self.start, self.end, inputs[0]
            ));
        }
        dims[1] = self.end - self.start;
        Ok(Shape::from(dims))
    }

    /// Other channels have a gradient of 0: maps from which all pixels are cropped and that are padded to
    /// their size.
    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, channels, height, _] = map_dims(backward.input_shape(0))?;
        let height = height as isize;
        let mut parts = Vec::new();
        for (is_before, range) in [(true, 0..self.start), (false, self.end..channels)] {
            if !is_before {
                parts.push(gradient);
            }
            if !range.is_empty() {
                let input = backward.input(0);
                let slice = backward.node(Self::from(range), &[input]);
                parts.push(backward.node(Pad2d::zeros(height, -height, 0, 0), &[slice]));
            }
        }
        let node = match parts[..] {
            [one] => one,
            _ => backward.node(Concat, &parts),
        };
        Ok(vec![Some(node)])
    }
}
