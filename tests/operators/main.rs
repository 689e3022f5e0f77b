//! Every operator's kernels against the CPU twin in float64, over random shapes: odd channels,
//! size 1, batches, strides that do not divide, dilation, groups, asymmetric padding. On every
//! backend, with runtime checks on and off, in float32 and float16.

#[path = "../common/devices.rs"]
mod devices;
mod generate;

use devices::devices;
use generate::{cases, tensor};
use proptest::prelude::*;
use shadernet::gpu::Precision;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Binary, Concat, Conv2d, Flatten, Graph,
    GraphBuilder, Linear, Op, Padding, Pool2d, PoolKind, Softmax,
};
use shadernet::reference::Reference;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// A graph of one operator over inputs of these shapes.
fn graph_of(op: impl Into<Op>, shapes: &[Shape]) -> Graph {
    let mut b = GraphBuilder::new("one operator");
    let inputs: Vec<_> = (shapes.iter().enumerate())
        .map(|(i, shape)| b.input(format!("input.{i}"), &vec![None; shape.rank()]))
        .collect();
    let output = b.node("op", op, &inputs);
    b.output(output);
    b.build().unwrap()
}

/// Random weights for a graph; variances positive.
fn weights_for(graph: &Graph, seed: u64) -> Weights {
    let tensors = graph.parameters().into_iter().enumerate().map(|(i, p)| {
        let mut values = tensor(&p.shape, seed + 100 + i as u64);
        if p.name.ends_with("running_var") {
            values = values.map(|v| v.abs() + 0.1);
        }
        (p.name, values)
    });
    Weights::from_tensors("random", tensors)
}

/// The largest difference allowed, relative to the largest magnitude of the answer (at least 1).
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        // Weights, inputs and the answer each rounded to 11 bits.
        Precision::F16 => 4e-3,
    }
}

/// Runs `graph` on every device and compares with the twin in float64.
fn compare(graph: &Graph, inputs: &[Tensor], seed: u64) {
    let weights = std::sync::Arc::new(weights_for(graph, seed));
    let twin = Reference::<f64>::new(graph, &weights).unwrap();
    let wide: Vec<Tensor<f64>> = inputs.iter().map(|t| t.map(|v| f64::from(*v))).collect();
    let expected = twin.run(&wide).unwrap();
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    for (name, device) in devices() {
        for precision in [Precision::F32, Precision::F16] {
            let options = SessionOptions { precision };
            let mut session =
                Session::new(device, graph, weights.clone(), &options, &shapes).unwrap();
            let answers = session.run(inputs).unwrap();
            assert_eq!(answers.len(), expected.len());
            for (answer, expected) in answers.iter().zip(&expected) {
                let what = format!("{name} {precision:?} {:?} {shapes:?}", graph.nodes());
                assert_close(answer, expected, tolerance(precision), &what);
            }
        }
    }
}

fn assert_close(answer: &Tensor, expected: &Tensor<f64>, tolerance: f64, what: &str) {
    assert_eq!(answer.shape(), expected.shape(), "{what}");
    let finite = expected.data().iter().filter(|v| v.is_finite());
    let largest = finite.fold(1.0_f64, |largest, v| largest.max(v.abs()));
    for (i, (found, wanted)) in answer.data().iter().zip(expected.data()).enumerate() {
        let found = f64::from(*found);
        let same = (found.is_nan() && wanted.is_nan())
            || found == *wanted
            || (found - wanted).abs() <= tolerance * largest;
        assert!(same, "element {i}: {found}, expected {wanted}; {what}");
    }
}

/// One operator, one input.
fn check(op: impl Into<Op>, shape: [usize; 4], seed: u64) {
    let shape = Shape::from(shape);
    let graph = graph_of(op, std::slice::from_ref(&shape));
    compare(&graph, &[tensor(&shape, seed)], seed);
}

/// Batch 1 to 3, height and width from 1.
fn extents() -> impl Strategy<Value = [usize; 3]> {
    (1..4_usize, 1..13_usize, 1..13_usize).prop_map(|(n, h, w)| [n, h, w])
}

