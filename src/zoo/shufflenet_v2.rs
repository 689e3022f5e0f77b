//! ShuffleNetV2 (Ma et al. 2018, "ShuffleNet V2: Practical guidelines for efficient CNN architecture design"), as
//! defined and named in torchvision. timm has none.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{
    Activation, BatchNorm2d, ChannelShuffle, Conv2d, GraphBuilder, Linear, Pool2d, SliceChannels,
    ValueId,
};

/// Channels of the first convolution.
const STEM: usize = 24;
/// Blocks of each stage.
const DEPTHS: [usize; 3] = [4, 8, 4];

pub(super) const ARCHITECTURES: &[Architecture] = &[
    row(
        "shufflenet_v2_x0_5",
        &ShuffleNetV2 {
            widths: [48, 96, 192],
            head: 1024,
        },
    ),
    row(
        "shufflenet_v2_x1_0",
        &ShuffleNetV2 {
            widths: [116, 232, 464],
            head: 1024,
        },
    ),
    row(
        "shufflenet_v2_x1_5",
        &ShuffleNetV2 {
            widths: [176, 352, 704],
            head: 1024,
        },
    ),
    row(
        "shufflenet_v2_x2_0",
        &ShuffleNetV2 {
            widths: [244, 488, 976],
            head: 2048,
        },
    ),
];

const fn row(name: &'static str, definition: &'static ShuffleNetV2) -> Architecture {
    let description = "depthwise convolutions of half of the channels, shuffled (Ma et al. 2018)";
    Architecture::classifier(name, "ShuffleNetV2", description, definition)
}

/// One ShuffleNetV2: table 5 of the paper.
struct ShuffleNetV2 {
    /// Channels of each stage.
    widths: [usize; 3],
    /// Channels of the last convolution.
    head: usize,
}

impl Definition for ShuffleNetV2 {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let stem = Conv2d::new(settings.channels, STEM, 3).stride(2).padding(1);
        let x = conv_bn_relu(b, image, "conv1", 0, stem);
        let mut x = b.pool2d("maxpool", x, Pool2d::max(3, 2).padding(1));
        let mut channels = STEM;
        for (stage, (depth, width)) in DEPTHS.into_iter().zip(self.widths).enumerate() {
            for i in 0..depth {
                let name = format!("stage{}.{i}", stage + 2);
                x = match i {
                    0 => down_block(b, x, &name, channels, width),
                    _ => block(b, x, &name, width),
                };
                channels = width;
            }
        }
        let x = conv_bn_relu(b, x, "conv5", 0, Conv2d::new(channels, self.head, 1));
        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let last = Linear::new(self.head, settings.classes);
        Ok(vec![b.linear("fc", x, last)])
    }
}

/// Half of the channels go through convolutions, the others do not change.
fn block(b: &mut GraphBuilder, x: ValueId, name: &str, width: usize) -> ValueId {
    let half = width / 2;
    let kept = b.node(format!("{name}.kept"), SliceChannels::from(0..half), &[x]);
    let y = b.node(
        format!("{name}.split"),
        SliceChannels::from(half..width),
        &[x],
    );
    let y = branch2(b, y, name, half, half, 1);
    joined(b, name, [kept, y])
}

/// Halves the map: both halves of the output's channels are computed from all of the input's.
fn down_block(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    channels: usize,
    width: usize,
) -> ValueId {
    let half = width / 2;
    let first = format!("{name}.branch1");
    let filter = Conv2d::depthwise(channels, 3).stride(2).padding(1);
    let y = conv_bn(b, x, &first, 0, filter);
    let y = conv_bn_relu(b, y, &first, 2, Conv2d::new(channels, half, 1));
    let z = branch2(b, x, name, channels, half, 2);
    joined(b, name, [y, z])
}

fn branch2(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    channels: usize,
    width: usize,
    stride: usize,
) -> ValueId {
    let name = format!("{name}.branch2");
    let y = conv_bn_relu(b, x, &name, 0, Conv2d::new(channels, width, 1));
    let filter = Conv2d::depthwise(width, 3).stride(stride).padding(1);
    let y = conv_bn(b, y, &name, 3, filter);
    conv_bn_relu(b, y, &name, 5, Conv2d::new(width, width, 1))
}

fn joined(b: &mut GraphBuilder, name: &str, halves: [ValueId; 2]) -> ValueId {
    let x = b.concat(format!("{name}.concat"), &halves);
    b.node(
        format!("{name}.shuffle"),
        ChannelShuffle { groups: 2 },
        &[x],
    )
}

/// A convolution without bias, layer `index` of `name`, and a batch norm, the next layer.
fn conv_bn(b: &mut GraphBuilder, x: ValueId, name: &str, index: usize, conv: Conv2d) -> ValueId {
    let channels = conv.out_channels;
    let x = b.conv2d(format!("{name}.{index}"), x, conv.bias(false));
    b.batch_norm(
        format!("{name}.{}", index + 1),
        x,
        BatchNorm2d::new(channels),
    )
}

fn conv_bn_relu(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    index: usize,
    conv: Conv2d,
) -> ValueId {
    let x = conv_bn(b, x, name, index, conv);
    b.activation(format!("{name}.{}", index + 2), x, Activation::Relu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::tests::assert_parameter_counts;

    #[test]
    fn parameter_counts_are_torchvisions() {
        let published = [1_366_792, 2_278_604, 3_503_624, 7_393_996];
        assert_parameter_counts(ARCHITECTURES, &published);
    }
}
