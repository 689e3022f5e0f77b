//! DenseNet (Huang et al. 2017, "Densely connected convolutional networks"), the BC form, as
//! defined and named in torchvision; DenseNet-264 after the paper, with names of the same form.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{
    Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, Padding, Pool2d, PoolKind,
    ValueId,
};
use crate::weights::Dialect;

pub(super) const ARCHITECTURES: &[Architecture] = &[
    architecture("densenet121", &DenseNet::new(32, &[6, 12, 24, 16])),
    architecture("densenet161", &DenseNet::new(48, &[6, 12, 36, 24])),
    architecture("densenet169", &DenseNet::new(32, &[6, 12, 32, 32])),
    architecture("densenet201", &DenseNet::new(32, &[6, 12, 48, 32])),
    architecture("densenet264", &DenseNet::new(32, &[6, 12, 64, 48])),
];

const fn architecture(name: &'static str, definition: &'static DenseNet) -> Architecture {
    let description = "each layer reads all earlier layers of its block (Huang et al. 2017)";
    Architecture::classifier(name, "DenseNet", description, definition)
}

/// One network.
pub(super) struct DenseNet {
    blocks: DenseBlocks,
}

/// Dense blocks with transitions between them.
pub(super) struct DenseBlocks {
    /// Channels that each layer adds.
    pub growth: usize,
    /// Number of layers of each block.
    pub depths: &'static [usize],
    /// The layers' kernel: 3x3 for images, 1x3 for sequences.
    pub kernel: [usize; 2],
    /// Window and stride of the transitions' pooling.
    pub pool: [usize; 2],
}

impl Definition for DenseNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let (x, channels) = self.features(b, image, "features", settings.channels);
        let x = layers::global_pool(b, x, "avgpool", "flatten");
        let last = Linear::new(channels, settings.classes);
        Ok(vec![b.linear("classifier", x, last)])
    }

    /// timm uses the same names. The files that torchvision publishes use older ones, which torchvision
    /// renames while loading: `denselayer1.norm.1` for `denselayer1.norm1`.
    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        let mut older = Vec::new();
        for (block, &depth) in (1..).zip(self.blocks.depths) {
            for layer in 1..=depth {
                let name = format!("features.denseblock{block}.denselayer{layer}");
                for (part, i) in [("norm", 1), ("conv", 1), ("norm", 2), ("conv", 2)] {
                    older.push((format!("{name}.{part}{i}"), format!("{name}.{part}.{i}")));
                }
            }
        }
        vec![Dialect::new("older torchvision", older)]
    }
}

impl DenseNet {
    pub(super) const fn new(growth: usize, depths: &'static [usize]) -> Self {
        Self {
            blocks: DenseBlocks {
                growth,
                depths,
                kernel: [3, 3],
                pool: [2, 2],
            },
        }
    }

    /// All layers but the classifier, under `prefix`. Returns the feature map and its channels.
    pub(super) fn features(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        prefix: &str,
        in_channels: usize,
    ) -> (ValueId, usize) {
        let channels = 2 * self.blocks.growth;
        let stem = Conv2d::new(in_channels, channels, 7).stride(2).padding(3);
        let x = b.conv2d(format!("{prefix}.conv0"), image, stem.bias(false));
        let x = norm_relu(b, x, prefix, "0", channels);
        let pool = Pool2d::max(3, 2).padding(1);
        let x = b.pool2d(format!("{prefix}.pool0"), x, pool);
        self.blocks.build(b, x, prefix, channels)
    }
}

impl DenseBlocks {
    /// The blocks after `x`, which has `channels` channels, then batch norm and ReLU. Returns the feature
    /// map and its channels.
    pub(super) fn build(
        &self,
        b: &mut GraphBuilder,
        mut x: ValueId,
        prefix: &str,
        mut channels: usize,
    ) -> (ValueId, usize) {
        for (i, &depth) in (1..).zip(self.depths) {
            if i > 1 {
                let name = format!("{prefix}.transition{}", i - 1);
                x = self.transition(b, x, &name, channels);
                channels /= 2;
            }
            for layer in 1..=depth {
                let name = format!("{prefix}.denseblock{i}.denselayer{layer}");
                let new = self.layer(b, x, &name, channels);
                x = b.concat(format!("{name}.concat"), &[x, new]);
                channels += self.growth;
            }
        }
        let last = (self.depths.len() + 1).to_string();
        (norm_relu(b, x, prefix, &last, channels), channels)
    }

    /// One layer: `growth` new channels.
    fn layer(&self, b: &mut GraphBuilder, x: ValueId, name: &str, channels: usize) -> ValueId {
        let inner = 4 * self.growth;
        let x = norm_relu(b, x, name, "1", channels);
        let squeeze = Conv2d::new(channels, inner, 1).bias(false);
        let x = b.conv2d(format!("{name}.conv1"), x, squeeze);
        let x = norm_relu(b, x, name, "2", inner);
        let [kh, kw] = self.kernel;
        let conv = Conv2d::new(inner, self.growth, 1)
            .kernel_hw(kh, kw)
            .padding(Padding::hw(kh / 2, kw / 2))
            .bias(false);
        b.conv2d(format!("{name}.conv2"), x, conv)
    }

    /// A transition: halves the channels and the size.
    fn transition(&self, b: &mut GraphBuilder, x: ValueId, name: &str, channels: usize) -> ValueId {
        let x = norm_relu(b, x, name, "", channels);
        let halve = Conv2d::new(channels, channels / 2, 1).bias(false);
        let x = b.conv2d(format!("{name}.conv"), x, halve);
        let [height, width] = self.pool;
        let kind = PoolKind::Average {
            count_include_pad: true,
        };
        let pool = Pool2d::new(kind, 1)
            .kernel_hw(height, width)
            .stride_hw(height, width);
        b.pool2d(format!("{name}.pool"), x, pool)
    }
}

/// Batch norm `norm{suffix}` and ReLU `relu{suffix}`.
fn norm_relu(
    b: &mut GraphBuilder,
    x: ValueId,
    name: &str,
    suffix: &str,
    channels: usize,
) -> ValueId {
    let norm = BatchNorm2d::new(channels);
    let x = b.batch_norm(format!("{name}.norm{suffix}"), x, norm);
    b.activation(format!("{name}.relu{suffix}"), x, Activation::Relu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    #[test]
    fn parameter_counts_are_torchvisions() {
        let published = [
            ("densenet121", 7_978_856),
            ("densenet161", 28_681_000),
            ("densenet169", 14_149_480),
            ("densenet201", 20_013_928),
            // Not in torchvision; depths from table 1 of the paper.
            ("densenet264", 33_337_704),
        ];
        for (architecture, (name, count)) in ARCHITECTURES.iter().zip(published) {
            assert_eq!(architecture.name, name);
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            assert_eq!(graph.parameter_count(), count, "{name}");
        }
    }
}
