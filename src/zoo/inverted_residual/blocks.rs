//! The blocks of which the networks of [`super`] are tables.

use super::{Network, Squeeze};
use crate::graph::{Activation, Conv2d};
use crate::zoo::layers::{scale_channels, scale_channels_within};
use crate::zoo::squeeze_excite::SqueezeExcite;

/// Equal blocks of a stage: the first may halve the map, the others keep it.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    kind: Kind,
    repeats: usize,
    kernel: usize,
    /// Stride of the stage's first block.
    stride: usize,
    /// The wide convolution's channels as a multiple of the block's input channels.
    expansion: f64,
    channels: usize,
    squeeze: bool,
    /// Whether a block adds its input, where the output has its shape.
    shortcut: bool,
    /// In place of the network's.
    activation: Option<Activation>,
}

/// What a block is made of. Names are timm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `InvertedResidual` (Sandler et al. 2018): a 1x1 expansion, a depthwise convolution, a 1x1 projection.
    Inverted,
    /// `DepthwiseSeparableConv`: the same without the expansion.
    Separable,
    /// `EdgeResidual`, or Fused-MBConv (Tan and Le 2021): an expansion with the kernel of the depthwise
    /// convolution, in place of both.
    Fused,
    /// `ConvBnAct`: one convolution, with an activation before the input is added.
    Single,
}

/// Inverted residuals: number, kernel, stride, expansion and channels.
pub(super) const fn inverted(
    repeats: usize,
    kernel: usize,
    stride: usize,
    expansion: f64,
    channels: usize,
) -> Blocks {
    Blocks {
        kind: Kind::Inverted,
        repeats,
        kernel,
        stride,
        expansion,
        channels,
        squeeze: false,
        shortcut: true,
        activation: None,
    }
}

/// Inverted residuals without expansion: their stride and channels.
pub(super) const fn separable(stride: usize, channels: usize) -> Blocks {
    Blocks {
        kind: Kind::Separable,
        ..inverted(1, 3, stride, 1.0, channels)
    }
}

/// Fused inverted residuals: number, stride, expansion and channels.
pub(super) const fn fused(
    repeats: usize,
    stride: usize,
    expansion: f64,
    channels: usize,
) -> Blocks {
    Blocks {
        kind: Kind::Fused,
        ..inverted(repeats, 3, stride, expansion, channels)
    }
}

/// Single convolutions: number, kernel and channels.
pub(super) const fn single(repeats: usize, kernel: usize, channels: usize) -> Blocks {
    Blocks {
        kind: Kind::Single,
        ..inverted(repeats, kernel, 1, 1.0, channels)
    }
}

impl Blocks {
    /// With squeeze-and-excite.
    pub(super) const fn squeezed(self) -> Self {
        Self {
            squeeze: true,
            ..self
        }
    }

    /// Without shortcuts.
    pub(super) const fn plain(self) -> Self {
        Self {
            shortcut: false,
            ..self
        }
    }

    /// With ReLU, whatever the network's activation is.
    pub(super) const fn relu(self) -> Self {
        Self {
            activation: Some(Activation::Relu),
            ..self
        }
    }
}

/// One block.
pub(super) struct Block {
    pub kind: Kind,
    /// Its stage and its index within the stage.
    pub place: [usize; 2],
    /// Its index in the network.
    pub index: usize,
    pub channels: usize,
    pub out: usize,
    /// Whether it adds its input to its output.
    pub has_shortcut: bool,
    stride: usize,
    kernel: usize,
    dilation: usize,
    expansion: f64,
    squeeze: Option<Squeeze>,
    activation: Activation,
}

/// A layer of a block.
pub(super) enum Layer {
    /// A convolution without bias, called `name`, batch norm `bn` and, where there is one, activation `act` of this
    /// number.
    Conv {
        name: &'static str,
        number: usize,
        conv: Conv2d,
        activation: Option<Activation>,
    },
    Squeeze(SqueezeExcite),
}

impl Network {
    /// Channels of the stem.
    pub(super) fn stem_channels(&self) -> usize {
        match self.fixed_stem {
            true => self.stem,
            false => self.scaled(self.stem),
        }
    }

    /// Channels times the width.
    pub(super) fn scaled(&self, channels: usize) -> usize {
        scale_channels_within(channels, self.width, self.least_share)
    }

