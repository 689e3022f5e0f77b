//! Networks of inverted residuals: MobileNetV2 and V3, MNASNet, EfficientNet with its lite variant and V2, all of
//! which are tables of blocks, as in timm (`EfficientNet` and `MobileNetV3` in its files of these names).
//!
//! Where torchvision and timm have the same function, the graph has torchvision's names, and timm's are a dialect.
//! Often they have not, and are two networks here. Both pad symmetrically, but epsilons of norms differ; and the
//! networks that timm calls `tf_` are those of TensorFlow's weights, with its SAME padding and an epsilon of 1e-3.

mod blocks;
mod efficientnet;
mod mnasnet;
mod mobilenet;
mod names;
mod segmentation;

use super::squeeze_excite::{Gate, SqueezeExcite};
use super::{Definition, Settings, ZooOptions, layers};
use crate::error::Result;
use crate::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, Padding,
    ValueId,
};
use crate::weights::Dialect;
use blocks::{Blocks, Layer};
use names::{Names, Scheme};

pub(super) use efficientnet::{ARCHITECTURES as EFFICIENTNET, LITE as EFFICIENTNET_LITE};
pub(super) use mnasnet::ARCHITECTURES as MNASNET;
pub(super) use mobilenet::ARCHITECTURES as MOBILENET;
pub(super) use segmentation::ARCHITECTURES as SEGMENTATION;

/// A network of inverted residuals.
#[derive(Clone, Copy)]
struct Network {
    /// Channels of the stem.
    stem: usize,
    /// Of each stage, its blocks.
    stages: &'static [&'static [Blocks]],
    head: Head,
    activation: Activation,
    squeeze: Squeeze,
    /// The factor of channels.
    width: f64,
    /// Channels that are rounded to less than this share of their product with the width get 8 more.
    least_share: f64,
    /// The factor of the number of blocks of each stage. The last one counts for all stages that follow.
    depth: &'static [f64],
    /// Whether the width does not change the stem.
    fixed_stem: bool,
    /// Whether the depth does not change the first and the last stage.
    fixed_ends: bool,
    /// The most that maps are smaller than the image: strides beyond it are dilations, of the block itself too.
    output_stride: usize,
    /// Whether convolutions are padded as TensorFlow's `SAME`.
    same_padding: bool,
    /// Of norms.
    eps: f64,
    /// torchvision's names, where it has this network.
    torchvision: Option<Scheme>,
    /// Whether timm has the same function as torchvision.
    timm: bool,
}

/// What follows the blocks.
#[derive(Clone, Copy)]
enum Head {
    /// A 1x1 convolution to this many channels with norm and activation, pooling, the classifier.
    Wide(usize, HeadWidth),
    /// MobileNetV3's: pooling, a layer to this many channels with activation, the classifier. In timm the layer is a
    /// convolution, in torchvision it is fully connected.
    Pooled(usize),
}

/// What the width does with the head's channels.
#[derive(Clone, Copy)]
enum HeadWidth {
    Scaled,
    /// Never fewer channels.
    ScaledUp,
    Fixed,
}

/// How wide squeeze-and-excite is, and its functions.
#[derive(Clone, Copy)]
enum Squeeze {
    /// A quarter of the block's input channels; the block's activation and a sigmoid.
    OfInput,
    /// A quarter of the expanded channels, as a multiple of 8; ReLU and a hard sigmoid (Howard et al. 2019).
    OfExpansion,
}

impl Squeeze {
    fn of(self, channels: usize, expansion: f64, activation: Activation) -> SqueezeExcite {
        match self {
            Self::OfInput => SqueezeExcite {
                channels,
                reduced: (channels as f64 * (0.25 / expansion)).round_ties_even() as usize,
                activation,
                gate: Gate::Sigmoid,
            },
            Self::OfExpansion => SqueezeExcite {
                channels,
                reduced: layers::scale_channels(channels, 0.25),
                activation: Activation::Relu,
                gate: Gate::HardSigmoid,
            },
        }
    }
}

