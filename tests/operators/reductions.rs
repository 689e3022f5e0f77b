//! What a workgroup makes one value of many for: fully connected layers of few rows, sums over space,
//! softmax. With subgroups where the device has them, and on devices opened without.

use proptest::prelude::*;
use shadernet::graph::Graph;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, GraphBuilder, Linear, Op, Reduce, ReduceKind,
    ReduceOver, Softmax,
};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{compare, compare_on};
use crate::devices;
use crate::generate::{cases, extents, graph_of, tensor};

/// Both forms.
fn compare_forms(graph: &Graph, input: Tensor, seed: u64) {
    let inputs = [input];
    compare(graph, &inputs, seed);
    compare_on(
        devices::without_subgroups(),
        graph,
        &inputs,
        seed,
        None,
        1.0,
    );
}

fn check(op: impl Into<Op>, shape: impl Into<Shape>, seed: u64) {
    let shape = shape.into();
    let graph = graph_of(op, std::slice::from_ref(&shape));
    compare_forms(&graph, tensor(&shape, seed), seed);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn linear(
        n in 1..40_usize,
        inputs in 1..300_usize,
        outputs in 1..40_usize,
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        check(Linear::new(inputs, outputs).bias(bias), [n, inputs], seed);
    }

    /// Those whose inner dimension is split, what is fused into them included.
    #[test]
    fn linear_of_few_rows(
        n in 1..4_usize,
        inputs in 1..1100_usize,
        outputs in 1..40_usize,
        seed in 0..1000_u64,
    ) {
        let mut b = GraphBuilder::new("rows");
        let x = b.input("input", &[None, None]);
        let y = b.linear("fc", x, Linear::new(inputs, outputs));
        let y = b.batch_norm("norm", y, BatchNorm2d::new(outputs));
        let y = b.activation("act", y, Activation::LeakyRelu { slope: 0.1 });
        let z = b.linear("fc2", x, Linear::new(inputs, outputs).bias(false));
        let y = b.add("add", z, y);
        b.output(y);
        let graph = b.build().unwrap();
        compare_forms(&graph, tensor(&Shape::from([n, inputs]), seed), seed);
    }

    #[test]
    fn adaptive_average_pooling(
        [n, h, w] in extents(),
        channels in 1..40_usize,
        out_h in 1..8_usize,
        out_w in 1..8_usize,
        seed in 0..1000_u64,
    ) {
        check(AdaptiveAvgPool2d::new(out_h, out_w), [n, channels, h, w], seed);
        check(AdaptiveAvgPool2d::new(1, 1), [n, channels, h, w], seed);
    }

    #[test]
    fn over_space_or_channels([n, h, w] in extents(), channels in 1..40_usize, seed in 0..1000_u64) {
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min] {
            for over in [ReduceOver::Space, ReduceOver::Channels] {
                check(Reduce { kind, over }, [n, channels, h, w], seed);
            }
        }
    }

    #[test]
    fn softmax([n, h, w] in extents(), channels in 1..600_usize, seed in 0..1000_u64) {
        check(Softmax, [n, channels, h, w], seed);
        check(Softmax, [n, channels], seed);
    }
}

/// Wherever a NaN lies, every reduction that sees it shows it, and whatever other values are.
#[test]
fn nan_shows() {
    let shape = Shape::from([1, 2, 5, 15]);
    for at in [0, 1, 8, 31, 32, 63, 64, 74, 75, 149] {
        let mut values = tensor(&shape, 3).into_data();
        values[at] = f32::NAN;
        // An infinity of either sign in the other channel.
        values[(at + 75) % 150] = if at % 2 == 0 {
            f32::INFINITY
        } else {
            f32::NEG_INFINITY
        };
        let input = Tensor::new(shape.clone(), values).unwrap();
        for kind in [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min] {
            let over = ReduceOver::Space;
            let graph = graph_of(Reduce { kind, over }, std::slice::from_ref(&shape));
            compare_forms(&graph, input.clone(), 0);
        }
    }
    let shape = Shape::from([1, 300]);
    for at in [0, 3, 31, 255, 256, 299] {
        let mut values = tensor(&shape, 3).into_data();
        values[at] = f32::NAN;
        let input = Tensor::new(shape.clone(), values).unwrap();
        let graph = graph_of(Softmax, std::slice::from_ref(&shape));
        compare_forms(&graph, input, 0);
    }
}

/// The largest channel may be anywhere, and far from all others.
#[test]
fn softmax_of_far_apart_channels() {
    let shape = Shape::from([1, 300]);
    for at in [0, 3, 31, 255, 256, 299] {
        let mut values = tensor(&shape, 3).map(|v| v * 1e4).into_data();
        values[at] = 6e4;
        let input = Tensor::new(shape.clone(), values).unwrap();
        let graph = graph_of(Softmax, std::slice::from_ref(&shape));
        compare_forms(&graph, input, 0);
    }
}
