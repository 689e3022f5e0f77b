//! VGG (Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image
//! recognition"), as defined and named in torchvision, without and with batch norm (timm's
//! names can be loaded too).

use super::{Architecture, Definition, Settings};
use crate::error::Result;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, Pool2d,
    ValueId,
};
use crate::weights::Dialect;

/// Number of convolutions of each width: A, B, D and E in table 1 of the paper.
const DEPTHS_11: [usize; 5] = [1, 1, 2, 2, 2];
const DEPTHS_13: [usize; 5] = [2, 2, 2, 2, 2];
const DEPTHS_16: [usize; 5] = [2, 2, 3, 3, 3];
const DEPTHS_19: [usize; 5] = [2, 2, 4, 4, 4];

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
/// Neurons of the hidden fully connected layers.
const HIDDEN: usize = 4096;

pub(super) const ARCHITECTURES: &[Architecture] = &[
    plain("vgg11", &Vgg::new(DEPTHS_11, false)),
    plain("vgg13", &Vgg::new(DEPTHS_13, false)),
    plain("vgg16", &Vgg::new(DEPTHS_16, false)),
    plain("vgg19", &Vgg::new(DEPTHS_19, false)),
    batch_normed("vgg11_bn", &Vgg::new(DEPTHS_11, true)),
    batch_normed("vgg13_bn", &Vgg::new(DEPTHS_13, true)),
    batch_normed("vgg16_bn", &Vgg::new(DEPTHS_16, true)),
    batch_normed("vgg19_bn", &Vgg::new(DEPTHS_19, true)),
];

const fn plain(name: &'static str, definition: &'static Vgg) -> Architecture {
    let description = "3x3 convolutions throughout (Simonyan and Zisserman 2015)";
    Architecture::classifier(name, "VGG", description, definition)
}

const fn batch_normed(name: &'static str, definition: &'static Vgg) -> Architecture {
    let description = "3x3 convolutions with batch norm (Simonyan and Zisserman 2015)";
    Architecture::classifier(name, "VGG", description, definition)
}

struct Vgg {
    depths: [usize; 5],
    batch_norm: bool,
}

impl Vgg {
    const fn new(depths: [usize; 5], batch_norm: bool) -> Self {
        Self { depths, batch_norm }
    }
}

impl Definition for Vgg {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (mut x, mut channels) = (image, settings.channels);
        let mut names = (0..).map(|i| format!("features.{i}"));
        let mut name = move || names.next().unwrap_or_default();
        for (depth, width) in self.depths.into_iter().zip(WIDTHS) {
            for _ in 0..depth {
                x = b.conv2d(name(), x, Conv2d::new(channels, width, 3).padding(1));
                if self.batch_norm {
                    x = b.batch_norm(name(), x, BatchNorm2d::new(width));
                }
                x = b.activation(name(), x, Activation::Relu);
                channels = width;
            }
            x = b.pool2d(name(), x, Pool2d::max(2, 2));
        }
        x = b.adaptive_avg_pool2d("avgpool", x, AdaptiveAvgPool2d::new(7, 7));
        x = b.flatten("flatten", x);
        for (i, features) in [(0, channels * 7 * 7), (3, HIDDEN)] {
            let name = |offset: usize| format!("classifier.{}", i + offset);
            x = b.linear(name(0), x, Linear::new(features, HIDDEN));
            x = b.activation(name(1), x, Activation::Relu);
            x = b.dropout(name(2), x);
        }
        let last = Linear::new(HIDDEN, settings.classes);
        Ok(vec![b.linear("classifier.6", x, last)])
    }

    /// timm implements the fully connected layers as convolutions: the same weights in other shapes. (For
    /// images above 224x224 it averages over several positions, where torchvision pools first.)
    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        let timm = [
            ("classifier.0", "pre_logits.fc1"),
            ("classifier.3", "pre_logits.fc2"),
            ("classifier.6", "head.fc"),
        ];
        let timm = Dialect::new("timm", timm)
            .shape("classifier.0", [HIDDEN, WIDTHS[4], 7, 7])
            .shape("classifier.3", [HIDDEN, HIDDEN, 1, 1]);
        vec![timm]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    #[test]
    fn parameter_counts_are_torchvisions() {
        let published = [
            ("vgg11", 132_863_336),
            ("vgg13", 133_047_848),
            ("vgg16", 138_357_544),
            ("vgg19", 143_667_240),
            ("vgg11_bn", 132_868_840),
            ("vgg13_bn", 133_053_736),
            ("vgg16_bn", 138_365_992),
            ("vgg19_bn", 143_678_248),
        ];
        for (architecture, (name, count)) in ARCHITECTURES.iter().zip(published) {
            assert_eq!(architecture.name, name);
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            assert_eq!(graph.parameter_count(), count, "{name}");
        }
    }
}
