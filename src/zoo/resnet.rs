//! Residual networks (He et al. 2016, "Deep residual learning for image recognition"), as
//! defined and named in torchvision.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, Pool2d, ValueId};

pub(super) const ARCHITECTURES: &[Architecture] = &[
    architecture(
        "resnet18",
        "18 layers of basic blocks (He et al. 2016)",
        &ResNet::new(Block::Basic, [2, 2, 2, 2]),
    ),
    architecture(
        "resnet34",
        "34 layers of basic blocks (He et al. 2016)",
        &ResNet::new(Block::Basic, [3, 4, 6, 3]),
    ),
    architecture(
        "resnet50",
        "50 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &ResNet::new(Block::Bottleneck, [3, 4, 6, 3]),
    ),
    architecture(
        "resnet101",
        "101 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &ResNet::new(Block::Bottleneck, [3, 4, 23, 3]),
    ),
    architecture(
        "resnet152",
        "152 layers of bottlenecks (He et al. 2016), stride in the 3x3 convolution",
        &ResNet::new(Block::Bottleneck, [3, 8, 36, 3]),
    ),
    architecture(
        "resnext50_32x4d",
        "ResNet-50 with 32 groups (Xie et al. 2017)",
        &ResNet {
            groups: 32,
            base_width: 4,
            ..ResNet::new(Block::Bottleneck, [3, 4, 6, 3])
        },
    ),
    architecture(
        "wide_resnet50_2",
        "ResNet-50 with bottlenecks twice as wide (Zagoruyko and Komodakis 2016)",
        &ResNet {
            base_width: 128,
            ..ResNet::new(Block::Bottleneck, [3, 4, 6, 3])
        },
    ),
    architecture(
        "plain18",
        "ResNet-18 without its shortcuts (He et al. 2016, the plain baseline)",
        &ResNet {
            shortcuts: false,
            ..ResNet::new(Block::Basic, [2, 2, 2, 2])
        },
    ),
    architecture(
        "plain34",
        "ResNet-34 without its shortcuts (He et al. 2016, the plain baseline)",
        &ResNet {
            shortcuts: false,
            ..ResNet::new(Block::Basic, [3, 4, 6, 3])
        },
    ),
];

const fn architecture(
    name: &'static str,
    description: &'static str,
    definition: &'static ResNet,
) -> Architecture {
    Architecture::classifier(name, "ResNet", description, definition)
}

/// One residual network.
struct ResNet {
    block: Block,
    /// Number of blocks in each of the four layers.
    depths: [usize; 4],
    /// Groups of a bottleneck's 3x3 convolution: 32 in ResNeXt-50 32x4d.
    groups: usize,
    /// Channels per group of a bottleneck's 3x3 convolution in the first layer.
    base_width: usize,
    /// Whether blocks add their input, which plain networks do not.
    shortcuts: bool,
}

/// The kind of blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1 to fewer channels, 3x3, 1x1 to more.
    Bottleneck,
}

impl Block {
    /// Output channels of a block as a multiple of the layer's planes.
    fn expansion(self) -> usize {
        match self {
            Self::Basic => 1,
            Self::Bottleneck => 4,
        }
    }
}

impl Definition for ResNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let stem = Conv2d::new(settings.channels, 64, 7).stride(2).padding(3);
        let x = conv_bn(b, image, ["conv1".into(), "bn1".into()], stem);
        let x = b.activation("relu", x, Activation::Relu);
        let mut x = b.pool2d("maxpool", x, Pool2d::max(3, 2).padding(1));

        let mut channels = 64;
        for (layer, depth) in self.depths.into_iter().enumerate() {
            let planes = 64 << layer;
            for block in 0..depth {
                let stride = if layer > 0 && block == 0 { 2 } else { 1 };
                let name = format!("layer{}.{block}", layer + 1);
                x = self.residual(b, x, &name, channels, planes, stride);
                channels = planes * self.block.expansion();
            }
        }

        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let x = b.linear("fc", x, Linear::new(channels, settings.classes));
        Ok(vec![x])
    }
}

impl ResNet {
    const fn new(block: Block, depths: [usize; 4]) -> Self {
        Self {
            block,
            depths,
            groups: 1,
            base_width: 64,
            shortcuts: true,
        }
    }

    /// A block: its convolutions, its shortcut and their sum.
    fn residual(
        &self,
        b: &mut GraphBuilder,
        x: ValueId,
        name: &str,
        channels: usize,
        planes: usize,
        stride: usize,
    ) -> ValueId {
        let out = planes * self.block.expansion();
        let convolutions = match self.block {
            Block::Basic => vec![
                Conv2d::new(channels, planes, 3).stride(stride).padding(1),
                Conv2d::new(planes, out, 3).padding(1),
            ],
            Block::Bottleneck => {
                let width = planes * self.base_width / 64 * self.groups;
                let spatial = Conv2d::new(width, width, 3).stride(stride).padding(1);
                vec![
                    Conv2d::new(channels, width, 1),
                    spatial.groups(self.groups),
                    Conv2d::new(width, out, 1),
                ]
            }
        };

        let last = convolutions.len();
        let mut y = x;
        for (i, conv) in (1..).zip(convolutions) {
            let names = [format!("{name}.conv{i}"), format!("{name}.bn{i}")];
            y = conv_bn(b, y, names, conv);
            if i < last {
                y = b.activation(format!("{name}.relu{i}"), y, Activation::Relu);
            }
        }
        if !self.shortcuts {
            return b.activation(format!("{name}.relu"), y, Activation::Relu);
        }
        let mut shortcut = x;
        if stride != 1 || channels != out {
            let names = [
                format!("{name}.downsample.0"),
                format!("{name}.downsample.1"),
            ];
            shortcut = conv_bn(b, x, names, Conv2d::new(channels, out, 1).stride(stride));
        }
        let sum = b.add(format!("{name}.add"), y, shortcut);
        b.activation(format!("{name}.relu"), sum, Activation::Relu)
    }
}

/// A convolution without bias and a batch norm, with these names.
fn conv_bn(b: &mut GraphBuilder, x: ValueId, names: [String; 2], conv: Conv2d) -> ValueId {
    let [conv_name, bn_name] = names;
    let channels = conv.out_channels;
    let x = b.conv2d(conv_name, x, conv.bias(false));
    b.batch_norm(bn_name, x, BatchNorm2d::new(channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    /// torchvision's counts. Those of the plain networks are the residual networks' without the
    /// convolutions of their shortcuts.
    #[test]
    fn parameter_counts_are_torchvisions() {
        let published = [
            ("resnet18", 11_689_512),
            ("resnet34", 21_797_672),
            ("resnet50", 25_557_032),
            ("resnet101", 44_549_160),
            ("resnet152", 60_192_808),
            ("resnext50_32x4d", 25_028_904),
            ("wide_resnet50_2", 68_883_240),
            ("plain18", 11_515_688),
            ("plain34", 21_623_848),
        ];
        for (architecture, (name, count)) in ARCHITECTURES.iter().zip(published) {
            assert_eq!(architecture.name, name);
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            assert_eq!(graph.parameter_count(), count, "{name}");
        }
    }
}
