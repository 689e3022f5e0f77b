use super::{Operator, expect_one_input, expect_positive};
use crate::tensor::Shape;

/// What [`TopK`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TopKOutput {
    /// The elements themselves.
    Values,
    /// The channels that they are in, as whole numbers: exact in float32, and up to 2048 where values are stored as
    /// float16.
    Indices,
}

/// The `k` largest or smallest elements along the channels, dimension 1 of `[N, C, …]`, the first of them first. Of
/// equal elements, that of the lower channel is first. NaN counts as larger than any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopK {
    /// The number of elements, at most that of the channels.
    pub k: usize,
    /// Whether the largest are wanted, rather than the smallest.
    pub largest: bool,
    /// Elements or their channels.
    pub output: TopKOutput,
}

impl Operator for TopK {
    fn kind(&self) -> &'static str {
        match (self.output, self.largest, self.k) {
            (TopKOutput::Indices, true, 1) => "ArgMax",
            (TopKOutput::Indices, false, 1) => "ArgMin",
            _ => "TopK",
        }
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[("k", self.k)])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let mut dims = inputs[0].dims().to_vec();
        match dims.get_mut(1) {
            Some(channels) if self.k <= *channels => {
                *channels = self.k;
                Ok(Shape::from(dims))
            }
            _ => Err(format!(
                "it takes [N, C, …] with at least {} channels, but its input is {}",
                self.k, inputs[0]
            )),
        }
    }
}
