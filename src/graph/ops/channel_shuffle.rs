use super::{Factor, Operator, Rearrange, expect_one_input, expect_positive, map_dims};
use crate::graph::{Backward, ValueId};
use crate::tensor::Shape;

/// PyTorch's `ChannelShuffle` (Zhang et al. 2018, "ShuffleNet"): channel `i` of group `g` becomes channel
/// `i * groups + g`, where each group has `C / groups` channels that follow one another.
///
/// Takes `[N, C, H, W]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChannelShuffle {
    /// The number of groups.
    pub groups: usize,
}

impl ChannelShuffle {
    /// The same for a map of this shape.
    pub(crate) fn rearrange(&self, shape: &Shape) -> Rearrange {
        let [n, c, h, w] = shape.nchw();
        let (plane, channels) = (h * w, c / self.groups);
        // The digits of the output's index. No stride is more than the number of elements, which shape inference
        // has counted.
        let factors = [
            (n, c * plane),
            (channels, plane),
            (self.groups, channels * plane),
            (plane, 1),
        ];
        let factor = |(extent, stride)| Factor {
            extent,
            stride: stride as isize,
        };
        Rearrange {
            input: shape.clone(),
            output: shape.clone(),
            factors: factors.map(factor).to_vec(),
            offset: 0,
        }
    }
}

impl Operator for ChannelShuffle {
    fn kind(&self) -> &'static str {
        "ChannelShuffle"
    }

    fn check(&self, inputs: usize) -> Result<(), String> {
        expect_one_input(inputs)?;
        expect_positive(&[("groups", self.groups)])
    }

    fn output_shape(&self, inputs: &[&Shape]) -> Result<Shape, String> {
        let [_, c, _, _] = map_dims(inputs[0])?;
        if !c.is_multiple_of(self.groups) {
            return Err(format!(
                "the channels of its input {} do not consist of {} equal groups",
                inputs[0], self.groups
            ));
        }
        Ok(inputs[0].clone())
    }

    fn backward(
        &self,
        backward: &mut Backward,
        gradient: ValueId,
    ) -> Result<Vec<Option<ValueId>>, String> {
        let [_, c, _, _] = map_dims(backward.input_shape(0))?;
        // `check` and `output_shape` have passed.
        let inverse = Self {
            groups: c / self.groups,
        };
        Ok(vec![Some(backward.node(inverse, &[gradient]))])
    }
}
