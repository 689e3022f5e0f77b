//! Residual networks (He et al. 2016, "Deep residual learning for image recognition"), as
//! defined and named in torchvision, and variants of them that only timm has: ResNet-D (He et al. 2019, "Bag of
//! tricks for image classification with convolutional neural networks") and SE-ResNet (Hu et al. 2018,
//! "Squeeze-and-excitation networks"). timm's names of the others are torchvision's.

mod table;

use super::{Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{
    Activation, BatchNorm2d, Conv2d, GraphBuilder, Linear, Pool2d, PoolKind, ValueId,
};
pub(super) use table::ARCHITECTURES;

/// One residual network.
struct ResNet {
    stem: Stem,
    block: Block,
    /// Number of blocks in each of the four layers.
    depths: [usize; 4],
    /// Groups of a bottleneck's 3x3 convolution: 32 in ResNeXt-50 32x4d.
    groups: usize,
    /// Channels per group of a bottleneck's 3x3 convolution in the first layer.
    base_width: usize,
    /// Whether blocks add their input, which plain networks do not.
    shortcuts: bool,
    /// Whether a shortcut to a smaller map is an average pooling and a convolution without a stride, as in ResNet-D.
    average_down: bool,
    /// Whether blocks end in a squeeze-and-excitation.
    squeeze: bool,
}

/// The layers before the first pooling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stem {
    /// One 7x7 convolution.
    Wide,
    /// Three 3x3 convolutions, of these numbers of channels and 64.
    Deep([usize; 2]),
}

/// By how much a squeeze-and-excitation reduces the number of channels.
const SE_REDUCTION: f64 = 16.0;
/// Output channels of the stem.
const STEM: usize = 64;

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
        let x = self.stem.build(b, image, settings.channels);
        let mut x = b.pool2d("maxpool", x, Pool2d::max(3, 2).padding(1));

        let mut channels = STEM;
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

    fn has_timms_default(&self, argument: &str) -> bool {
        match argument {
            "stem_type" | "stem_width" => self.stem == Stem::Wide,
            "avg_down" => !self.average_down,
            _ => true,
        }
    }

    fn keeps_activation(&self, name: &str) -> bool {
        // timm's `ResNet` builds them without its `act_layer`.
        name.contains(".se.")
    }
}

impl Stem {
    fn build(self, b: &mut GraphBuilder, image: ValueId, channels: usize) -> ValueId {
        let x = match self {
            Self::Wide => {
                let conv = Conv2d::new(channels, STEM, 7).stride(2).padding(3);
                conv_bn(b, image, ["conv1".into(), "bn1".into()], conv)
            }
            Self::Deep([first, second]) => {
                let mut x = image;
                let hidden = [(channels, first, 2), (first, second, 1)];
                for (i, (channels, out, stride)) in hidden.into_iter().enumerate() {
                    let names = [0, 1].map(|layer| format!("conv1.{}", 3 * i + layer));
                    let conv = Conv2d::new(channels, out, 3).stride(stride).padding(1);
                    x = conv_bn(b, x, names, conv);
                    x = b.activation(format!("conv1.{}", 3 * i + 2), x, Activation::Relu);
                }
                let conv = Conv2d::new(second, STEM, 3).padding(1);
                conv_bn(b, x, ["conv1.6".into(), "bn1".into()], conv)
            }
        };
        b.activation("relu", x, Activation::Relu)
    }
}

impl ResNet {
    const fn new(block: Block, depths: [usize; 4]) -> Self {
        Self {
            stem: Stem::Wide,
            block,
            depths,
            groups: 1,
            base_width: 64,
            shortcuts: true,
            average_down: false,
            squeeze: false,
        }
    }

    /// ResNet-D: a deep stem, and shortcuts that do not skip three of four pixels.
    const fn d(self) -> Self {
        Self {
            stem: Stem::Deep([32, 32]),
            average_down: true,
            ..self
        }
    }

    /// timm's ResNet-T: as ResNet-D, with another number of channels at the start.
    const fn t(self) -> Self {
        Self {
            stem: Stem::Deep([24, 32]),
            ..self.d()
        }
    }

    /// With 32 groups of `width` channels in the first layer: ResNeXt (Xie et al. 2017).
    const fn next(self, groups: usize, width: usize) -> Self {
        Self {
            groups,
            base_width: width,
            ..self
        }
    }

    /// With a squeeze-and-excitation in each block.
    const fn se(self) -> Self {
        Self {
            squeeze: true,
            ..self
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
        if self.squeeze {
            let hidden = layers::scale_channels(out, 1.0 / SE_REDUCTION);
            y = layers::squeeze_excite(
                b,
                y,
                &format!("{name}.se"),
                [out, hidden],
                Activation::Relu,
            );
        }
        if !self.shortcuts {
            return b.activation(format!("{name}.relu"), y, Activation::Relu);
        }
        let mut shortcut = x;
        if stride != 1 || channels != out {
            let name = format!("{name}.downsample");
            let mut conv = Conv2d::new(channels, out, 1).stride(stride);
            let mut layers = [0, 1];
            if self.average_down {
                if stride > 1 {
                    let kind = PoolKind::Average {
                        count_include_pad: false,
                    };
                    let pool = Pool2d::new(kind, stride).ceil_mode(true);
                    shortcut = b.pool2d(format!("{name}.0"), shortcut, pool);
                }
                conv = conv.stride(1);
                layers = [1, 2];
            }
            let names = layers.map(|layer| format!("{name}.{layer}"));
            shortcut = conv_bn(b, shortcut, names, conv);
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
mod tests;
