//! The operators, one file per family. To add one, write its struct and shape inference here, its loop in
//! `reference/` and its kernel in `kernels/` and `shaders/`, and add it to the `mod.rs` of each.

mod activation;
mod batch_norm;
mod channel_shuffle;
mod concat;
mod constant;
mod conv;
mod conv_transpose;
mod cum_sum;
mod elementwise;
mod embedding;
mod extent;
mod flatten;
mod gather;
mod grid_sample;
mod group_norm;
mod hardmax;
mod input;
mod layer_scale;
mod linear;
mod local_response_norm;
mod matmul;
mod op;
mod pad;
mod padding;
mod pool;
mod pool_backward;
mod rearrange;
mod reduce;
mod reorg;
mod resample;
mod slice;
mod softmax;
mod sum_to;
mod top_k;
mod unary;
mod unflatten;
mod upsample;

pub use activation::{Activation, ActivationBackward};
pub use batch_norm::{BatchNorm2d, BatchNorm2dBackward};
pub use channel_shuffle::ChannelShuffle;
pub use concat::Concat;
pub use constant::Constant;
pub use conv::Conv2d;
pub use conv_transpose::ConvTranspose2d;
pub use cum_sum::CumSum;
pub use elementwise::{Binary, Where};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use gather::Gather;
pub use grid_sample::{
    GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding, GridSamplePositionsBackward,
};
pub use group_norm::{GroupNorm, GroupNormBackward, NormOver};
pub use hardmax::Hardmax;
pub use input::Input;
pub(crate) use layer_scale::ChannelAffine;
pub use layer_scale::LayerScale;
pub use linear::{Linear, LinearBackward};
pub use local_response_norm::{LocalResponseNorm, LocalResponseNormBackward};
pub use matmul::MatMul;
pub use op::Op;
pub use pad::{CenterCropOrPad, Pad2d};
pub use padding::Padding;
pub use pool::{AdaptiveAvgPool2d, Pool2d, PoolKind};
pub use pool_backward::{AdaptiveAvgPool2dBackward, AvgPool2dBackward, MaxPool2dBackward};
pub use rearrange::{Factor, Rearrange};
#[cfg(feature = "onnx")]
pub(crate) use rearrange::{factors_by_dimension, merged_factors};
pub use reduce::{Reduce, ReduceKind, ReduceOver};
pub use reorg::Reorg;
pub use resample::{Resample, TapWindow, Taps};
pub use slice::SliceChannels;
pub use softmax::Softmax;
pub use top_k::{TopK, TopKOutput};
pub use unary::{Unary, UnaryBackward};
pub use unflatten::Unflatten;
pub use upsample::{Upsample, UpsampleBackward, UpsampleMode, UpsampleSize};

use super::ValueId;
use super::gradient::Backward;
use crate::graph::Reach;
use crate::tensor::Shape;
pub(crate) use extent::MAX_EXTENT;
use extent::{expect_positive, expect_possible, padded_extent, window_extent};

/// What every operator defines. Errors are reasons without the node's name, which the graph adds.
pub trait Operator {
    /// The operator's name in PyTorch: `Conv2d`, `BatchNorm2d`.
    fn kind(&self) -> &'static str;

    /// Checks the operator's settings, and that it takes `inputs` values.
    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)
    }

    /// The parameters it reads, named by their suffixes (`weight`).
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The shape of its output.
    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String>;

    /// The part of the input that one output pixel depends on, for receptive fields.
    fn reach(&self, _inputs: &[&Shape], _output: &Shape) -> Reach {
        Reach::Pixel
    }

    /// Multiplications of one pass. Only convolutions and fully connected layers count, as in papers:
    /// all other operators are negligible in comparison, and mostly folded into them.
    fn multiplications(&self, _inputs: &[&Shape], _output: &Shape) -> u64 {
        0
    }

    /// Adds the nodes that compute the gradients with respect to the inputs from the gradient with respect
    /// to the output. May return `None` for an input whose gradient is not
    /// [needed](Backward::needs_gradient).
    fn backward(
        &self,
        _backward: &mut Backward,
        _gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Err(
            "its gradient is not implemented; choose a target that it does not depend on"
                .to_owned(),
        )
    }
}

/// A tensor of the weights that an operator reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name: the suffix within an operator, the full name within a graph.
    pub name: String,
    /// The shape it must have.
    pub shape: Shape,
    /// Whether it is learned. Running statistics are not.
    pub learnable: bool,
}

impl Parameter {
    fn learned(name: &str, shape: impl Into<Shape>) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.into(),
            learnable: true,
        }
    }

    /// The same with the full name within the node `node`.
    pub(crate) fn within(self, node: &str) -> Self {
        Self {
            name: format!("{node}.{}", self.name),
            ..self
        }
    }

    fn statistic(name: &str, shape: impl Into<Shape>) -> Self {
        Self {
            learnable: false,
            ..Self::learned(name, shape)
        }
    }
}

/// See [`Op::Dropout`].
struct Dropout;

impl Operator for Dropout {
    fn kind(&self) -> &'static str {
        "Dropout"
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        Ok(inputs[0].clone())
    }

    fn backward(
        &self,
        _backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(vec![Some(gradient)])
    }
}

/// Checks the number of inputs of an operator that takes one.
fn expect_one_input(inputs: usize) -> Result<(), String> {
    expect_inputs(1, inputs)
}

fn expect_inputs(expected: usize, found: usize) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!(
            "it takes {expected} input(s), but {found} were given"
        )),
    }
}

/// Checks that a gradient has the shape of the value that it belongs to.
fn expect_gradient(expected: &Shape, found: &Shape) -> Result<(), String> {
    match expected == found {
        true => Ok(()),
        false => Err(format!(
            "the gradient with respect to its output is {found}; {expected} was expected"
        )),
    }
}

/// The product of `factors`; saturates.
fn products(factors: &[usize]) -> u64 {
    let factors = factors.iter().map(|factor| *factor as u64);
    factors.fold(1, u64::saturating_mul)
}

/// The extents of a feature map, or why the shape is not one.
fn map_dims(shape: &Shape) -> Result<[usize; 4], String> {
    <[usize; 4]>::try_from(shape.dims())
        .map_err(|_| format!("it takes a map [N, C, H, W], but its input is {shape}"))
}

/// The output shape of an operator that computes each of its channels by itself: that of its input.
fn per_channel_shape(channels: usize, input: &Shape) -> Result<Shape, String> {
    match input.dims() {
        [_, c, ..] => expect_channels(channels, *c, input)?,
        _ => return Err(format!("it takes [N, C, …], but its input is {input}")),
    }
    Ok(input.clone())
}

/// Checks that a feature map has the number of channels that an operator takes.
fn expect_channels(expected: usize, found: usize, input: &Shape) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "it takes {expected} input channels, but its input {input} has {found}"
    ))
}
