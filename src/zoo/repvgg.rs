//! RepVGG (Ding et al. 2021, "RepVGG: Making VGG-style ConvNets great again"), as defined and named in timm, in the
//! form in which it is trained and published: each block is the sum of a 3x3 convolution, a 1x1 convolution and its
//! input, each with a batch norm. The pass `branches` makes one convolution of them.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, ValueId};

const DEPTHS_A: [usize; 4] = [2, 4, 14, 1];
const DEPTHS_B: [usize; 4] = [4, 6, 16, 1];

pub(super) const ARCHITECTURES: &[Architecture] = &[
    row("repvgg_a0", &RepVgg::new(DEPTHS_A, [48, 96, 192, 1280])),
    row("repvgg_a1", &RepVgg::new(DEPTHS_A, [64, 128, 256, 1280])),
    row("repvgg_a2", &RepVgg::new(DEPTHS_A, [96, 192, 384, 1408])),
    row("repvgg_b0", &RepVgg::new(DEPTHS_B, [64, 128, 256, 1280])),
    row("repvgg_b1", &RepVgg::new(DEPTHS_B, [128, 256, 512, 2048])),
    row(
        "repvgg_b1g4",
        &RepVgg::new(DEPTHS_B, [128, 256, 512, 2048]).groups(4),
    ),
    row("repvgg_b2", &RepVgg::new(DEPTHS_B, [160, 320, 640, 2560])),
    row(
        "repvgg_b2g4",
        &RepVgg::new(DEPTHS_B, [160, 320, 640, 2560]).groups(4),
    ),
    row("repvgg_b3", &RepVgg::new(DEPTHS_B, [192, 384, 768, 2560])),
    row(
        "repvgg_b3g4",
        &RepVgg::new(DEPTHS_B, [192, 384, 768, 2560]).groups(4),
    ),
];

const fn row(name: &'static str, definition: &'static RepVgg) -> Architecture {
    let description = "a chain of 3x3 convolutions, trained with branches (Ding et al. 2021)";
    Architecture::classifier(name, "RepVGG", description, definition)
}

/// The most channels of the first block.
const MAX_STEM: usize = 64;

/// One RepVGG.
struct RepVgg {
    /// Number of blocks of each stage. The first has a stride of 2.
    depths: [usize; 4],
    widths: [usize; 4],
    /// Groups of every second block of a stage.
    groups: usize,
}

impl RepVgg {
    const fn new(depths: [usize; 4], widths: [usize; 4]) -> Self {
        Self {
            depths,
            widths,
            groups: 1,
        }
    }

    const fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }
}

impl Definition for RepVgg {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut channels = self.widths[0].min(MAX_STEM);
        let stem = Conv2d::new(settings.channels, channels, 3).stride(2);
        let mut x = block(b, image, "stem", stem);
        for (stage, (depth, width)) in self.depths.into_iter().zip(self.widths).enumerate() {
            for i in 0..depth {
                let groups = if i % 2 == 1 { self.groups } else { 1 };
                let conv = Conv2d::new(channels, width, 3).groups(groups);
                let conv = conv.stride(if i == 0 { 2 } else { 1 });
                x = block(b, x, &format!("stages.{stage}.{i}"), conv);
                channels = width;
            }
        }
        let x = layers::global_pool(b, x, "head.global_pool", "head.flatten");
        let x = b.dropout("head.drop", x);
        let last = Linear::new(channels, settings.classes);
        Ok(vec![b.linear("head.fc", x, last)])
    }

    fn has_timms_default(&self, argument: &str) -> bool {
        argument != "stem_type"
    }
}

/// A block with the 3x3 convolution `conv`, whose padding and bias are set here.
fn block(b: &mut GraphBuilder, x: ValueId, name: &str, conv: Conv2d) -> ValueId {
    let channels = conv.out_channels;
    let keeps_shape = conv.in_channels == channels && conv.stride == [1, 1];
    let point = Conv2d::new(conv.in_channels, channels, 1).groups(conv.groups);
    let branches = [
        ("conv_1x1", point.stride(conv.stride[0])),
        ("conv_kxk", conv.padding(1)),
    ];
    let [point, spatial] = branches.map(|(branch, conv)| {
        let name = format!("{name}.{branch}");
        let y = b.conv2d(format!("{name}.conv"), x, conv.bias(false));
        b.batch_norm(format!("{name}.bn"), y, BatchNorm2d::new(channels))
    });
    let mut sum = b.add(format!("{name}.add"), spatial, point);
    if keeps_shape {
        let identity = b.batch_norm(format!("{name}.identity"), x, BatchNorm2d::new(channels));
        sum = b.add(format!("{name}.add_identity"), sum, identity);
    }
    b.activation(format!("{name}.act"), sum, Activation::Relu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::tests::assert_parameter_counts;

    /// From timm 1.0.31, in the form with branches.
    #[test]
    fn parameter_counts_are_timms() {
        let published = [
            9_108_968,
            14_092_264,
            28_210_600,
            15_817_960,
            57_415_016,
            39_966_056,
            89_022_376,
            61_758_376,
            123_085_288,
            83_825_128,
        ];
        assert_parameter_counts(ARCHITECTURES, &published);
    }
}
