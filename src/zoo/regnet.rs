//! RegNet (Radosavovic et al. 2020, "Designing network design spaces"), as defined and named in timm, which has more
//! of them than torchvision; torchvision's names can be loaded too. RegNetY is RegNetX with squeeze-and-excitation.

use super::{Architecture, Definition, Settings, layers};
use crate::error::Result;
use crate::graph::{Activation, BatchNorm2d, Conv2d, Graph, GraphBuilder, Linear, ValueId};
use crate::weights::Dialect;

/// Channels of the first convolution.
const STEM: usize = 32;
/// All widths are multiples of it.
const QUANTUM: f64 = 8.0;
/// Hidden channels of a squeeze-and-excitation as a part of the block's input channels.
const SE_RATIO: f64 = 0.25;

pub(super) const ARCHITECTURES: &[Architecture] = &[
    x("regnetx_002", &[], &RegNet::new(13, 24, 36.44, 2.49, 8)),
    x("regnetx_004", &[], &RegNet::new(22, 24, 24.48, 2.54, 16)),
    x(
        "regnetx_004_tv",
        &["regnet_x_400mf"],
        &RegNet::new(22, 24, 24.48, 2.54, 16).rounded_up(),
    ),
    x("regnetx_006", &[], &RegNet::new(16, 48, 36.97, 2.24, 24)),
    x(
        "regnetx_008",
        &["regnet_x_800mf"],
        &RegNet::new(16, 56, 35.73, 2.28, 16),
    ),
    x(
        "regnetx_016",
        &["regnet_x_1_6gf"],
        &RegNet::new(18, 80, 34.01, 2.25, 24),
    ),
    x(
        "regnetx_032",
        &["regnet_x_3_2gf"],
        &RegNet::new(25, 88, 26.31, 2.25, 48),
    ),
    x("regnetx_040", &[], &RegNet::new(23, 96, 38.65, 2.43, 40)),
    x("regnetx_064", &[], &RegNet::new(17, 184, 60.83, 2.07, 56)),
    x(
        "regnetx_080",
        &["regnet_x_8gf"],
        &RegNet::new(23, 80, 49.56, 2.88, 120),
    ),
    x("regnetx_120", &[], &RegNet::new(19, 168, 73.36, 2.37, 112)),
    x(
        "regnetx_160",
        &["regnet_x_16gf"],
        &RegNet::new(22, 216, 55.59, 2.1, 128),
    ),
    x(
        "regnetx_320",
        &["regnet_x_32gf"],
        &RegNet::new(23, 320, 69.86, 2.0, 168),
    ),
    y(
        "regnety_002",
        &[],
        &RegNet::new(13, 24, 36.44, 2.49, 8).se(),
    ),
    y(
        "regnety_004",
        &["regnet_y_400mf"],
        &RegNet::new(16, 48, 27.89, 2.09, 8).se(),
    ),
    y(
        "regnety_006",
        &[],
        &RegNet::new(15, 48, 32.54, 2.32, 16).se(),
    ),
    y(
        "regnety_008",
        &[],
        &RegNet::new(14, 56, 38.84, 2.4, 16).se(),
    ),
    y(
        "regnety_008_tv",
        &["regnet_y_800mf"],
        &RegNet::new(14, 56, 38.84, 2.4, 16).se().rounded_up(),
    ),
    y(
        "regnety_016",
        &["regnet_y_1_6gf"],
        &RegNet::new(27, 48, 20.71, 2.65, 24).se(),
    ),
    y(
        "regnety_032",
        &["regnet_y_3_2gf"],
        &RegNet::new(21, 80, 42.63, 2.66, 24).se(),
    ),
    y(
        "regnety_040",
        &[],
        &RegNet::new(22, 96, 31.41, 2.24, 64).se(),
    ),
    y(
        "regnety_064",
        &[],
        &RegNet::new(25, 112, 33.22, 2.27, 72).se(),
    ),
    y(
        "regnety_080",
        &[],
        &RegNet::new(17, 192, 76.82, 2.19, 56).se(),
    ),
    y(
        "regnety_080_tv",
        &["regnet_y_8gf"],
        &RegNet::new(17, 192, 76.82, 2.19, 56).se().rounded_up(),
    ),
    y(
        "regnety_120",
        &[],
        &RegNet::new(19, 168, 73.36, 2.37, 112).se(),
    ),
    y(
        "regnety_160",
        &["regnet_y_16gf"],
        &RegNet::new(18, 200, 106.23, 2.48, 112).se(),
    ),
    y(
        "regnety_320",
        &["regnet_y_32gf"],
        &RegNet::new(20, 232, 115.89, 2.53, 232).se(),
    ),
];

const fn x(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static RegNet,
) -> Architecture {
    let description =
        "bottlenecks with groups, widths from a linear rule (Radosavovic et al. 2020)";
    Architecture {
        aliases,
        ..Architecture::classifier(name, "RegNetX", description, definition)
    }
}

const fn y(
    name: &'static str,
    aliases: &'static [&'static str],
    definition: &'static RegNet,
) -> Architecture {
    let description = "RegNetX with squeeze-and-excitation (Radosavovic et al. 2020)";
    Architecture {
        aliases,
        ..Architecture::classifier(name, "RegNetY", description, definition)
    }
}

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
mod tests {
    use super::*;
    use crate::zoo::ZooOptions;

    /// From timm 1.0.31; those with an alias are torchvision's too.
    #[test]
    fn parameter_counts_are_timms() {
        let published = [
            2_684_792,
            5_157_512,
            5_495_976,
            6_196_040,
            7_259_656,
            9_190_136,
            15_296_552,
            22_118_248,
            26_209_256,
            39_572_648,
            46_106_056,
            54_278_536,
            107_811_560,
            3_162_996,
            4_344_144,
            6_055_160,
            6_263_168,
            6_432_512,
            11_202_430,
            19_436_338,
            20_646_656,
            30_583_252,
            39_180_068,
            39_381_472,
            51_822_544,
            83_590_140,
            145_046_770,
        ];
        assert_eq!(ARCHITECTURES.len(), published.len());
        for (architecture, count) in ARCHITECTURES.iter().zip(published) {
            let graph = architecture.build(&ZooOptions::default()).unwrap();
            assert_eq!(graph.parameter_count(), count, "{}", architecture.name);
        }
    }

    /// Table 2 of the paper's appendix: RegNetX-400MF and RegNetY-400MF.
    #[test]
    fn stages_are_those_of_the_paper() {
        let stages = |net: RegNet| -> Vec<[usize; 3]> {
            (net.stages().iter())
                .map(|stage| [stage.depth, stage.width, stage.group_width])
                .collect()
        };
        let x = stages(RegNet::new(22, 24, 24.48, 2.54, 16));
        assert_eq!(x, [[1, 32, 16], [2, 64, 16], [7, 160, 16], [12, 384, 16]]);
        let y = stages(RegNet::new(16, 48, 27.89, 2.09, 8));
        assert_eq!(y, [[1, 48, 8], [3, 104, 8], [6, 208, 8], [6, 440, 8]]);
    }
}
