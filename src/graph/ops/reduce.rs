use super::{
    AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward, Binary, MaxPool2dBackward, Operator, Pool2d,
    Rearrange, Unary, Upsample, map_dims,
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
        let [_, c, h, w] = backward.input_shape(0).nchw();
        let (input, output) = (backward.input(0), backward.output());
        let node = match (self.over, self.kind) {
            (_, ReduceKind::Prod) => {
                return Err("the gradient of a product of all elements is not implemented; choose a target that it does not depend on".to_owned());
            }
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
                let window = Pool2d::max(1, 1).kernel_hw(h, w);
                backward.node(MaxPool2dBackward(window), &[gradient, input, output])
            }
            (ReduceOver::Channels, ReduceKind::Sum) => to_all_channels(backward, gradient)?,
            (ReduceOver::Channels, ReduceKind::Mean) => {
                let share = Unary::Affine {
                    scale: 1.0 / c as f32,
                    offset: 0.0,
                };
                let share = backward.node(share, &[gradient]);
                to_all_channels(backward, share)?
            }
            // Equal shares to all elements that are the result, as PyTorch's `amax` and `amin`.
            (over, ReduceKind::Max | ReduceKind::Min) => {
                let is_result = backward.node(Binary::Equal, &[input, output]);
                let kind = ReduceKind::Sum;
                let count = backward.node(Self { kind, over }, &[is_result]);
                let share = backward.node(Binary::Div, &[gradient, count]);
                backward.node(Binary::Mul, &[is_result, share])
            }
        };
        Ok(vec![Some(node)])
    }
}

/// The gradient with respect to the one output channel, for each channel of the input.
fn to_all_channels(backward: &mut Backward, gradient: ValueId) -> Result<ValueId, String> {
    let expand = Rearrange::expand(backward.output_shape(), backward.input_shape(0))?;
    Ok(backward.node(expand, &[gradient]))
}
