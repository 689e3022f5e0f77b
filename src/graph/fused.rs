//! What an optimized node does beside its own operator.

use super::{Activation, BatchNorm2d, ValueId};

/// Work that passes have moved into a node from its neighbours. Nothing in a graph as it is built.
///
/// In this order: what the node reads is padded or cropped, then goes through the prologue (the
/// padding stays as it is); the operator's answer is cropped and goes through the norm, the residual is
/// added before or after the activation.
///
/// ```
/// use shadernet::graph::{Conv2d, GraphBuilder};
///
/// let mut b = GraphBuilder::new("tiny");
/// let x = b.image_input("input", 3);
/// let x = b.conv2d("conv", x, Conv2d::new(3, 8, 3));
/// b.output(x);
/// assert!(b.build()?.node(x).fused.is_empty());
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fused {
    /// Rows above and below, columns before and after, added to the first input, or cut off it where
    /// negative.
    pub pad: [isize; 4],
    /// The value of what is added.
    pub pad_value: f32,
    /// Rows above and below, columns before and after, cut off the operator's answer.
    pub crop: [usize; 4],
    /// Applied to the first input as it is loaded.
    pub prologue: Option<Prologue>,
    /// Applied to the operator's answer: folded into its weights and bias.
    pub norm: Option<Norm>,
    /// Where the node's last input, which is not its operator's, is added.
    pub residual: Option<Residual>,
    /// Applied to the answer.
    pub activation: Option<Activation>,
    /// Where the answer lies.
    pub storage: Storage,
}

impl Fused {
    /// Whether the node is its operator and nothing else.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the first input has pixels added, not only cut off.
    pub(crate) fn pads(&self) -> bool {
        self.pad.iter().any(|side| *side > 0)
    }

    /// The height and width of the first input when it is padded or cropped. The graph has seen that
    /// no more is cut off than there is.
    pub(crate) fn padded(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [top, bottom, left, right] = self.pad;
        let sum = |size: usize, before, after| (size as isize + before + after) as usize;
        [sum(height, top, bottom), sum(width, left, right)]
    }

    /// Whether anything is done to the operator's answer but cropping.
    pub fn has_epilogue(&self) -> bool {
        self.norm.is_some() || self.residual.is_some() || self.activation.is_some()
    }
}

/// A batch norm that is part of another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The name of the node it was, and so the prefix of its parameters.
    pub name: String,
    /// Its settings.
    pub op: BatchNorm2d,
}

impl Norm {
    /// The full name of the parameter with PyTorch's suffix `suffix`.
    pub fn parameter_name(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name)
    }
}

/// A norm and an activation of what a node reads; at least one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Prologue {
    /// First.
    pub norm: Option<Norm>,
    /// Second.
    pub activation: Option<Activation>,
}

/// Where a residual is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Residual {
    /// `activation(x + residual)`, as in ResNet.
    BeforeActivation,
    /// `activation(x) + residual`, as in Darknet.
    AfterActivation,
}

/// Where a node's value lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// In memory of its own.
    #[default]
    Owned,
    /// Within a later concatenation's value, which has nothing to do for it any more.
    ConcatSlice {
        /// The concatenation that reads it.
        of: ValueId,
        /// Its first channel there.
        channel: usize,
    },
    /// Within its first input, whose channels it is some of: nothing is computed.
    View,
}
