//! Chains of layers that passes fuse, in all combinations: all passes, all but one, none.

use std::sync::Arc;

use proptest::prelude::*;
use shadernet::gpu::Precision;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, CenterCropOrPad, Conv2d, ConvTranspose2d, Graph,
    GraphBuilder, LayerScale, Linear, Pad2d, Pool2d, SliceChannels, ValueId,
};
use shadernet::passes::{self, PassOptions};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

use crate::compare::assert_close;
use crate::devices::devices_and_cpu;
use crate::generate::{cases, tensor, weights_for};
use crate::tolerance;

/// A graph that grows at random, every value a map of the input's size.
struct Chain {
    b: GraphBuilder,
    /// Every value with its channels.
    values: Vec<(ValueId, usize)>,
    choices: std::vec::IntoIter<u32>,
}

impl Chain {
    fn choose(&mut self, below: usize) -> usize {
        // After the last choice, the first option is always taken.
        self.choices.next().unwrap_or(0) as usize % below
    }

    /// A value to read: mostly the last.
    fn pick(&mut self) -> (ValueId, usize) {
        let back = [0, 0, 0, 1, 2][self.choose(5)];
        let last = self.values.len() - 1;
        self.values[last.saturating_sub(back)]
    }

    fn add(&mut self, step: usize) {
        let (x, c) = self.pick();
        let name = |kind: &str| format!("{step}.{kind}");
        let channels = [8, 4, 6, 12][self.choose(4)];
        let new = match self.choose(12) {
            0 => {
                let conv = Conv2d::new(c, channels, 3).padding(1);
                (self.b.conv2d(name("conv"), x, conv), channels)
            }
            1 => {
                let conv = Conv2d::new(c, c, 3).padding(1).bias(false);
                let groups = match self.choose(2) {
                    1 if c.is_multiple_of(2) => 2,
                    _ => c,
                };
                (self.b.conv2d(name("groups"), x, conv.groups(groups)), c)
            }
            2 => match self.choose(2) {
                0 => (self.b.batch_norm(name("norm"), x, BatchNorm2d::new(c)), c),
                _ => {
                    let scale = LayerScale { channels: c };
                    (self.b.node(name("scale"), scale, &[x]), c)
                }
            },
            3 => {
                let leaky = Activation::LeakyRelu { slope: 0.1 };
                let all = [
                    Activation::Relu,
                    leaky,
                    Activation::Sigmoid,
                    Activation::Silu,
                ];
                let activation = all[self.choose(all.len())];
                (self.b.activation(name("act"), x, activation), c)
            }
            4 => {
                let other = self
                    .values
                    .iter()
                    .find(|value| value.1 == c && value.0 != x);
                let other = other.map_or(x, |value| value.0);
                (self.b.add(name("add"), x, other), c)
            }
            5 => {
                let (other, more) = self.pick();
                (self.b.concat(name("concat"), &[other, x]), c + more)
            }
            6 if c > 2 => {
                let start = [0, 4, 1][self.choose(3)].min(c - 2);
                let slice = SliceChannels { start, end: c };
                (self.b.node(name("slice"), slice, &[x]), c - start)
            }
            7 => {
                let pad = Pad2d::zeros(1, 2, 2, 0);
                let y = self.b.node(name("pad"), pad, &[x]);
                let y = self.b.conv2d(name("conv"), y, Conv2d::new(c, channels, 3));
                let y = self.b.node(name("padded"), Pad2d::zeros(1, 0, 1, 0), &[y]);
                let y = self
                    .b
                    .node(name("cropped"), Pad2d::zeros(-1, 0, 0, -1), &[y]);
                let y = self.b.conv2d(name("conv2"), y, Conv2d::new(channels, c, 1));
                (self.b.node(name("size"), CenterCropOrPad, &[y, x]), c)
            }
            10 => {
                // As a block of RepVGG.
                let groups = [1, 2, c][self.choose(3)];
                let groups = if c.is_multiple_of(groups) { groups } else { 1 };
                let dilation = 1 + self.choose(2);
                let spatial = Conv2d::new(c, c, 3).dilation(dilation).padding(dilation);
                let point = Conv2d::new(c, c, 1);
                let mut sum = self.b.conv2d(name("conv"), x, spatial.groups(groups));
                let y = self
                    .b
                    .conv2d(name("point"), x, point.bias(false).groups(groups));
                let y = self
                    .b
                    .batch_norm(name("point.norm"), y, BatchNorm2d::new(c));
                sum = self.b.add(name("sum"), y, sum);
                let y = self.b.batch_norm(name("identity"), x, BatchNorm2d::new(c));
                (self.b.add(name("sum2"), sum, y), c)
            }
            8 => {
                let y = self.b.dropout(name("drop"), x);
                (
                    self.b.pool2d(name("pool"), y, Pool2d::max(3, 1).padding(1)),
                    c,
                )
            }
            9 => {
                let up = ConvTranspose2d::new(c, channels, 2, 2);
                let y = self.b.node(name("up"), up, &[x]);
                (
                    self.b.node(name("size"), CenterCropOrPad, &[y, x]),
                    channels,
                )
            }
            _ => {
                let y = self.b.batch_norm(name("norm"), x, BatchNorm2d::new(c));
                let y = self.b.activation(name("act"), y, Activation::Relu);
                let conv = Conv2d::new(c, channels, 1).bias(false);
                (self.b.conv2d(name("conv"), y, conv), channels)
            }
        };
        self.values.push(new);
    }

