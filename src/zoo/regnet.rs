//! RegNet (Radosavovic et al. 2020, "Designing network design spaces"), as defined and named in timm, which has more
//! of them than torchvision; torchvision's names can be loaded too. RegNetY is RegNetX with squeeze-and-excitation.

mod table;

use super::{Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, ValueId};
use crate::weights::Dialect;
pub(super) use table::ARCHITECTURES;

/// Channels of the first convolution.
const STEM: usize = 32;
/// All widths are multiples of it.
const QUANTUM: f64 = 8.0;
/// Hidden channels of a squeeze-and-excitation as a part of the block's input channels.
const SE_RATIO: f64 = 0.25;

/// One RegNet: the parameters of the paper's section 3.3.
struct RegNet {
    depth: usize,
    initial_width: usize,
    width_slope: f64,
    width_factor: f64,
    /// Channels of a group.
    group_width: usize,
    squeeze: bool,
    /// Whether a width is not rounded to fewer than nine tenths to be a multiple of the group's, as in torchvision.
    rounded_up: bool,
}

/// Blocks of one resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stage {
    width: usize,
    depth: usize,
    group_width: usize,
}

/// One bottleneck, whose channels do not get fewer in between.
struct Block {
    /// Its stage and its index within the stage, both from 0.
    place: [usize; 2],
    channels: usize,
    out: usize,
    stride: usize,
    group_width: usize,
}

impl RegNet {
    const fn new(
        depth: usize,
        initial_width: usize,
        width_slope: f64,
        width_factor: f64,
        group_width: usize,
    ) -> Self {
        Self {
            depth,
            initial_width,
            width_slope,
            width_factor,
            group_width,
            squeeze: false,
            rounded_up: false,
        }
    }

    const fn se(self) -> Self {
        Self {
            squeeze: true,
            ..self
        }
    }

    const fn rounded_up(self) -> Self {
        Self {
            rounded_up: true,
            ..self
        }
    }

    /// Equations 2 to 4 of the paper: blocks of widths along a line, rounded to powers of the factor and then to
    /// multiples of 8; blocks of the same width are a stage.
    fn stages(&self) -> Vec<Stage> {
        let mut stages: Vec<Stage> = Vec::new();
        let initial = self.initial_width as f64;
        for block in 0..self.depth {
            let width = initial + self.width_slope * block as f64;
            let power = ((width / initial).ln() / self.width_factor.ln()).round_ties_even();
            let width = initial * self.width_factor.powf(power);
            let width = (width / QUANTUM).round_ties_even() * QUANTUM;
            let width = width as usize;
            match stages.last_mut() {
                Some(stage) if stage.width == width => stage.depth += 1,
                _ => stages.push(Stage {
                    width,
                    depth: 1,
                    group_width: self.group_width.min(width),
                }),
            }
        }
        for stage in &mut stages {
            stage.width = self.whole_groups(stage.width, stage.group_width);
        }
        stages
    }

    /// The multiple of a group's width next to a width.
    fn whole_groups(&self, width: usize, group: usize) -> usize {
        if !self.rounded_up {
            let groups = (width as f64 / group as f64).round_ties_even();
            return groups as usize * group;
        }
        let rounded = (width + group / 2) / group * group;
        match (rounded as f64) < 0.9 * width as f64 {
            true => rounded + group,
            false => rounded,
        }
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut channels = STEM;
        for (i, stage) in self.stages().into_iter().enumerate() {
            for n in 0..stage.depth {
                blocks.push(Block {
                    place: [i, n],
                    channels,
                    out: stage.width,
                    stride: if n == 0 { 2 } else { 1 },
                    group_width: stage.group_width,
                });
                channels = stage.width;
            }
        }
        blocks
    }
}

