//! torchvision's names of the nodes of these networks.

use std::collections::HashMap;

use super::Network;
use super::blocks::{Block, Kind, Layer};
use crate::zoo::squeeze_excite::{TIMM, TORCHVISION};

/// How torchvision numbers modules.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `features.BLOCK.conv.LAYER`.
    MobileNetV2,
    /// `ROOT.BLOCK.block.LAYER`.
    MobileNetV3 {
        /// `features`, or `backbone` in a segmenter.
        root: &'static str,
    },
    /// `features.STAGE.BLOCK.block.LAYER`.
    EfficientNet,
    /// `layers.STAGE.BLOCK.layers.LAYER`, where norms and activations count as layers.
    MnasNet,
}

/// Names of nodes in place of timm's.
#[derive(Default)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// The name of the node that timm calls `timm`.
    pub fn of(&self, timm: &str) -> String {
        self.0.get(timm).map_or(timm, String::as_str).to_owned()
    }
}

impl Scheme {
    fn root(self) -> &'static str {
        match self {
            Self::MobileNetV3 { root } => root,
            Self::MnasNet => "layers",
            Self::MobileNetV2 | Self::EfficientNet => "features",
        }
    }

    fn block(self, block: &Block) -> String {
        let [stage, i] = block.place;
        let root = self.root();
        match self {
            Self::MobileNetV2 | Self::MobileNetV3 { .. } => format!("{root}.{}", block.index + 1),
            Self::EfficientNet => format!("{root}.{}.{i}", stage + 1),
            // The stem and the first block have three and five modules of `layers`.
            Self::MnasNet => format!("{root}.{}.{i}", stage + 7),
        }
    }

    /// The convolution, norm or activation (`part`) of a layer. `is_last` of its block.
    fn part(self, block: &Block, layer: usize, is_last: bool, part: usize) -> String {
        let name = self.block(block);
        match self {
            Self::MobileNetV2 if is_last => format!("{name}.conv.{}", layer + part),
            Self::MobileNetV2 => format!("{name}.conv.{layer}.{part}"),
            Self::MobileNetV3 { .. } if block.kind == Kind::Single => format!("{name}.{part}"),
            Self::MobileNetV3 { .. } | Self::EfficientNet => format!("{name}.block.{layer}.{part}"),
            Self::MnasNet if block.index == 0 => format!("layers.{}", 3 + 3 * layer + part),
            Self::MnasNet => format!("{name}.layers.{}", 3 * layer + part),
        }
    }
}

impl Network {
    /// Pairs of timm's and torchvision's names of all nodes.
    pub(super) fn torchvision_names(&self, scheme: Scheme) -> Vec<(String, String)> {
        let blocks = self.blocks();
        let root = scheme.root();
        let mut pairs = Vec::new();
        let mut add = |timm: String, ours: String| pairs.push((timm, ours));
        for (part, timm) in ["conv_stem", "bn1", "act1"].into_iter().enumerate() {
            add(
                timm.to_owned(),
                match scheme {
                    Scheme::MnasNet => format!("{root}.{part}"),
                    _ => format!("{root}.0.{part}"),
                },
            );
        }
        for block in &blocks {
            let timm = block.name();
            let layers = block.layers();
            for (i, layer) in layers.iter().enumerate() {
                match layer {
                    Layer::Conv { name, number, .. } => {
                        let norm = format!("bn{number}");
                        let activation = format!("act{number}");
                        let parts = [name, norm.as_str(), &activation];
                        for (part, name) in parts.into_iter().enumerate() {
                            let ours = scheme.part(block, i, i + 1 == layers.len(), part);
                            add(format!("{timm}.{name}"), ours);
                        }
                    }
                    Layer::Squeeze(_) => {
                        for (name, ours) in TIMM.into_iter().zip(TORCHVISION) {
                            let ours = format!("{}.block.{i}.{ours}", scheme.block(block));
                            add(format!("{timm}.se.{name}"), ours);
                        }
                    }
                }
            }
            add(
                format!("{timm}.add"),
                format!("{}.add", scheme.block(block)),
            );
        }
        for (part, timm) in ["conv_head", "bn2", "act2"].into_iter().enumerate() {
            add(
                timm.to_owned(),
                match scheme {
                    Scheme::MobileNetV2 => format!("{root}.{}.{part}", blocks.len() + 1),
                    // It has no norm.
                    Scheme::MobileNetV3 { .. } => format!("classifier.{}", part.min(1)),
                    Scheme::EfficientNet => format!("{root}.{}.{part}", self.stages.len() + 1),
                    Scheme::MnasNet => format!("{root}.{}", self.stages.len() + 7 + part),
                },
            );
        }
        let classifier = match scheme {
            Scheme::MobileNetV3 { .. } => ["classifier.2", "classifier.3"],
            _ => ["classifier.0", "classifier.1"],
        };
        let [dropout, last] = classifier;
        for (timm, ours) in [
            ("global_pool", "avgpool"),
            ("dropout", dropout),
            ("classifier", last),
        ] {
            add(timm.to_owned(), ours.to_owned());
        }
        pairs
    }
}
