//! Reductions within a workgroup: fully connected layers of few rows, reductions over space, softmax. With
//! subgroups where the device has them, and on devices opened without them.

use proptest::prelude::*;
use shadernet::graph::Graph;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, GraphBuilder, Linear, Op, Reduce, ReduceKind,
    ReduceOver, Softmax,
};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::devices;
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::DENSE;
use crate::ran::Shaders::{self, NoneOrAnyOf, Only, Team, TeamWith};

/// With subgroups and without.
fn compare_forms(graph: &Graph, input: Tensor, seed: u64, expected: &[(&str, Shaders)]) {
    let inputs = [input];
    let case = Case::new(graph, &inputs, seed, expected);
    case.run();
    case.run_on(devices::without_subgroups());
}

fn check(op: impl Into<Op>, shape: impl Into<Shape>, seed: u64, shaders: Shaders) {
    let shape = shape.into();
    let graph = graph_of(op, std::slice::from_ref(&shape));
    compare_forms(&graph, tensor(&shape, seed), seed, &[("op", shaders)]);
}

/// The shaders of a fully connected layer of `rows` rows.
fn linear_shaders(rows: usize) -> Shaders {
    match rows {
        0..4 => Team("linear"),
        // As pixels of a 1x1 convolution.
        _ => DENSE,
    }
}

/// A fully connected layer with all that can be fused, of at most 32 rows.
fn check_on_discrete_gpus([rows, inputs, outputs]: [usize; 3], seed: u64) {
    let mut b = GraphBuilder::new("rows");
    let x = b.input("input", &[None, None]);
    let y = b.linear("fc", x, Linear::new(inputs, outputs));
    let y = b.activation("act", y, Activation::LeakyRelu { slope: 0.1 });
    let z = b.linear("fc2", x, Linear::new(inputs, outputs).bias(false));
    let y = b.add("add", z, y);
    b.output(y);
    let graph = b.build().unwrap();
    let constant = match rows {
        1 => "ROWS=1",
        2 => "ROWS=2",
        3 | 4 => "ROWS=4",
        _ => "ROWS=8",
    };
    let shaders = TeamWith("linear", constant);
    let expected = [("fc", shaders), ("fc2", shaders)];
    let input = tensor(&Shape::from([rows, inputs]), seed);
    Case::new(&graph, &[input], seed, &expected).run_on(devices::as_discrete());
}

/// Each number of rows of a team, with and without rows beyond the last.
#[test]
fn linear_of_each_number_of_rows() {
    for rows in [1, 2, 3, 4, 5, 8, 9, 16, 23, 32] {
        check_on_discrete_gpus([rows, 77, 21], rows as u64);
    }
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
        let op = Linear::new(inputs, outputs).bias(bias);
        check(op, [n, inputs], seed, linear_shaders(n));
    }

    /// Few rows, for which the K dimension is split over a team of invocations; with everything that can be
    /// fused.
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
        // The sum is fused into the second layer, and the norm and activation into the first.
        let expected = [("fc", linear_shaders(n)), ("fc2", linear_shaders(n))];
        compare_forms(&graph, tensor(&Shape::from([n, inputs]), seed), seed, &expected);
    }

    /// Teams of 1, 2, 4 and 8 rows, which GPUs select, and several groups of rows.
    #[test]
    fn linear_of_several_rows_on_discrete_gpus(
        n in 1..33_usize,
        inputs in 1..600_usize,
        outputs in 1..40_usize,
        seed in 0..1000_u64,
    ) {
        check_on_discrete_gpus([n, inputs, outputs], seed);
    }

    #[test]
    fn adaptive_average_pooling(
        [n, h, w] in extents(),
        channels in 1..40_usize,
        out_h in 1..8_usize,
        out_w in 1..8_usize,
        seed in 0..1000_u64,
    ) {
        for [out_h, out_w] in [[out_h, out_w], [1, 1]] {
            let shader = match [h, w] == [out_h, out_w] {
                true => NoneOrAnyOf(&[]),
                false => Team("reduce_space"),
            };
            check(AdaptiveAvgPool2d::new(out_h, out_w), [n, channels, h, w], seed, shader);
        }
    }

    #[test]
    fn over_space_or_channels([n, h, w] in extents(), channels in 1..40_usize, seed in 0..1000_u64) {
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min] {
            let shape = [n, channels, h, w];
            let over = ReduceOver::Space;
            check(Reduce { kind, over }, shape, seed, Team("reduce_space"));
            let over = ReduceOver::Channels;
            check(Reduce { kind, over }, shape, seed, Only("reduce_channels"));
        }
    }

    /// Factors near 1: products of others are beyond float16.
    #[test]
    fn products([n, h, w] in extents(), channels in 1..40_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h, w]);
        let input = tensor(&shape, seed).map(|v| v.signum() * (1.0 + v / 64.0));
        let kind = ReduceKind::Prod;
        for (over, shaders) in [
            (ReduceOver::Space, Team("reduce_space")),
            (ReduceOver::Channels, Only("reduce_channels")),
        ] {
            let graph = graph_of(Reduce { kind, over }, std::slice::from_ref(&shape));
            let inputs = [input.clone()];
            let expected = [("op", shaders)];
            // A hundred factors, each rounded.
            let case = Case::new(&graph, &inputs, seed, &expected).factor(4.0);
            case.run();
            case.run_on(devices::without_subgroups());
        }
    }

    #[test]
    fn softmax([n, h, w] in extents(), channels in 1..600_usize, seed in 0..1000_u64) {
        check(Softmax, [n, channels, h, w], seed, Team("softmax"));
        check(Softmax, [n, channels], seed, Team("softmax"));
    }
}

/// NaN propagates from any position through every reduction, whatever the other values are.
#[test]
fn reductions_propagate_nan() {
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
        for kind in [
            ReduceKind::Sum,
            ReduceKind::Max,
            ReduceKind::Min,
            ReduceKind::Prod,
        ] {
            let over = ReduceOver::Space;
            let graph = graph_of(Reduce { kind, over }, std::slice::from_ref(&shape));
            compare_forms(&graph, input.clone(), 0, &[("op", Team("reduce_space"))]);
        }
    }
    let shape = Shape::from([1, 300]);
    for at in [0, 3, 31, 255, 256, 299] {
        let mut values = tensor(&shape, 3).into_data();
        values[at] = f32::NAN;
        let input = Tensor::new(shape.clone(), values).unwrap();
        let graph = graph_of(Softmax, std::slice::from_ref(&shape));
        compare_forms(&graph, input, 0, &[("op", Team("softmax"))]);
    }
}

/// The largest channel can be at any position, and far larger than the others.
#[test]
fn softmax_of_channels_far_apart() {
    let shape = Shape::from([1, 300]);
    for at in [0, 3, 31, 255, 256, 299] {
        let mut values = tensor(&shape, 3).map(|v| v * 1e4).into_data();
        values[at] = 6e4;
        let input = Tensor::new(shape.clone(), values).unwrap();
        let graph = graph_of(Softmax, std::slice::from_ref(&shape));
        compare_forms(&graph, input, 0, &[("op", Team("softmax"))]);
    }
}