impl Definition for RegNet {
    fn layers(
        &self,
        b: &mut GraphBuilder,
        image: ValueId,
        settings: &Settings,
    ) -> Result<Vec<ValueId>> {
        let stem = Conv2d::new(settings.channels, STEM, 3).stride(2).padding(1);
        let x = conv_bn(b, image, "stem", stem);
        let mut x = b.activation("stem.act", x, Activation::Relu);
        let mut channels = STEM;
        for block in self.blocks() {
            x = block.build(b, x, self.squeeze);
            channels = block.out;
        }
        let x = layers::global_pool(b, x, "head.global_pool", "head.flatten");
        let x = b.dropout("head.drop", x);
        let last = Linear::new(channels, settings.classes);
        Ok(vec![b.linear("head.fc", x, last)])
    }

    fn has_timms_default(&self, argument: &str) -> bool {
        argument != "stem_width"
    }

    fn dialects(&self, _: &Graph) -> Vec<Dialect> {
        let mut names = Vec::new();
        let mut add = |ours: String, theirs: String| names.push((ours, theirs));
        let pair = [("conv", 0), ("bn", 1)];
        for (part, i) in pair {
            add(format!("stem.{part}"), format!("stem.{i}"));
        }
        for block in self.blocks() {
            let (ours, theirs) = (block.name(), block.name_in_torchvision());
            for (part, i) in pair {
                for (conv, letter) in [("conv1", 'a'), ("conv2", 'b'), ("conv3", 'c')] {
                    add(
                        format!("{ours}.{conv}.{part}"),
                        format!("{theirs}.f.{letter}.{i}"),
                    );
                }
                add(
                    format!("{ours}.downsample.{part}"),
                    format!("{theirs}.proj.{i}"),
                );
            }
            for part in ["se.fc1", "se.fc2"] {
                add(format!("{ours}.{part}"), format!("{theirs}.f.{part}"));
            }
        }
        add("head.fc".to_owned(), "fc".to_owned());
        vec![Dialect::new("torchvision", names)]
    }
}

impl Block {
    fn name(&self) -> String {
        let [stage, i] = self.place;
        format!("s{}.b{}", stage + 1, i + 1)
    }

    fn name_in_torchvision(&self) -> String {
        let [stage, i] = self.place;
        let stage = stage + 1;
        format!("trunk_output.block{stage}.block{stage}-{i}")
    }

    fn build(&self, b: &mut GraphBuilder, x: ValueId, squeeze: bool) -> ValueId {
        let (name, width) = (self.name(), self.out);
        let y = conv_bn(
            b,
            x,
            &format!("{name}.conv1"),
            Conv2d::new(self.channels, width, 1),
        );
        let y = b.activation(format!("{name}.conv1.act"), y, Activation::Relu);
        let spatial = Conv2d::new(width, width, 3).stride(self.stride).padding(1);
        let spatial = spatial.groups(width / self.group_width);
        let y = conv_bn(b, y, &format!("{name}.conv2"), spatial);
        let mut y = b.activation(format!("{name}.conv2.act"), y, Activation::Relu);
        if squeeze {
            let hidden = (self.channels as f64 * SE_RATIO).round_ties_even() as usize;
            let name = format!("{name}.se");
            y = layers::squeeze_excite(b, y, &name, [width, hidden], Activation::Relu);
        }
        let y = conv_bn(b, y, &format!("{name}.conv3"), Conv2d::new(width, width, 1));
        let mut shortcut = x;
        if self.channels != width || self.stride != 1 {
            let conv = Conv2d::new(self.channels, width, 1).stride(self.stride);
            shortcut = conv_bn(b, x, &format!("{name}.downsample"), conv);
        }
        let sum = b.add(format!("{name}.add"), y, shortcut);
        b.activation(format!("{name}.act3"), sum, Activation::Relu)
    }
}

/// A convolution without bias and a batch norm, called `conv` and `bn` within `name`.
fn conv_bn(b: &mut GraphBuilder, x: ValueId, name: &str, conv: Conv2d) -> ValueId {
    let channels = conv.out_channels;
    let x = b.conv2d(format!("{name}.conv"), x, conv.bias(false));
    b.batch_norm(format!("{name}.bn"), x, BatchNorm2d::new(channels))
}

#[cfg(test)]
mod tests;