    /// All blocks, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut channels = self.stem_channels();
        let mut stride_so_far = 2;
        let mut dilation = 1;
        for (stage, rows) in self.stages.iter().enumerate() {
            let repeats = self.repeats(stage, rows);
            let all = rows.iter().zip(repeats);
            let all = all.flat_map(|(row, repeats)| std::iter::repeat_n(row, repeats));
            for (i, row) in all.enumerate() {
                let mut stride = if i == 0 { row.stride } else { 1 };
                if stride_so_far * stride > self.output_stride {
                    dilation *= stride;
                    stride = 1;
                }
                stride_so_far *= stride;
                let out = self.scaled(row.channels);
                blocks.push(Block {
                    kind: row.kind,
                    place: [stage, i],
                    index: blocks.len(),
                    channels,
                    out,
                    has_shortcut: row.shortcut && stride == 1 && channels == out,
                    stride,
                    kernel: row.kernel,
                    dilation,
                    expansion: row.expansion,
                    squeeze: row.squeeze.then_some(self.squeeze),
                    activation: row.activation.unwrap_or(self.activation),
                });
                channels = out;
            }
        }
        blocks
    }

    /// How often each row of a stage is repeated: the stage's number of blocks times the depth, distributed to its
    /// rows from the last to the first, so that the first grows last (timm's `_scale_stage_depth`).
    fn repeats(&self, stage: usize, rows: &[Blocks]) -> Vec<usize> {
        let is_end = stage == 0 || stage + 1 == self.stages.len();
        let depth = match self.fixed_ends && is_end {
            true => 1.0,
            false => *(self.depth.get(stage).or(self.depth.last())).unwrap_or(&1.0),
        };
        let mut before: usize = rows.iter().map(|row| row.repeats).sum();
        let mut after = (before as f64 * depth).ceil() as usize;
        let mut repeats: Vec<usize> = (rows.iter().rev())
            .map(|row| {
                let share = row.repeats as f64 / before as f64 * after as f64;
                let share = (share.round_ties_even() as usize).max(1);
                before -= row.repeats;
                after = after.saturating_sub(share);
                share
            })
            .collect();
        repeats.reverse();
        repeats
    }
}

impl Block {
    /// timm's name.
    pub(super) fn name(&self) -> String {
        let [stage, i] = self.place;
        format!("blocks.{stage}.{i}")
    }

    /// Its layers, without the shortcut.
    pub(super) fn layers(&self) -> Vec<Layer> {
        // Expansions that are no integers do not always give multiples of 8.
        let inner = match self.kind {
            Kind::Separable | Kind::Single => self.channels,
            Kind::Inverted | Kind::Fused => scale_channels(self.channels, self.expansion),
        };
        // A kernel of one tap has no dilation.
        let dilation = if self.kernel == 1 { 1 } else { self.dilation };
        let spatial = |conv: Conv2d| conv.stride(self.stride).dilation(dilation);
        let depthwise = || spatial(Conv2d::depthwise(inner, self.kernel));
        let project = Conv2d::new(inner, self.out, 1);
        let own = Some(self.activation);
        let conv = |number, name, conv, activation| Layer::Conv {
            name,
            number,
            conv,
            activation,
        };
        let mut layers = match self.kind {
            Kind::Inverted => vec![
                conv(1, "conv_pw", Conv2d::new(self.channels, inner, 1), own),
                conv(2, "conv_dw", depthwise(), own),
            ],
            Kind::Separable => vec![conv(1, "conv_dw", depthwise(), own)],
            Kind::Fused => {
                let wide = Conv2d::new(self.channels, inner, self.kernel);
                vec![conv(1, "conv_exp", spatial(wide), own)]
            }
            Kind::Single => {
                let whole = Conv2d::new(self.channels, self.out, self.kernel);
                return vec![conv(1, "conv", spatial(whole), own)];
            }
        };
        if let Some(squeeze) = self.squeeze {
            layers.push(Layer::Squeeze(squeeze.of(
                inner,
                self.expansion,
                self.activation,
            )));
        }
        layers.push(match self.kind {
            Kind::Inverted => conv(3, "conv_pwl", project, None),
            Kind::Fused => conv(2, "conv_pwl", project, None),
            Kind::Separable | Kind::Single => conv(2, "conv_pw", project, None),
        });
        layers
    }
}
