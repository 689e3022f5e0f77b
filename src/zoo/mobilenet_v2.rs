//! MobileNetV2 (Sandler et al. 2018, "MobileNetV2: Inverted residuals and linear bottlenecks"), as
//! defined and named in torchvision; the names of timm's `mobilenetv2_100` can be loaded too.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, ValueId};
use crate::weights::Dialect;

pub(super) const ARCHITECTURES: &[Architecture] = &[Architecture {
    aliases: &["mobilenetv2_100"],
    ..Architecture::classifier(
        "mobilenet_v2",
        "MobileNetV2",
        "inverted residuals with linear bottlenecks (Sandler et al. 2018)",
        &MobileNetV2 { width: 1.0 },
    )
}];

const STEM: usize = 32;
const HEAD: usize = 1280;

/// Blocks of one resolution: expansion, channels, number of blocks, stride of the first block; table 2 of
/// the paper.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

struct MobileNetV2 {
    /// The factor of all channels.
    width: f64,
}

/// One inverted residual.
struct Block {
    /// Its index in `features`.
    index: usize,
    /// Its stage and its index within the stage.
    place: [usize; 2],
    channels: usize,
    expansion: usize,
    out: usize,
    stride: usize,
}

impl MobileNetV2 {
    fn stem(&self) -> usize {
        layers::scale_channels(STEM, self.width)
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut channels = self.stem();
        for (stage, (expansion, width, depth, first_stride)) in STAGES.into_iter().enumerate() {
            let out = layers::scale_channels(width, self.width);
            for i in 0..depth {
                blocks.push(Block {
                    index: blocks.len() + 1,
                    place: [stage, i],
                    channels,
                    expansion,
                    out,
                    stride: if i == 0 { first_stride } else { 1 },
                });
                channels = out;
            }
        }
        blocks
    }
}

impl Definition for MobileNetV2 {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut channels = self.stem();
        let stem = Conv2d::new(settings.channels, channels, 3);
        let mut x = conv_bn_act(b, image, "features.0", stem.stride(2).padding(1));
        let blocks = self.blocks();
        for block in &blocks {
            x = block.build(b, x);
            channels = block.out;
        }
        let head = layers::scale_channels(HEAD, self.width.max(1.0));
        let name = format!("features.{}", blocks.len() + 1);
        let x = conv_bn_act(b, x, &name, Conv2d::new(channels, head, 1));
        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let x = b.dropout("classifier.0", x);
        let last = Linear::new(head, settings.classes);
        Ok(vec![b.linear("classifier.1", x, last)])
    }

    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        let blocks = self.blocks();
        let mut timm = Vec::new();
        let mut add = |ours: String, theirs: String| timm.push((ours, theirs));
        let last = blocks.len() + 1;
        for (index, conv, norm) in [(0, "conv_stem", "bn1"), (last, "conv_head", "bn2")] {
            add(format!("features.{index}.0"), conv.to_owned());
            add(format!("features.{index}.1"), norm.to_owned());
        }
        for block in &blocks {
            let [stage, i] = block.place;
            let convolutions: &[&str] = match block.expansion {
                1 => &["conv_dw", "conv_pw"],
                _ => &["conv_pw", "conv_dw", "conv_pwl"],
            };
            for (n, conv) in convolutions.iter().enumerate() {
                let ours = format!("{}.conv", block.name());
                // The last has no activation, so torchvision does not wrap it in a `Sequential`.
                let [ours_conv, ours_norm] = match n + 1 == convolutions.len() {
                    false => [format!("{ours}.{n}.0"), format!("{ours}.{n}.1")],
                    true => [format!("{ours}.{n}"), format!("{ours}.{}", n + 1)],
                };
                add(ours_conv, format!("blocks.{stage}.{i}.{conv}"));
                add(ours_norm, format!("blocks.{stage}.{i}.bn{}", n + 1));
            }
        }
        add("classifier.1".to_owned(), "classifier".to_owned());
        vec![Dialect::new("timm", timm)]
    }
}

impl Block {
    fn name(&self) -> String {
        format!("features.{}", self.index)
    }

    /// A 1x1 expansion, a depthwise convolution and a 1x1 projection; adds the input if it has the
    /// output's shape.
    fn build(&self, b: &mut GraphBuilder, x: ValueId) -> ValueId {
        let inner = self.channels * self.expansion;
        let mut convolutions = Vec::new();
        if self.expansion != 1 {
            convolutions.push(Conv2d::new(self.channels, inner, 1));
        }
        let filter = Conv2d::depthwise(inner, 3);
        convolutions.push(filter.stride(self.stride).padding(1));

        let name = format!("{}.conv", self.name());
        let last = convolutions.len();
        let mut y = x;
        for (i, conv) in convolutions.into_iter().enumerate() {
            y = conv_bn_act(b, y, &format!("{name}.{i}"), conv);
        }
        let project = Conv2d::new(inner, self.out, 1).bias(false);
        y = b.conv2d(format!("{name}.{last}"), y, project);
        y = b.batch_norm(
            format!("{name}.{}", last + 1),
            y,
            BatchNorm2d::new(self.out),
        );
        if self.stride == 1 && self.channels == self.out {
            y = b.add(format!("{}.add", self.name()), y, x);
        }
        y
    }
}

fn conv_bn_act(b: &mut GraphBuilder, x: ValueId, name: &str, conv: Conv2d) -> ValueId {
    let channels = conv.out_channels;
    let x = b.conv2d(format!("{name}.0"), x, conv.bias(false));
    let x = b.batch_norm(format!("{name}.1"), x, BatchNorm2d::new(channels));
    b.activation(format!("{name}.2"), x, Activation::Relu6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From table 4 of the paper and timm's `mobilenetv2_050` and `mobilenetv2_140`, in units of 10 000.
    #[test]
    fn parameter_counts_follow_the_width() {
        for (width, published) in [(1.0, 350), (0.5, 197), (1.4, 611)] {
            let mut b = GraphBuilder::new("mobilenet_v2");
            let image = b.image_input("input", 3);
            let settings = Settings {
                classes: 1000,
                channels: 3,
                size: [224, 224],
            };
            let net = MobileNetV2 { width };
            let outputs = net.layers(&mut b, image, &settings).unwrap();
            b.output(outputs[0]);
            let count = b.build().unwrap().parameter_count();
            assert_eq!((count + 5000) / 10_000, published, "{width}");
        }
    }
}