    fn finish(mut self) -> Graph {
        let (x, c) = self.values[self.values.len() - 1];
        match self.choose(3) {
            0 => {
                let y = self.b.batch_norm("last.norm", x, BatchNorm2d::new(c));
                let y = self.b.activation("last.act", y, Activation::Sigmoid);
                let y = self
                    .b
                    .adaptive_avg_pool2d("last.pool", y, AdaptiveAvgPool2d::new(1, 1));
                let y = self.b.flatten("last.flatten", y);
                let y = self.b.linear("last.fc", y, Linear::new(c, 8));
                let y = self.b.batch_norm("last.fc.norm", y, BatchNorm2d::new(8));
                let z = self.b.linear("last.fc2", y, Linear::new(8, 8));
                let y = self.b.add("last.add", z, y);
                self.b.output(y);
            }
            _ => self.b.output(x),
        }
        // An output that other nodes read.
        let (middle, _) = self.values[self.values.len() / 2];
        self.b.output(middle);
        self.b.build().unwrap()
    }
}

/// Random weights that keep values near 1, within the range of float16.
fn tame_weights(graph: &Graph, seed: u64) -> Weights {
    let wild = weights_for(graph, seed);
    let tensors = graph.parameters().into_iter().map(|p| {
        let values = wild.read(&p.name).unwrap().into_owned();
        let values = Tensor::new(p.shape.clone(), values).unwrap();
        let fan_in: usize = p.shape.dims().iter().skip(1).product();
        let scale = match p.shape.rank() {
            1 => 1.0,
            _ => 1.0 / (fan_in as f32).sqrt(),
        };
        (p.name, values.map(|v| v * scale))
    });
    Weights::from_tensors("tame", tensors)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn chains_have_the_same_outputs_whichever_passes_run(
        (n, channels, h, w) in (1..3_usize, prop_oneof![Just(3_usize), Just(4), Just(8)], 3..6_usize, 3..6_usize),
        choices in prop::collection::vec(any::<u32>(), 40),
        steps in 2..9_usize,
        left_out in 0..10_usize,
        seed in 0..1000_u64,
    ) {
        let mut b = GraphBuilder::new("chain");
        let x = b.image_input("input", channels);
        let values = vec![(x, channels)];
        let mut chain = Chain { b, values, choices: choices.into_iter() };
        (0..steps).for_each(|step| chain.add(step));
        let graph = chain.finish();
        let shape = Shape::from([n, channels, h, w]);
        let input = tensor(&shape, seed);
        let weights = Arc::new(tame_weights(&graph, seed));
        let reference = Reference::<f64>::new(&graph, &weights).unwrap();
        let expected = reference.run(&[input.map(|v| f64::from(*v))]).unwrap();

        let all = PassOptions::default();
        let name = passes::names().nth(left_out).unwrap();
        let runs = [
            (Precision::F32, all),
            (Precision::F16, all),
            (Precision::F32, all.without(name).unwrap()),
            (Precision::F32, PassOptions::none()),
        ];
        // The tests of single operators cover runtime checks.
        for (device_name, device) in devices_and_cpu().iter().filter(|(name, _)| !name.ends_with(" checked")) {
            for (precision, passes) in runs {
                let options = SessionOptions::new().precision(precision).passes(passes);
                let shapes = [shape.clone()];
                let weights = weights.clone();
                let mut session = Session::new(device, &graph, weights, &options, &shapes).unwrap();
                let input = std::slice::from_ref(&input);
                // Twice, because values left in memory by a run must not matter.
                session.run(input).unwrap();
                let outputs = session.run(input).unwrap();
                for (found, expected) in outputs.iter().zip(&expected) {
                    let what = format!(
                        "{device_name} {precision:?} {passes:?} {name} {shape}\n{:#?}\n{:#?}",
                        graph.nodes(), session.passes(),
                    );
                    assert_close(found, expected, tolerance::chain(precision), &what);
                }
            }
        }
    }
}
