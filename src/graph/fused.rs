//! Work that passes have moved into a node, in addition to its own operator.

use super::{Activation, ChannelAffine, Conv2d, Node, Op, Parameter, ValueId};

/// Work that passes have moved into a node from its neighbors. Empty in a graph as built.
///
/// In this order: the first input is padded or cropped, then goes through the prologue (which leaves the
/// padding unchanged); the operator's output is cropped, then goes through the norm; the branches are added, then the
/// residual before or after the activation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fused {
    /// Rows added above and below the first input, and columns added left and right of it. Negative
    /// numbers crop.
    pub pad: [isize; 4],
    /// The value of the added pixels.
    pub pad_value: f32,
    /// Rows cropped off the operator's output at the top and bottom, and columns at the left and right.
    pub crop: [usize; 4],
    /// Applied to the first input as it is loaded.
    pub prologue: Option<Prologue>,
    /// Applied to the operator's output: folded into its weights and bias.
    pub norm: Option<Norm>,
    /// Added to the output, after the norm: folded into the weights and bias of a convolution.
    pub branches: Vec<Branch>,
    /// Where the residual is added: the node's last input, which is not an input of its operator.
    pub residual: Option<Residual>,
    /// Applied to the output.
    pub activation: Option<Activation>,
    /// Where the output is stored.
    pub storage: Storage,
}

impl Fused {
    /// Whether the node computes its operator alone.
    #[cfg(any(test, feature = "onnx"))]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether pixels are added to the first input, not only cropped off it.
    pub(crate) fn pads(&self) -> bool {
        self.pad.iter().any(|side| *side > 0)
    }

    /// The height and width of the first input after padding and cropping. Shape inference has checked
    /// that no more is cropped than there is.
    pub(crate) fn padded(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        let [top, bottom, left, right] = self.pad;
        let sum = |size: usize, before, after| (size as isize + before + after) as usize;
        [sum(height, top, bottom), sum(width, left, right)]
    }

    /// Whether the operator's output goes through anything but cropping.
    pub fn has_epilogue(&self) -> bool {
        self.norm.is_some()
            || !self.branches.is_empty()
            || self.residual.is_some()
            || self.activation.is_some()
    }
}

/// A batch norm or a layer scale that is part of another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// The name of its node, which is the prefix of its parameters.
    pub name: String,
    /// The operator.
    pub op: ChannelAffine,
}

impl Norm {
    /// What `node` computes, where it is one of the two.
    pub fn of(node: &Node) -> Option<Self> {
        let op = match &node.op {
            Op::BatchNorm2d(op) => ChannelAffine::BatchNorm2d(op.clone()),
            Op::LayerScale(op) => ChannelAffine::LayerScale(op.clone()),
            _ => return None,
        };
        let name = node.parameter_prefix().to_owned();
        Some(Self { name, op })
    }

    /// The parameters, under their full names.
    pub fn parameters(&self) -> Vec<Parameter> {
        let parameters = self.op.parameters().into_iter();
        parameters.map(|p| p.within(&self.name)).collect()
    }

    /// The full name of the parameter with PyTorch's suffix `suffix`.
    pub fn parameter_name(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name)
    }
}

/// A convolution of one tap, a norm, or first one and then the other, of a convolution's first input.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The name of its node and the operator, whose stride and groups are the node's that it is part of.
    pub conv: Option<(String, Conv2d)>,
    /// Applied second.
    pub norm: Option<Norm>,
}

impl Branch {
    /// The parameters, under their full names.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        if let Some((name, conv)) = &self.conv {
            let own = Op::from(conv.clone()).as_operator().parameters();
            parameters.extend(own.into_iter().map(|p| p.within(name)));
        }
        if let Some(norm) = &self.norm {
            parameters.extend(norm.parameters());
        }
        parameters
    }

    /// What tells it from others: the names of its nodes.
    pub fn names(&self) -> String {
        let conv = self.conv.iter().map(|(name, _)| name.as_str());
        let norm = self.norm.iter().map(|norm| norm.name.as_str());
        conv.chain(norm).collect::<Vec<&str>>().join(" and ")
    }
}

/// A norm, an activation or both, applied to the first input as it is loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Prologue {
    /// Applied first.
    pub norm: Option<Norm>,
    /// Applied second.
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

/// Where a node's output is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Storage {
    /// In its own memory.
    #[default]
    Owned,
    /// Within the output of a later concatenation, which then has nothing to copy for it.
    ConcatSlice {
        /// The concatenation that reads it.
        of: ValueId,
        /// The first channel there.
        channel: usize,
    },
    /// A channel range of its first input, in that input's memory: nothing is computed.
    View,
}
