use super::{BatchNorm2d, Op, Operator, Parameter, per_channel_shape};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// A factor for each channel (Touvron et al. 2021, "Going deeper with image transformers"), as ConvNeXt has it at the
/// end of each block.
///
/// Takes `[N, C, H, W]` or `[N, C]`. Parameter: `gamma`, `[C]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerScale {
    /// Channels of the input.
    pub channels: usize,
}

impl Operator for LayerScale {
    fn kind(&self) -> &'static str {
        "LayerScale"
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::learned("gamma", [self.channels])]
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        per_channel_shape(self.channels, inputs[0])
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        Ok(vec![Some(backward.node(self.clone(), &[gradient]))])
    }
}

/// An operator that multiplies each channel by a number and adds another, so that passes can fold it into the weights
/// of the layer before it.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelAffine {
    BatchNorm2d(BatchNorm2d),
    LayerScale(LayerScale),
}

impl From<ChannelAffine> for Op {
    fn from(op: ChannelAffine) -> Self {
        match op {
            ChannelAffine::BatchNorm2d(op) => op.into(),
            ChannelAffine::LayerScale(op) => op.into(),
        }
    }
}

impl ChannelAffine {
    pub fn channels(&self) -> usize {
        match self {
            Self::BatchNorm2d(op) => op.channels,
            Self::LayerScale(op) => op.channels,
        }
    }

    pub fn parameters(&self) -> Vec<Parameter> {
        match self {
            Self::BatchNorm2d(op) => op.parameters(),
            Self::LayerScale(op) => op.parameters(),
        }
    }
}
