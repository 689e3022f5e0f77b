use super::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward, MaxPool2dBackward, Operator, Pool2d, Upsample,
    map_dims,
};
use crate::graph::Reach;
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// The function of a reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReduceKind {
    /// The sum.
    Sum,
    /// The mean.
    Mean,
    /// The maximum; NaN if any value is NaN.
    Max,
    /// The minimum; NaN if any value is NaN.
    Min,
    /// The product.
    Prod,
}

/// The dimensions of a reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReduceOver {
    /// Height and width; the output is `[N, C, 1, 1]`.
    Space,
    /// The channels; the output is `[N, 1, H, W]`.
    Channels,
}

/// A reduction of an `[N, C, H, W]` map. Reduced dimensions are kept as 1 (PyTorch's `keepdim=True`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reduce {
    /// Sum, mean, maximum, minimum or product.
    pub kind: ReduceKind,
    /// Height and width, or channels.
    pub over: ReduceOver,
}

impl Operator for Reduce {
    fn kind(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "Sum",
            ReduceKind::Mean => "Mean",
            ReduceKind::Max => "Amax",
            ReduceKind::Min => "Amin",
            ReduceKind::Prod => "Prod",
        }
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [n, c, h, w] = map_dims(inputs[0])?;
        Ok(match self.over {
            ReduceOver::Space => Shape::from([n, c, 1, 1]),
            ReduceOver::Channels => Shape::from([n, 1, h, w]),
        })
    }

    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        match self.over {
            ReduceOver::Space => Reach::Whole,
            ReduceOver::Channels => Reach::Pixel,
        }
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, _, h, w] = backward.input_shape(0).nchw();
        let node = match (self.over, self.kind) {
            // Every pixel gets the gradient of the one output pixel.
            (ReduceOver::Space, ReduceKind::Sum) => {
                backward.node(Upsample::nearest(1.0).to_size(h, w), &[gradient])
            }
            (ReduceOver::Space, ReduceKind::Mean) => {
                let op = AdaptiveAvgPool2dBackward {
                    pool: AdaptiveAvgPool2d::new(1, 1),
                    input: [h, w],
                };
                backward.node(op, &[gradient])
            }
            (ReduceOver::Space, ReduceKind::Max) => {
                let (input, output) = (backward.input(0), backward.output());
                let window = Pool2d::max(1, 1).kernel_hw(h, w);
                backward.node(MaxPool2dBackward(window), &[gradient, input, output])
            }
            _ => {
                return Err(
                    "its gradient is not implemented; those of sum, mean and maximum over space are"
                        .to_owned(),
                );
            }
        };
        Ok(vec![Some(node)])
    }
}