fn conv_settings() -> impl Strategy<Value = (Conv2d, [usize; 3], u64)> {
    let kernel = (1..6_usize, 1..6_usize);
    let stride = (1..4_usize, 1..4_usize);
    let dilation = (1..3_usize, 1..3_usize);
    let padding = prop_oneof![
        3 => [0..4_usize, 0..4, 0..4, 0..4].prop_map(Padding::from),
        1 => Just(Padding::Same),
    ];
    let rest = (kernel, stride, dilation, padding, any::<bool>());
    (rest, extents(), any::<u64>()).prop_filter_map(
        "the kernel must fit",
        |((k, s, d, padding, bias), [n, h, w], seed)| {
            let conv = Conv2d::new(1, 1, 1)
                .kernel_hw(k.0, k.1)
                .stride_hw(s.0, s.1)
                .dilation_hw(d.0, d.1)
                .padding(padding)
                .bias(bias);
            let [top, bottom, left, right] = conv.padding_for([h, w]);
            let fits = d.0 * (k.0 - 1) < h + top + bottom && d.1 * (k.1 - 1) < w + left + right;
            fits.then_some((conv, [n, h, w], seed % 1_000_000))
        },
    )
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
        check(conv, [n, inputs, h, w], seed);
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
        check(conv.clone(), [n, conv.in_channels, h, w], seed);
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
        check(conv.clone(), [n, conv.in_channels, h, w], seed);
    }

    #[test]
    fn depthwise_convolution(
        (mut conv, [n, h, w], seed) in conv_settings(),
        channels in 2..21_usize,
    ) {
        (conv.in_channels, conv.out_channels, conv.groups) = (channels, channels, channels);
        check(conv, [n, channels, h, w], seed);
    }

    #[test]
    fn convolution_over_many_pixels(
        outputs in 1..10_usize,
        size in 17..40_usize,
        stride in 1..3_usize,
        seed in 0..1000_u64,
    ) {
        let conv = Conv2d::new(3, outputs, 3).stride(stride).padding(1);
        check(conv, [2, 3, size, size + 3], seed);
    }

    #[test]
    fn linear(
        n in 1..4_usize,
        inputs in 1..300_usize,
        outputs in 1..40_usize,
        bias in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from([n, inputs]);
        let op = Linear::new(inputs, outputs).bias(bias);
        let graph = graph_of(op, std::slice::from_ref(&shape));
        compare(&graph, &[tensor(&shape, seed)], seed);
    }

    #[test]
    fn pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..11_usize,
        ceil_mode in any::<bool>(),
        average in any::<bool>(),
        count_include_pad in any::<bool>(),
    ) {
        let kind = match average {
            true => PoolKind::Average { count_include_pad },
            false => PoolKind::Max,
        };
        let mut pool = Pool2d::new(kind, 1).ceil_mode(ceil_mode);
        (pool.kernel, pool.stride, pool.dilation) = (conv.kernel, conv.stride, conv.dilation);
        if average {
            pool.dilation = [1, 1];
        }
        // Padding must be smaller than the window.
        pool.padding = match conv.padding {
            Padding::Same => Padding::Same,
            Padding::Explicit { top, bottom, left, right } => {
                let reach = |i: usize| pool.dilation[i] * (pool.kernel[i] - 1);
                let [h, w] = [reach(0), reach(1)];
                Padding::from([top.min(h), bottom.min(h), left.min(w), right.min(w)])
            }
        };
        let [top, bottom, left, right] = pool.padding_for([h, w]);
        prop_assume!(pool.dilation[0] * (pool.kernel[0] - 1) < h + top + bottom);
        prop_assume!(pool.dilation[1] * (pool.kernel[1] - 1) < w + left + right);
        check(pool, [n, channels, h, w], seed);
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
    fn batch_norm([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        check(BatchNorm2d::new(channels).eps(1e-3), [n, channels, h, w], seed);
    }

    #[test]
    fn activation([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        for op in ACTIVATIONS {
            check(op, [n, channels, h, w], seed);
        }
    }

    #[test]
    fn softmax([n, h, w] in extents(), channels in 1..300_usize, seed in 0..1000_u64) {
        check(Softmax, [n, channels, h, w], seed);
        let shape = Shape::from([n, channels]);
        compare(&graph_of(Softmax, std::slice::from_ref(&shape)), &[tensor(&shape, seed)], seed);
    }

    #[test]
    fn binary(
        [n, h, w] in extents(),
        channels in 1..11_usize,
        broadcast in any::<[bool; 3]>(),
        seed in 0..1000_u64,
    ) {
        let or_one = |i: usize, extent| if broadcast[i] { 1 } else { extent };
        let a = Shape::from([n, channels, h, w]);
        let b = Shape::from([or_one(0, n), channels, or_one(1, h), or_one(2, w)]);
        for op in [Binary::Add, Binary::Mul] {
            let graph = graph_of(op, &[a.clone(), b.clone()]);
            compare(&graph, &[tensor(&a, seed), tensor(&b, seed + 1)], seed);
        }
    }

    #[test]
    fn concat(
        [n, h, w] in extents(),
        channels in prop::collection::vec(1..10_usize, 1..5),
        seed in 0..1000_u64,
    ) {
        let shapes: Vec<Shape> = channels.iter().map(|&c| Shape::from([n, c, h, w])).collect();
        let inputs: Vec<Tensor> = (shapes.iter().zip(seed..)).map(|(s, i)| tensor(s, i)).collect();
        compare(&graph_of(Concat, &shapes), &inputs, seed);
    }

    #[test]
    fn flatten([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        check(Flatten, [n, channels, h, w], seed);
        check(Flatten, [n, channels, 1, 1], seed);
        check(Op::Dropout, [n, channels, h, w], seed);
    }
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::HardSwish,
    Activation::Silu,
];

/// Values that make careless functions overflow or lose a NaN.
#[test]
fn extreme_values() {
    let values = vec![
        f32::NAN,
        0.0,
        -0.0,
        1e-20,
        6.0,
        6.5,
        -3.0,
        3.0,
        50.0,
        -50.0,
        200.0,
        -200.0,
        3e4,
        -3e4,
        f32::NAN,
    ];
    let shape = Shape::from([1, values.len(), 1, 1]);
    let input = Tensor::new(shape.clone(), values).unwrap();
    for op in ACTIVATIONS {
        let graph = graph_of(op, std::slice::from_ref(&shape));
        compare(&graph, std::slice::from_ref(&input), 0);
    }
    // A NaN among the channels makes every probability NaN; large values do not overflow.
    compare(
        &graph_of(Softmax, std::slice::from_ref(&shape)),
        &[input],
        0,
    );
    let shape = Shape::from([1, 3, 1, 1]);
    let large = Tensor::new(shape.clone(), vec![6e4, 5.9e4, -6e4]).unwrap();
    compare(&graph_of(Softmax, &[shape]), &[large], 0);
}

/// A NaN shows in every pooling window that sees it, wherever it lies in the window.
#[test]
fn pooling_shows_nan() {
    for at in 0..9 {
        let shape = Shape::from([1, 1, 3, 3]);
        let mut values: Vec<f32> = (0..9).map(|i| i as f32 - 4.0).collect();
        values[at] = f32::NAN;
        let input = Tensor::new(shape.clone(), values).unwrap();
        for op in [Op::from(Pool2d::max(2, 1)), Op::from(Pool2d::average(2, 1))] {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            compare(&graph, std::slice::from_ref(&input), 0);
        }
    }
}

/// A layer whose weights are larger than the device binds runs in parts: here, on a device that
/// was opened with a small limit.
#[test]
fn weights_larger_than_a_binding() {
    for (name, device) in devices::with_binding_limit(1 << 16) {
        let cases: [(Op, Shape); 3] = [
            (Linear::new(300, 221).into(), Shape::from([3, 300])),
            (
                Conv2d::new(40, 70, 5).padding(2).into(),
                Shape::from([1, 40, 6, 5]),
            ),
            (
                Conv2d::new(63, 303, 3).groups(3).into(),
                Shape::from([1, 63, 4, 3]),
            ),
        ];
        for (op, shape) in cases {
            let graph = graph_of(op, std::slice::from_ref(&shape));
            let weights = std::sync::Arc::new(weights_for(&graph, 7));
            let input = tensor(&shape, 8);
            let twin = Reference::<f64>::new(&graph, &weights).unwrap();
            let expected = twin.run(&[input.map(|v| f64::from(*v))]).unwrap();
            let options = SessionOptions::default();
            let mut session = Session::new(&device, &graph, weights, &options, &[shape]).unwrap();
            let answer = session.run(&[input]).unwrap();
            assert_close(&answer[0], &expected[0], 1e-5, &name);
        }
    }
}

/// A dilated window can lie in the padding with all of its taps: PyTorch's maximum of nothing.
#[test]
fn max_pooling_of_padding_alone() {
    let pool = Pool2d::max(1, 1)
        .kernel_hw(1, 3)
        .dilation_hw(1, 2)
        .padding([0, 0, 1, 3]);
    check(pool, [1, 3, 1, 1], 0);
}
