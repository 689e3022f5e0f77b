//! The operators, one file per family. To add one, write its struct and shape inference here, its loop in
//! `reference/` and its kernel in `kernels/` and `shaders/`, and add it to the `mod.rs` of each.

mod activation;
mod batch_norm;
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
mod linear;
mod local_response_norm;
mod matmul;
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
mod top_k;
mod unary;
mod unflatten;
mod upsample;

pub use activation::{Activation, ActivationBackward};
pub use batch_norm::{BatchNorm2d, BatchNorm2dBackward};
pub use concat::Concat;
pub use constant::Constant;
pub use conv::Conv2d;
pub use conv_transpose::ConvTranspose2d;
pub use cum_sum::CumSum;
pub use elementwise::{Binary, Where};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use gather::Gather;
pub use grid_sample::{GridSample, GridSampleMode, GridSamplePadding};
pub use group_norm::{GroupNorm, NormOver};
pub use hardmax::Hardmax;
pub use input::Input;
pub use linear::{Linear, LinearBackward};
pub use local_response_norm::{LocalResponseNorm, LocalResponseNormBackward};
pub use matmul::MatMul;
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

    fn statistic(name: &str, shape: impl Into<Shape>) -> Self {
        Self {
            learnable: false,
            ..Self::learned(name, shape)
        }
    }
}

/// Any operator.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// See [`Input`].
    Input(Input),
    /// See [`Conv2d`].
    Conv2d(Conv2d),
    /// See [`Linear`].
    Linear(Linear),
    /// See [`BatchNorm2d`].
    BatchNorm2d(BatchNorm2d),
    /// See [`Activation`].
    Activation(Activation),
    /// See [`Pool2d`].
    Pool2d(Pool2d),
    /// See [`AdaptiveAvgPool2d`].
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    /// See [`Softmax`].
    Softmax(Softmax),
    /// See [`Binary`].
    Binary(Binary),
    /// See [`Concat`].
    Concat(Concat),
    /// See [`Constant`].
    Constant(Constant),
    /// See [`Flatten`].
    Flatten(Flatten),
    /// See [`GridSample`].
    GridSample(GridSample),
    /// See [`GroupNorm`].
    GroupNorm(GroupNorm),
    /// See [`ConvTranspose2d`].
    ConvTranspose2d(ConvTranspose2d),
    /// See [`Upsample`].
    Upsample(Upsample),
    /// See [`LocalResponseNorm`].
    LocalResponseNorm(LocalResponseNorm),
    /// See [`SliceChannels`].
    SliceChannels(SliceChannels),
    /// See [`Pad2d`].
    Pad2d(Pad2d),
    /// See [`CenterCropOrPad`].
    CenterCropOrPad(CenterCropOrPad),
    /// See [`Reorg`].
    Reorg(Reorg),
    /// See [`Resample`].
    Resample(Resample),
    /// See [`Rearrange`].
    Rearrange(Rearrange),
    /// See [`Reduce`].
    Reduce(Reduce),
    /// See [`Embedding`].
    Embedding(Embedding),
    /// The identity in inference.
    Dropout,
    /// See [`ActivationBackward`].
    ActivationBackward(ActivationBackward),
    /// See [`AdaptiveAvgPool2dBackward`].
    AdaptiveAvgPool2dBackward(AdaptiveAvgPool2dBackward),
    /// See [`AvgPool2dBackward`].
    AvgPool2dBackward(AvgPool2dBackward),
    /// See [`BatchNorm2dBackward`].
    BatchNorm2dBackward(BatchNorm2dBackward),
    /// See [`Hardmax`].
    Hardmax(Hardmax),
    /// See [`LinearBackward`].
    LinearBackward(LinearBackward),
    /// See [`LocalResponseNormBackward`].
    LocalResponseNormBackward(LocalResponseNormBackward),
    /// See [`MaxPool2dBackward`].
    MaxPool2dBackward(MaxPool2dBackward),
    /// See [`Unary`].
    Unary(Unary),
    /// See [`UnaryBackward`].
    UnaryBackward(UnaryBackward),
    /// See [`Unflatten`].
    Unflatten(Unflatten),
    /// See [`UpsampleBackward`].
    UpsampleBackward(UpsampleBackward),
    /// See [`CumSum`].
    CumSum(CumSum),
    /// See [`Gather`].
    Gather(Gather),
    /// See [`MatMul`].
    MatMul(MatMul),
    /// See [`TopK`].
    TopK(TopK),
    /// See [`Where`].
    Where(Where),
}

