use std::ops::Range;

use super::{Operator, expect_one_input, expect_possible};
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
        expect_possible(&[("last channel", self.end)])?;
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
        dims[1] = self.end.saturating_sub(self.start);
        Ok(Shape::from(dims))
    }
}
