//! Convolutions.

use proptest::prelude::*;
use shadernet::graph::{Activation, Conv2d, GraphBuilder, ValueId};
use shadernet::session::ConvAlgorithm;
use shadernet::tensor::Shape;

use crate::compare::{Case, check};
use crate::devices;
use crate::generate::{cases, conv_settings, extents, graph_of, tensor};
use crate::ran::Shaders::{self, Algorithm, Only, Times, With};
use crate::ran::{DENSE, preferred};
use crate::tolerance;

/// A convolution `conv` of an input, and the positive values of another one added to it where `residual` says so.
fn with_residual(conv: &Conv2d, residual: bool) -> (GraphBuilder, ValueId) {
    let mut b = GraphBuilder::new("convolution");
    let x = b.input("input", &[None, None, None, None]);
    let mut y = b.conv2d("conv", x, conv.clone());
    if residual {
        let other = b.conv2d("other", x, conv.clone());
        let act = b.activation("act", other, Activation::Relu);
        y = b.add("add", y, act);
    }
    (b, y)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn convolution(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in 1..21_usize,
        outputs in 1..21_usize,
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        check(conv, [n, inputs, h, w], seed, DENSE);
    }

    #[test]
    fn convolution_by_every_algorithm(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in 1..41_usize,
        outputs in 1..70_usize,
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        let shape = Shape::from([n, inputs, h, w]);
        let graph = graph_of(conv.clone(), std::slice::from_ref(&shape));
        let all = ConvAlgorithm::all();
        // One per case, because there are many.
        let algorithm = all[seed as usize % all.len()];
        let expected = [("op", preferred(algorithm, &conv, is_planar(&conv)))];
        Case::new(&graph, &[tensor(&shape, seed)], seed, &expected)
            .prefer(algorithm)
            .factor(factor(algorithm))
            .run();
    }

    #[test]
    fn convolution_by_winograd(
        (pad, [n, h, w], seed) in ([0..3_usize, 0..3, 0..3, 0..3], extents(), 0..1000_u64),
        inputs in 1..41_usize,
        outputs in 1..41_usize,
        residual in any::<bool>(),
    ) {
        let (h, w) = (h + 2, w + 2);
        let conv = Conv2d::new(inputs, outputs, 3).padding(pad);
        let planar = is_planar(&conv);
        let (mut b, y) = with_residual(&conv, residual);
        b.output(y);
        let graph = b.build().unwrap();
        let input = tensor(&Shape::from([n, inputs, h, w]), seed);
        for tile in [2, 4] {
            let algorithm = ConvAlgorithm::Winograd { tile };
            let expected = [("conv", preferred(algorithm, &conv, planar))];
            Case::new(&graph, std::slice::from_ref(&input), seed, &expected)
                .prefer(algorithm)
                .factor(factor(algorithm))
                .run();
            // GPUs exchange the lines of larger tiles in rounds.
            let rounds = if tile == 4 { "ROUNDS=2" } else { "ROUNDS=1" };
            if inputs > 4 {
                let expected = [("conv", With("winograd_input", rounds))];
                Case::new(&graph, std::slice::from_ref(&input), seed, &expected)
                    .prefer(algorithm)
                    .factor(factor(algorithm))
                    .run_on(devices::as_discrete());
            }
        }
    }

    #[test]
    fn convolution_split_along_k(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in 5..81_usize,
        outputs in 1..41_usize,
        residual in any::<bool>(),
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        let (mut b, y) = with_residual(&conv, residual);
        let y = b.activation("out", y, Activation::Silu);
        b.output(y);
        let graph = b.build().unwrap();
        let input = tensor(&Shape::from([n, inputs, h, w]), seed);
        let is_split = |it: &ConvAlgorithm| matches!(it, ConvAlgorithm::Tiled { parts: 2.., .. });
        let all: Vec<_> = ConvAlgorithm::all().into_iter().filter(is_split).collect();
        let algorithm = all[seed as usize % all.len()];
        let expected = [("conv", preferred(algorithm, &conv, false))];
        Case::new(&graph, &[input], seed, &expected)
            .prefer(algorithm)
            .factor(factor(algorithm))
            .run();
    }

    #[test]
    fn grouped_convolution(
        (mut conv, [n, h, w], seed) in conv_settings(),
        groups in 1..6_usize,
        inputs in 1..9_usize,
        outputs in 1..9_usize,
    ) {
        (conv.in_channels, conv.out_channels) = (groups * inputs, groups * outputs);
        conv.groups = groups;
        let shaders = match (groups, conv.is_depthwise(), inputs % 4, outputs % 4) {
            (1, ..) | (_, _, 0, 0) => DENSE,
            (_, true, ..) => depthwise_shader(&conv),
            _ => Only("conv2d_grouped"),
        };
        check(conv.clone(), [n, conv.in_channels, h, w], seed, shaders);
    }

    #[test]
    fn grouped_convolution_of_whole_elements(
        (mut conv, [n, h, w], seed) in conv_settings(),
        groups in 2..4_usize,
        inputs in 1..4_usize,
        outputs in 1..5_usize,
    ) {
        (conv.in_channels, conv.out_channels) = (groups * inputs * 4, groups * outputs * 4);
        conv.groups = groups;
        let shape = Shape::from([n, conv.in_channels, h, w]);
        let graph = graph_of(conv.clone(), std::slice::from_ref(&shape));
        let all = ConvAlgorithm::all();
        let algorithm = all[seed as usize % all.len()];
        let expected = [("op", preferred(algorithm, &conv, false))];
        Case::new(&graph, &[tensor(&shape, seed)], seed, &expected).prefer(algorithm).run();
    }

    #[test]
    fn depthwise_convolution(
        (mut conv, [n, h, w], seed) in conv_settings(),
        channels in 2..21_usize,
    ) {
        (conv.in_channels, conv.out_channels, conv.groups) = (channels, channels, channels);
        let shader = depthwise_shader(&conv);
        check(conv, [n, channels, h, w], seed, shader);
    }

    #[test]
    fn depthwise_convolution_by_rows(
        (kernel, stride) in (prop_oneof![Just(3_usize), Just(5)], 1..3_usize),
        pad in [0..4_usize, 0..4, 0..4, 0..4],
        [n, h, w] in extents(),
        channels in 2..21_usize,
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let (h, w) = (h + kernel - 1, w + kernel - 1);
        let conv = Conv2d::new(channels, channels, kernel).stride(stride).padding(pad);
        let conv = conv.groups(channels).bias(bias);
        check(conv, [n, channels, h, w], seed, Only("conv2d_depthwise_row"));
    }

    /// Convolutions of images of few channels, which are read as NCHW.
    #[test]
    fn convolution_of_images(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in prop_oneof![Just(1_usize), Just(3), Just(4)],
        outputs in 1..40_usize,
        residual in any::<bool>(),
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        let mut b = GraphBuilder::new("image");
        let x = b.input("input", &[None, None, None, None]);
        let mut y = b.conv2d("conv", x, conv.clone());
        if residual {
            let other = b.conv2d("other", x, conv.clone());
            y = b.add("add", y, other);
        }
        b.output(y);
        let graph = b.build().unwrap();
        // Direct, subgroup and two tiles only, because every form is a pipeline to compile. Sums over images are not
        // split.
        let is_split = |it: &ConvAlgorithm| matches!(it, ConvAlgorithm::Tiled { parts: 2.., .. });
        let mut whole = ConvAlgorithm::all().into_iter().filter(|it| !is_split(it));
        let algorithm = whole.nth(seed as usize % 4).unwrap();
        let input = tensor(&Shape::from([n, inputs, h, w]), seed);
        let expected = [("conv", Algorithm { of: algorithm, planar: true })];
        Case::new(&graph, &[input], seed, &expected).prefer(algorithm).run();
    }

    #[test]
    fn convolution_over_many_pixels(
        outputs in 1..10_usize,
        size in 17..40_usize,
        stride in 1..3_usize,
        seed in 0..1000_u64,
    ) {
        let conv = Conv2d::new(3, outputs, 3).stride(stride).padding(1);
        check(conv, [2, 3, size, size + 3], seed, DENSE);
    }
}