impl Op {
    /// The operator's definition.
    pub fn as_operator(&self) -> &dyn Operator {
        match self {
            Self::Input(op) => op,
            Self::Conv2d(op) => op,
            Self::Linear(op) => op,
            Self::BatchNorm2d(op) => op,
            Self::Activation(op) => op,
            Self::Pool2d(op) => op,
            Self::AdaptiveAvgPool2d(op) => op,
            Self::Softmax(op) => op,
            Self::Binary(op) => op,
            Self::Concat(op) => op,
            Self::Constant(op) => op,
            Self::Flatten(op) => op,
            Self::GridSample(op) => op,
            Self::GroupNorm(op) => op,
            Self::ConvTranspose2d(op) => op,
            Self::Upsample(op) => op,
            Self::LocalResponseNorm(op) => op,
            Self::SliceChannels(op) => op,
            Self::Pad2d(op) => op,
            Self::CenterCropOrPad(op) => op,
            Self::Reorg(op) => op,
            Self::Resample(op) => op,
            Self::Rearrange(op) => op,
            Self::Reduce(op) => op,
            Self::Embedding(op) => op,
            Self::Dropout => &Dropout,
            Self::ActivationBackward(op) => op,
            Self::AdaptiveAvgPool2dBackward(op) => op,
            Self::AvgPool2dBackward(op) => op,
            Self::BatchNorm2dBackward(op) => op,
            Self::Hardmax(op) => op,
            Self::LinearBackward(op) => op,
            Self::LocalResponseNormBackward(op) => op,
            Self::MaxPool2dBackward(op) => op,
            Self::Unary(op) => op,
            Self::UnaryBackward(op) => op,
            Self::Unflatten(op) => op,
            Self::UpsampleBackward(op) => op,
            Self::CumSum(op) => op,
            Self::Gather(op) => op,
            Self::MatMul(op) => op,
            Self::TopK(op) => op,
            Self::Where(op) => op,
        }
    }

    /// Whether the output has the same elements in the same memory layout as the input, so that it can
    /// share the input's memory.
    pub(crate) fn is_rename(&self, input: &Shape) -> bool {
        match self {
            Self::Dropout => true,
            Self::Flatten(_) => {
                let [_, _, height, width] = input.nchw();
                height == 1 && width == 1
            }
            Self::Unflatten(op) => op.dims[1..] == [1, 1],
            Self::Rearrange(op) => op.keeps_layout(),
            _ => false,
        }
    }
}

macro_rules! into_op {
    ($($name:ident),*) => {$(
        impl From<$name> for Op {
            fn from(op: $name) -> Self {
                Self::$name(op)
            }
        }
    )*};
}
into_op!(
    Input,
    Conv2d,
    Linear,
    BatchNorm2d,
    Activation,
    Pool2d,
    AdaptiveAvgPool2d,
    Softmax,
    Binary,
    Concat,
    Constant,
    Flatten,
    GridSample,
    GroupNorm,
    ConvTranspose2d,
    Upsample,
    LocalResponseNorm,
    SliceChannels,
    Pad2d,
    CenterCropOrPad,
    Reorg,
    Resample,
    Rearrange,
    Reduce,
    Embedding,
    ActivationBackward,
    AdaptiveAvgPool2dBackward,
    AvgPool2dBackward,
    BatchNorm2dBackward,
    Hardmax,
    LinearBackward,
    LocalResponseNormBackward,
    MaxPool2dBackward,
    Unary,
    UnaryBackward,
    Unflatten,
    UpsampleBackward,
    CumSum,
    Gather,
    MatMul,
    TopK,
    Where
);

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

/// Checks that a feature map has the number of channels that an operator takes.
fn expect_channels(expected: usize, found: usize, input: &Shape) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "it takes {expected} input channels, but its input {input} has {found}"
    ))
}
