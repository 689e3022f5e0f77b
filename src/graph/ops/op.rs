//! The type of any operator.

use super::*;

macro_rules! operators {
    ($($name:ident,)*) => {
        /// Any operator.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Op {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
            /// The identity in inference.
            Dropout,
        }

        impl Op {
            /// The operator's definition.
            pub fn as_operator(&self) -> &dyn Operator {
                match self {
                    $(Self::$name(op) => op,)*
                    Self::Dropout => &Dropout,
                }
            }
        }

        $(
            impl From<$name> for Op {
                fn from(op: $name) -> Self {
                    Self::$name(op)
                }
            }
        )*
    };
}

operators! {
    Activation,
    ActivationBackward,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool2dBackward,
    AvgPool2dBackward,
    BatchNorm2d,
    BatchNorm2dBackward,
    Binary,
    CenterCropOrPad,
    ChannelShuffle,
    Concat,
    Constant,
    Conv2d,
    ConvTranspose2d,
    CumSum,
    Embedding,
    Flatten,
    Gather,
    GridSample,
    GridSampleBackward,
    GridSamplePositionsBackward,
    GroupNorm,
    GroupNormBackward,
    Hardmax,
    Input,
    LayerScale,
    Linear,
    LinearBackward,
    LocalResponseNorm,
    LocalResponseNormBackward,
    MatMul,
    MaxPool2dBackward,
    Pad2d,
    Pool2d,
    Rearrange,
    Reduce,
    Reorg,
    Resample,
    SliceChannels,
    Softmax,
    TopK,
    Unary,
    UnaryBackward,
    Unflatten,
    Upsample,
    UpsampleBackward,
    Where,
}

impl Op {
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