/// More transformed tiles than a GPU's caches hold: they are computed in two chunks, the first of which ends within an
/// image.
#[test]
fn winograd_in_chunks() {
    let conv = Conv2d::new(8, 8, 3).padding(1);
    let mut b = GraphBuilder::new("chunks");
    let x = b.input("input", &[None, None, None, None]);
    let y = b.conv2d("conv", x, conv);
    let y = b.add("add", y, x);
    let y = b.activation("act", y, Activation::Relu);
    b.output(y);
    let graph = b.build().unwrap();
    let input = tensor(&Shape::from([3, 8, 371, 370]), 7);
    let algorithm = ConvAlgorithm::Winograd { tile: 4 };
    for (name, times) in [("winograd_input", 2), ("winograd_output", 2)] {
        Case::new(
            &graph,
            std::slice::from_ref(&input),
            7,
            &[("conv", Times(name, times))],
        )
        .prefer(algorithm)
        .factor(factor(algorithm))
        .run_on(devices::as_discrete());
    }
}

/// Whether the only reader of a graph input, this convolution, reads it as NCHW.
fn is_planar(conv: &Conv2d) -> bool {
    conv.in_channels <= 4 && conv.groups == 1
}

/// The tolerance's factor for an algorithm.
fn factor(algorithm: ConvAlgorithm) -> f64 {
    match algorithm {
        ConvAlgorithm::Winograd { tile } => tolerance::winograd_factor(tile),
        _ => 1.0,
    }
}

/// The shader of a depthwise convolution.
fn depthwise_shader(conv: &Conv2d) -> Shaders {
    let has_row_form = [[3, 3], [5, 5]].contains(&conv.kernel)
        && [[1, 1], [2, 2]].contains(&conv.stride)
        && conv.dilation == [1, 1];
    match has_row_form {
        true => Only("conv2d_depthwise_row"),
        false => Only("conv2d_depthwise"),
    }
}
