//! Convolutions.

use proptest::prelude::*;
use shadernet::gpu::Precision;
use shadernet::graph::{
    Activation, BatchNorm2d, Conv2d, ConvTranspose2d, GraphBuilder, Linear, LinearBackward, Op,
    ValueId,
};
use shadernet::reference::Reference;
use shadernet::session::{ConvAlgorithm, Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

use crate::compare::{Case, assert_close, check};
use crate::devices;
use crate::generate::{cases, conv_settings, extents, graph_of, tensor, weights_for};
use crate::ran::Shaders::{self, Algorithm, EmulatedMatrices, Only, Team};
use crate::ran::{DENSE, assert_ran, preferred};
use crate::tolerance;

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

    /// Everything in the cooperative shader but the matrices themselves: loads, weight layout, stores.
    #[test]
    fn convolution_by_emulated_matrices(
        (mut conv, [n, h, w], seed) in conv_settings(),
        inputs in 1..41_usize,
        outputs in 1..140_usize,
        size in 0..12_usize,
        residual in any::<bool>(),
    ) {
        (conv.in_channels, conv.out_channels) = (inputs, outputs);
        let mut b = GraphBuilder::new("matrices");
        let x = b.input("input", &[None, None, None, None]);
        let norm = b.batch_norm("norm", x, BatchNorm2d::new(inputs));
        let before = b.activation("before", norm, Activation::Relu);
        let mut y = b.conv2d("conv", before, conv.clone());
        if residual {
            let other = b.conv2d("other", before, conv);
            let act = b.activation("act", other, Activation::Relu);
            y = b.add("add", y, act);
        }
        b.output(y);
        let graph = b.build().unwrap();
        let input = tensor(&Shape::from([n, inputs, h + size, w + size]), seed);
        let blocks = [2, 4, 8][seed as usize % 3];
        let algorithm = ConvAlgorithm::Cooperative { pixels: 256 / blocks, channels: 16 * blocks };
        let mut expected = vec![("conv", EmulatedMatrices)];
        if residual {
            expected.push(("other", EmulatedMatrices));
        }
        Case::new(&graph, &[input], seed, &expected)
            .prefer(algorithm)
            .factor(tolerance::PROLOGUE_FACTOR)
            .run_on(devices::with_matrices_emulated());
    }

    #[test]
    fn transposed_convolution_by_emulated_matrices(
        (inputs, outputs) in (1..20_usize, 1..40_usize),
        (kernel, stride) in ([1..5_usize, 1..5_usize], [1..4_usize, 1..4_usize]),
        [n, h, w] in extents(),
        seed in 0..1000_u64,
    ) {
        let mut op = ConvTranspose2d::new(inputs, outputs, 1, 1);
        (op.kernel, op.stride) = (kernel, stride);
        let shape = Shape::from([n, inputs, h, w]);
        let graph = graph_of(op, std::slice::from_ref(&shape));
        let blocks = [2, 4, 8][seed as usize % 3];
        let algorithm = ConvAlgorithm::Cooperative { pixels: 256 / blocks, channels: 16 * blocks };
        Case::new(&graph, &[tensor(&shape, seed)], seed, &[("op", EmulatedMatrices)])
            .prefer(algorithm)
            .run_on(devices::with_matrices_emulated());
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
        let mut b = GraphBuilder::new("winograd");
        let x = b.input("input", &[None, None, None, None]);
        let mut y = b.conv2d("conv", x, conv.clone());
        if residual {
            let other = b.conv2d("other", x, Conv2d::new(inputs, outputs, 3).padding(pad));
            let act = b.activation("act", other, Activation::Relu);
            y = b.add("add", y, act);
        }
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
        }
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
        // Direct, subgroup and two tiles only, because every form is a pipeline to compile.
        let algorithm = ConvAlgorithm::all()[seed as usize % 4];
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

    #[test]
    fn transposed_convolution(
        (inputs, outputs, groups) in (1..7_usize, 1..7_usize, 1..4_usize),
        whole_elements in any::<bool>(),
        (kernel, stride, dilation, padding, extra) in
            ([1..5_usize, 1..5_usize], [1..4_usize, 1..4_usize], [1..3_usize, 1..3_usize],
             [0..3_usize, 0..3_usize], [0..3_usize, 0..3_usize]),
        [n, h, w] in extents(),
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let channels = if whole_elements { 4 * groups } else { groups };
        let mut op = ConvTranspose2d::new(inputs * channels, outputs * channels, 1, 1)
            .groups(groups)
            .bias(bias);
        (op.kernel, op.stride, op.dilation, op.padding) = (kernel, stride, dilation, padding);
        for i in 0..2 {
            op.output_padding[i] = extra[i].min(stride[i].max(dilation[i]) - 1);
            let size = ([h, w][i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1;
            prop_assume!(size + op.output_padding[i] > 2 * padding[i]);
        }
        let whole = (inputs * channels / groups) % 4 == 0 && (outputs * channels / groups) % 4 == 0;
        let shaders = match (groups, op.is_depthwise()) {
            (1, _) => DENSE,
            (_, true) => Shaders::AnyOf(&[
                "conv2d_depthwise",
                "conv2d_depthwise_row",
                "conv2d_depthwise_transposed",
            ]),
            _ if whole => DENSE,
            _ => Only("conv2d_grouped"),
        };
        check(op.clone(), [n, op.in_channels, h, w], seed, shaders);
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

/// A device with cooperative matrices uses them for a suitable shape in float16. On others another algorithm
/// is used, and a session that prefers them has a warning.
#[test]
fn convolution_by_matrices_of_the_device() {
    let conv = Conv2d::new(64, 96, 3).padding(1);
    let shape = Shape::from([1, 64, 17, 19]);
    let graph = graph_of(conv, std::slice::from_ref(&shape));
    let input = tensor(&shape, 5);
    let algorithms = [
        None,
        Some(ConvAlgorithm::Cooperative {
            pixels: 64,
            channels: 64,
        }),
    ];
    let all = devices::with_matrices();
    let inputs = std::slice::from_ref(&input);
    for algorithm in algorithms {
        let of = ConvAlgorithm::Cooperative {
            pixels: 64,
            channels: 64,
        };
        let expected = [("op", Algorithm { of, planar: false })];
        let mut case = Case::new(&graph, inputs, 5, &expected)
            .factor(factor(ConvAlgorithm::Winograd { tile: 4 }));
        if let Some(algorithm) = algorithm {
            case = case.prefer(algorithm);
        }
        case.run_on(&all);
    }
    let weights = std::sync::Arc::new(weights_for(&graph, 5));
    // These are opened without matrices.
    for (name, device) in devices::devices() {
        for precision in [Precision::F32, Precision::F16] {
            for prefer in algorithms {
                let options = SessionOptions::new().precision(precision).prefer(prefer);
                let weights = weights.clone();
                let shapes = std::slice::from_ref(&shape);
                let session = Session::new(device, &graph, weights, &options, shapes).unwrap();
                assert_eq!(session.warning().is_some(), prefer.is_some(), "{name}");
            }
        }
    }
}

/// A layer whose weights exceed the device's largest binding runs in several dispatches; here the limit is set
/// low.
#[test]
fn weights_larger_than_a_binding() {
    for (name, device) in devices::with_binding_limit(1 << 16) {
        let cases: [(Op, Shape, Shaders); 7] = [
            (
                Linear::new(300, 221).into(),
                Shape::from([3, 300]),
                Team("linear"),
            ),
            // Each dispatch adds to the sums that earlier ones have stored.
            (
                LinearBackward(Linear::new(300, 221)).into(),
                Shape::from([3, 221]),
                Team("linear_backward"),
            ),
            (
                LinearBackward(Linear::new(300, 221)).into(),
                Shape::from([5, 221]),
                DENSE,
            ),
            (
                Conv2d::new(40, 70, 5).padding(2).into(),
                Shape::from([1, 40, 6, 5]),
                DENSE,
            ),
            (
                ConvTranspose2d::new(40, 70, 5, 2).into(),
                Shape::from([1, 40, 4, 5]),
                DENSE,
            ),
            // Smaller weights would need one dispatch for all phases of the stride.
            (
                ConvTranspose2d::new(80, 140, 2, 2).into(),
                Shape::from([1, 80, 3, 2]),
                DENSE,
            ),
            (
                Conv2d::new(63, 303, 3).groups(3).into(),
                Shape::from([1, 63, 4, 3]),
                Only("conv2d_grouped"),
            ),
        ];
        for (op, shape, shaders) in cases {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            let weights = std::sync::Arc::new(weights_for(&graph, 7));
            let input = tensor(&shape, 8);
            let reference = Reference::<f64>::new(&graph, &weights).unwrap();
            let expected = reference.run(&[input.map(|v| f64::from(*v))]).unwrap();
            let options = SessionOptions::default();
            let shapes = [shape];
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let output = session.run(&[input]).unwrap();
            let ran = [("op", shaders)];
            assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
            let dispatches = session.shaders(&shapes).unwrap();
            let parts = dispatches.iter().filter(|(node, _)| node == "op").count();
            assert!(parts > 1, "{name}: {dispatches:?}");
            let tolerance = tolerance::operator(Precision::F32);
            assert_close(&output[0], &expected[0], tolerance, &name);
        }
    }
}

/// Each dispatch of a layer in several applies what is fused into the layer, including a sum in the memory of
/// its residual.
#[test]
fn fused_layers_in_several_dispatches() {
    let mut b = GraphBuilder::new("block");
    let x = b.image_input("input", 40);
    let layer = |b: &mut GraphBuilder, i: usize, x: ValueId| {
        let conv = Conv2d::new(40, 40, 5).padding(2).bias(false);
        let y = b.conv2d(format!("conv{i}"), x, conv);
        b.batch_norm(format!("norm{i}"), y, BatchNorm2d::new(40))
    };
    let first = layer(&mut b, 1, x);
    let first = b.activation("relu1", first, Activation::Relu);
    let second = layer(&mut b, 2, first);
    let third = layer(&mut b, 3, second);
    let sum = b.add("add", third, first);
    let last = b.activation("relu2", sum, Activation::Relu);
    b.output(last);
    let graph = b.build().unwrap();
    let shape = Shape::from([1, 40, 6, 5]);
    let weights = std::sync::Arc::new(weights_for(&graph, 7));
    let input = tensor(&shape, 8);
    let reference = Reference::<f64>::new(&graph, &weights).unwrap();
    let expected = reference.run(&[input.map(|v| f64::from(*v))]).unwrap();
    for (name, device) in devices::with_binding_limit(1 << 16) {
        let options = SessionOptions::default();
        let shapes = [shape.clone()];
        let weights = weights.clone();
        let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
        let output = session.run(std::slice::from_ref(&input)).unwrap();
        let ran = [("conv1", DENSE), ("conv2", DENSE), ("conv3", DENSE)];
        assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
        let tolerance = tolerance::operator(Precision::F32);
        assert_close(&output[0], &expected[0], tolerance, &name);
    }
}

/// [[1, 2], [3, 4]] through the kernel [[1, 2], [3, 4]], by hand.
#[test]
fn transposed_convolution_by_hand() {
    let values = vec![1.0, 2.0, 3.0, 4.0];
    let square = Tensor::new([1, 1, 2, 2], values).unwrap();
    let stride_1 = vec![1.0, 4.0, 4.0, 6.0, 20.0, 16.0, 9.0, 24.0, 16.0];
    #[rustfmt::skip]
    let stride_2 = vec![
        1.0, 2.0, 2.0, 4.0,
        3.0, 4.0, 6.0, 8.0,
        3.0, 6.0, 4.0, 8.0,
        9.0, 12.0, 12.0, 16.0,
    ];
    for (stride, expected) in [(1, stride_1), (2, stride_2)] {
        let op = ConvTranspose2d::new(1, 1, 2, stride).bias(false);
        let graph = graph_of(op, &[square.shape().clone()]);
        for (name, device) in devices::devices_and_cpu() {
            let kernel = ("op.weight".to_owned(), square.clone());
            let weights = Weights::from_tensors("by hand", [kernel]);
            let options = SessionOptions::default();
            let shapes = [square.shape().clone()];
            let mut session = Session::new(&device, &graph, weights, &options, &shapes).unwrap();
            let output = session.run(std::slice::from_ref(&square)).unwrap();
            let ran = [("op", DENSE)];
            assert_ran(&device, Precision::F32, &session, &shapes, &ran, &name);
            assert_eq!(output[0].data(), expected, "stride {stride} on {name}");
        }
    }
}