impl Network {
    /// A network of PyTorch's padding and epsilon, in timm's names.
    const fn new(
        stem: usize,
        stages: &'static [&'static [Blocks]],
        head: Head,
        activation: Activation,
    ) -> Self {
        Self {
            stem,
            stages,
            head,
            activation,
            squeeze: Squeeze::OfInput,
            width: 1.0,
            least_share: 0.9,
            depth: &[1.0],
            fixed_stem: false,
            fixed_ends: false,
            output_stride: 32,
            same_padding: false,
            eps: 1e-5,
            torchvision: None,
            timm: true,
        }
    }

    /// With factors for channels and for numbers of blocks.
    const fn scale(self, width: f64, depth: &'static [f64]) -> Self {
        Self {
            width,
            depth,
            ..self
        }
    }

    /// With the padding and the epsilon of TensorFlow's weights.
    const fn tensorflow(self) -> Self {
        Self {
            same_padding: true,
            eps: 1e-3,
            ..self
        }
    }

    /// In torchvision's names, where timm has the same function.
    const fn shared(self, scheme: Scheme) -> Self {
        Self {
            torchvision: Some(scheme),
            ..self
        }
    }

    /// In torchvision's names, with an epsilon of 1e-3, which timm's network has not.
    const fn torchvision(self, scheme: Scheme) -> Self {
        Self {
            torchvision: Some(scheme),
            timm: false,
            eps: 1e-3,
            ..self
        }
    }

    fn names(&self) -> Names {
        match self.torchvision {
            Some(scheme) => Names::new(self.torchvision_names(scheme)),
            None => Names::default(),
        }
    }

    /// Adds the stem and the blocks, and returns the output of each block.
    fn trunk(&self, layers: &mut Layers, image: ValueId, channels: usize) -> Vec<ValueId> {
        let stem = Conv2d::new(channels, self.stem_channels(), 3).stride(2);
        let mut x = layers.conv(image, "", ("conv_stem", 1), stem, Some(self.activation));
        let blocks = self.blocks();
        let outputs = blocks.iter().map(|block| {
            let prefix = format!("{}.", block.name());
            let input = x;
            for layer in block.layers() {
                x = match layer {
                    Layer::Conv {
                        name,
                        number,
                        conv,
                        activation,
                    } => layers.conv(x, &prefix, (name, number), conv, activation),
                    Layer::Squeeze(squeeze) => {
                        let Layers { b, names, .. } = layers;
                        squeeze.build(b, x, |name| names.of(&format!("{prefix}se.{name}")))
                    }
                };
            }
            if block.has_shortcut {
                let name = layers.names.of(&format!("{prefix}add"));
                x = layers.b.add(name, x, input);
            }
            x
        });
        outputs.collect()
    }

    /// Channels of the last block.
    fn trunk_channels(&self) -> usize {
        let last = self.blocks().pop();
        last.map_or(self.stem_channels(), |block| block.out)
    }
}

/// Adds layers with a network's names, padding and epsilon.
struct Layers<'a> {
    b: &'a mut GraphBuilder,
    names: Names,
    same_padding: bool,
    eps: f64,
}

impl Layers<'_> {
    /// A convolution without bias, a norm and an activation, by timm's name of the convolution and number of the
    /// others.
    fn conv(
        &mut self,
        x: ValueId,
        prefix: &str,
        (name, number): (&str, usize),
        conv: Conv2d,
        activation: Option<Activation>,
    ) -> ValueId {
        let channels = conv.out_channels;
        let [kernel, dilation] = [conv.kernel[0], conv.dilation[0]];
        let conv = conv.bias(false).padding(match self.same_padding {
            true => Padding::Same,
            false => Padding::all(kernel / 2 * dilation),
        });
        let name_of = |name: String| self.names.of(&format!("{prefix}{name}"));
        let x = self.b.conv2d(name_of(name.to_owned()), x, conv);
        let norm = BatchNorm2d::new(channels).eps(self.eps);
        let x = self.b.batch_norm(name_of(format!("bn{number}")), x, norm);
        match activation {
            Some(function) => self
                .b
                .activation(name_of(format!("act{number}")), x, function),
            None => x,
        }
    }
}

impl Definition for Network {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let mut layers = Layers {
            b,
            names: self.names(),
            same_padding: self.same_padding,
            eps: self.eps,
        };
        let blocks = self.trunk(&mut layers, image, settings.channels);
        let mut x = *blocks.last().unwrap_or(&image);
        let channels = self.trunk_channels();
        let is_torchvisions = self.torchvision.is_some();
        let features = match self.head {
            Head::Wide(features, width) => {
                let features = match width {
                    HeadWidth::Scaled => self.scaled(features),
                    HeadWidth::ScaledUp => features.max(self.scaled(features)),
                    HeadWidth::Fixed => features,
                };
                let head = Conv2d::new(channels, features, 1);
                x = layers.conv(x, "", ("conv_head", 2), head, Some(self.activation));
                features
            }
            Head::Pooled(features) => features,
        };
        let Layers { b, names, .. } = layers;
        x = b.adaptive_avg_pool2d(names.of("global_pool"), x, AdaptiveAvgPool2d::new(1, 1));
        if is_torchvisions || matches!(self.head, Head::Wide(..)) {
            x = b.flatten(names.of("flatten"), x);
        }
        if let Head::Pooled(features) = self.head {
            let name = names.of("conv_head");
            x = match is_torchvisions {
                true => b.linear(name, x, Linear::new(channels, features)),
                false => b.conv2d(name, x, Conv2d::new(channels, features, 1)),
            };
            x = b.activation(names.of("act2"), x, self.activation);
            if !is_torchvisions {
                x = b.flatten(names.of("flatten"), x);
            }
        }
        if is_torchvisions {
            x = b.dropout(names.of("dropout"), x);
        }
        let classifier = Linear::new(features, settings.classes);
        Ok(vec![b.linear(names.of("classifier"), x, classifier)])
    }

    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        match self.torchvision {
            Some(scheme) if self.timm => {
                let names = self.torchvision_names(scheme);
                let pairs = names.into_iter().map(|(timm, ours)| (ours, timm));
                vec![Dialect::new("timm", pairs)]
            }
            _ => Vec::new(),
        }
    }

    fn check_options(&self, options: &ZooOptions) -> Result<(), String> {
        match (self.head, options.output_stride) {
            (Head::Pooled(_), Some(stride)) => Err(format!(
                "output stride {stride}: timm's constructor of MobileNetV3 takes none"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
