//! The operators that compute gradients.

use proptest::prelude::*;
use shadernet::graph::{
    Activation, ActivationBackward, AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward,
    AvgPool2dBackward, BatchNorm2d, BatchNorm2dBackward, Conv2d, GradientRule, Graph, GraphBuilder,
    Hardmax, Linear, LinearBackward, LocalResponseNorm, LocalResponseNormBackward,
    MaxPool2dBackward, Op, Padding, Pool2d, PoolKind, Seed, Unflatten, Upsample, UpsampleBackward,
    UpsampleMode, UpsampleSize,
};
use shadernet::reference::Reference;
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{Case, check};
use crate::generate::{cases, conv_settings, extents, graph_of, tensor, weights_for};
use crate::ran::DENSE;
use crate::ran::Shaders::{self, AnyOf, NoneOrAnyOf, Only, Team};
use crate::tolerance;

/// An operator with inputs of these shapes.
fn check_all(op: impl Into<Op>, shapes: &[Shape], seed: u64, shaders: Shaders) {
    let inputs: Vec<Tensor> = (shapes.iter().enumerate())
        .map(|(i, shape)| tensor(shape, seed + i as u64))
        .collect();
    Case::new(&graph_of(op, shapes), &inputs, seed, &[("op", shaders)]).run();
}

/// The output shape of `op` for a map of this shape.
fn output_shape(op: impl Into<Op>, shape: &Shape) -> Option<Shape> {
    let shape = std::slice::from_ref(shape);
    graph_of(op, shape).infer(shape).ok()?.pop()
}

/// Max pooling and its gradient, with the output gradient and the map as inputs.
fn max_pool_with_gradient(pool: Pool2d) -> Graph {
    let mut b = GraphBuilder::new("max pooling");
    let g = b.input("gradient", &[None; 4]);
    let x = b.input("input", &[None; 4]);
    let y = b.node("pool", pool.clone(), &[x]);
    let back = b.node("back", MaxPool2dBackward(pool), &[g, x, y]);
    b.output(back);
    b.build().unwrap()
}

/// A pooling layer with the settings of a convolution.
fn pool_of(conv: &Conv2d, kind: PoolKind, ceil_mode: bool) -> Pool2d {
    let mut pool = Pool2d::new(kind, 1).ceil_mode(ceil_mode);
    (pool.kernel, pool.stride, pool.dilation) = (conv.kernel, conv.stride, conv.dilation);
    if kind != PoolKind::Max {
        pool.dilation = [1, 1];
    }
    // Padding must be smaller than the window.
    let [h, w] = [0, 1].map(|i| pool.dilation[i] * (pool.kernel[i] - 1));
    pool.padding = match conv.padding {
        Padding::Explicit {
            top,
            bottom,
            left,
            right,
        } => Padding::from([top.min(h), bottom.min(h), left.min(w), right.min(w)]),
        same => same,
    };
    pool
}

/// The nodes of [`max_pool_with_gradient`].
const MAX_POOL: [(&str, Shaders); 1] = [("back", Only("max_pool_backward"))];

/// The shaders of a fully connected layer's gradient for `rows` rows.
fn linear_backward(rows: usize) -> Shaders {
    match rows {
        0..4 => Team("linear_backward"),
        _ => DENSE,
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn activations([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h, w]);
        for activation in [
            Activation::Relu,
            Activation::Relu6,
            Activation::LeakyRelu { slope: 0.1 },
            Activation::LeakyRelu { slope: 0.0 },
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::HardSwish,
            Activation::Silu,
            Activation::Mish,
        ] {
            // Away from the kinks, where derivatives jump, in float16 too.
            let off_kinks = |v: f32| ((v * 64.0).round() + 0.5) / 16.0;
            let inputs = [tensor(&shape, seed), tensor(&shape, seed + 1).map(|v| off_kinks(*v))];
            let graph = graph_of(ActivationBackward(activation), &[shape.clone(), shape.clone()]);
            let expected = [("op", Only("activation_backward"))];
            Case::new(&graph, &inputs, seed, &expected).run();
        }
    }

    #[test]
    fn average_pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..11_usize,
        ceil_mode in any::<bool>(),
        count_include_pad in any::<bool>(),
    ) {
        let pool = pool_of(&conv, PoolKind::Average { count_include_pad }, ceil_mode);
        let pooled = output_shape(pool.clone(), &Shape::from([n, channels, h, w]));
        prop_assume!(pooled.is_some());
        let op = AvgPool2dBackward { pool, input: [h, w] };
        check(op, pooled.unwrap().nchw(), seed, Only("avg_pool_backward"));
    }

    /// With few distinct values, so that many windows have several maxima.
    #[test]
    fn max_pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..11_usize,
        ceil_mode in any::<bool>(),
        values in 1..9_u8,
    ) {
        let pool = pool_of(&conv, PoolKind::Max, ceil_mode);
        let shape = Shape::from([n, channels, h, w]);
        let pooled = output_shape(pool.clone(), &shape);
        prop_assume!(pooled.is_some());
        let x = tensor(&shape, seed).map(|v| (v * f32::from(values)).round() / 8.0);
        let inputs = [tensor(&pooled.unwrap(), seed + 1), x];
        Case::new(&max_pool_with_gradient(pool), &inputs, seed, &MAX_POOL).run();
    }

    #[test]
    fn adaptive_average_pooling(
        ([n, h, w], [out_h, out_w]) in (extents(), [1..9_usize, 1..9_usize]),
        channels in 1..11_usize,
        seed in 0..1000_u64,
    ) {
        let pool = AdaptiveAvgPool2d::new(out_h, out_w);
        let op = AdaptiveAvgPool2dBackward { pool, input: [h, w] };
        check(op, [n, channels, out_h, out_w], seed, Only("adaptive_avg_pool_backward"));
        let pool = AdaptiveAvgPool2d::new(1, 1);
        let op = AdaptiveAvgPool2dBackward { pool, input: [h, w] };
        check(op, [n, channels, 1, 1], seed, Only("adaptive_avg_pool_backward"));
    }

    #[test]
    fn resizing(
        [n, h, w] in extents(),
        channels in 1..11_usize,
        factor in prop_oneof![[0.2..3.5_f64, 0.2..3.5], Just([2.0, 2.0]), Just([4.0, 0.5])],
        size in proptest::option::of([1..25_usize, 1..25_usize]),
        seed in 0..1000_u64,
    ) {
        for mode in [
            UpsampleMode::Nearest,
            UpsampleMode::Bilinear { align_corners: false },
            UpsampleMode::Bilinear { align_corners: true },
        ] {
            let size = size.map_or(UpsampleSize::Factor(factor), UpsampleSize::Size);
            let upsample = Upsample { mode, size };
            let resized = output_shape(upsample, &Shape::from([n, channels, h, w]));
            prop_assume!(resized.is_some());
            let op = UpsampleBackward { upsample, input: [h, w] };
            check(op, resized.unwrap().nchw(), seed, Only("upsample_backward"));
        }
    }

    #[test]
    fn norms(
        [n, h, w] in extents(),
        (channels, size) in (1..30_usize, 1..9_usize),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from([n, channels, h, w]);
        let op = BatchNorm2dBackward(BatchNorm2d::new(channels));
        check(op, [n, channels, h, w], seed, Only("batch_norm"));
        let norm = LocalResponseNorm { alpha: 0.5, ..LocalResponseNorm::new(size) };
        let shaders = Only("local_response_norm_backward");
        check_all(LocalResponseNormBackward(norm), &[shape.clone(), shape], seed, shaders);
    }

    /// Few rows, which have a shader of their own, and many, which are pixels of a 1x1 convolution.
    #[test]
    fn linear(
        rows in 1..7_usize,
        (inputs, outputs) in (1..80_usize, 1..80_usize),
        seed in 0..1000_u64,
    ) {
        let op = LinearBackward(Linear::new(inputs, outputs));
        check_all(op, &[Shape::from([rows, outputs])], seed, linear_backward(rows));
    }

    #[test]
    fn shapes([n, h, w] in extents(), channels in 1..400_usize, seed in 0..1000_u64) {
        let channels = if h * w > 1 { channels.div_ceil(20) } else { channels };
        let dims = [channels, h, w];
        let shaders = match h * w {
            1 => NoneOrAnyOf(&[]),
            _ => Only("unflatten"),
        };
        check_all(Unflatten { dims }, &[Shape::from([n, channels * h * w])], seed, shaders);
        // With few distinct values, so that several are the largest.
        let few = |shape: Shape| tensor(&shape, seed).map(|v| (v * 8.0).round() / 8.0);
        let shape = Shape::from([n, channels, h, w]);
        let graph = graph_of(Hardmax, std::slice::from_ref(&shape));
        Case::new(&graph, &[few(shape)], seed, &[("op", Team("hardmax"))]).run();
        let shape = Shape::from([n, 3 * channels]);
        let graph = graph_of(Hardmax, std::slice::from_ref(&shape));
        Case::new(&graph, &[few(shape)], seed, &[("op", Team("hardmax"))]).run();
    }
}

/// More output features than a workgroup handles at once, and not a multiple of that number.
#[test]
fn linear_of_many_features() {
    for rows in [1, 3, 5] {
        let op = LinearBackward(Linear::new(310, 1001));
        let graph = graph_of(op, &[Shape::from([rows, 1001])]);
        let g = tensor(&Shape::from([rows, 1001]), 7).map(|v| v / 8.0);
        Case::new(&graph, &[g], 7, &[("op", linear_backward(rows))])
            .factor(tolerance::LONG_SUM_FACTOR)
            .run();
    }
}

/// NaN counts as the largest value, at any position, and is the maximum of the windows that contain it.
#[test]
fn nan_is_the_largest() {
    for at in [0, 4, 8] {
        let mut values: Vec<f32> = (0..9).map(|i| i as f32 - 4.0).collect();
        values[at] = f32::NAN;
        let x = Tensor::new([1, 9], values.clone()).unwrap();
        let graph = graph_of(Hardmax, &[Shape::from([1, 9])]);
        Case::new(&graph, &[x], 0, &[("op", Team("hardmax"))]).run();
        let x = Tensor::new([1, 1, 3, 3], values).unwrap();
        let g = tensor(&Shape::from([1, 1, 2, 2]), 1);
        let graph = max_pool_with_gradient(Pool2d::max(2, 1));
        Case::new(&graph, &[g, x], 0, &MAX_POOL).run();
    }
}

/// All taps of a dilated window can lie in the padding: its gradient is dropped.
#[test]
fn max_pooling_of_padding_only() {
    let pool = Pool2d::max(1, 1)
        .kernel_hw(1, 3)
        .dilation_hw(1, 2)
        .padding([0, 0, 1, 3]);
    let x = tensor(&Shape::from([1, 3, 1, 1]), 1);
    let g = tensor(&output_shape(pool.clone(), x.shape()).unwrap(), 2);
    Case::new(&max_pool_with_gradient(pool), &[g, x], 0, &MAX_POOL).run();
}

/// A network with its gradients: forward and backward nodes read the same weights in different layouts, and only
/// forward nodes have biases. All functions are smooth, so that rounding does not change gradients much.
#[test]
fn networks_with_their_gradients() {
    let mut b = GraphBuilder::new("network");
    let input = b.image_input("input", 5);
    let x = b.conv2d("stem", input, Conv2d::new(5, 16, 3).padding(1));
    let x = b.activation("tanh", x, Activation::Tanh);
    let y = b.conv2d("same", x, Conv2d::new(16, 16, 3).padding(1));
    let y = b.batch_norm("norm", y, BatchNorm2d::new(16));
    let y = b.activation("silu", y, Activation::Silu);
    let y = b.conv2d("rows", y, Conv2d::new(16, 16, 3).padding(1).groups(16));
    let y = b.conv2d(
        "half",
        y,
        Conv2d::new(16, 16, 5).stride(2).padding(2).groups(16),
    );
    // Back to a range that float16 and the sigmoid resolve.
    let small = LocalResponseNorm {
        alpha: 5.0,
        beta: 0.5,
        ..LocalResponseNorm::new(5)
    };
    let y = b.node("small", small, &[y]);
    let y = b.activation("sigmoid", y, Activation::Sigmoid);
    let y = b.conv2d("groups", y, Conv2d::new(16, 16, 3).padding(1).groups(8));
    let x = b.pool2d("pool", x, Pool2d::average(2, 2));
    let x = b.add("sum", x, y);
    let norm = b.batch_norm("before", x, BatchNorm2d::new(16));
    let x = b.conv2d("both", norm, Conv2d::new(16, 20, 1));
    let x = b.concat("concat", &[x, norm]);
    let x = b.adaptive_avg_pool2d("bins", x, AdaptiveAvgPool2d::new(2, 2));
    let x = b.flatten("flatten", x);
    let x = b.linear("fc1", x, Linear::new(36 * 4, 16));
    let x = b.activation("act", x, Activation::Silu);
    let scores = b.linear("fc2", x, Linear::new(16, 16));
    b.output(scores);
    let graph = b.build().unwrap();
    for rows in [1, 5] {
        let shapes = [Shape::from([rows, 5, 12, 12]), Shape::from([rows, 16])];
        let targets = [input, norm];
        let graph = graph
            .with_gradients(
                &shapes[..1],
                scores,
                Seed::Input,
                &targets,
                GradientRule::Gradient,
            )
            .unwrap();
        // Inputs small enough that tanh does not saturate, which would make the gradient vanish.
        let inputs = [
            tensor(&shapes[0], 1).map(|v| v / 64.0),
            tensor(&shapes[1], 2),
        ];
        let reference = Reference::<f32>::new(&graph, &weights_for(&graph, 3)).unwrap();
        for gradient in &reference.run(&inputs).unwrap()[1..] {
            let largest = gradient.data().iter().fold(0.0_f32, |a, v| a.max(v.abs()));
            assert!(largest > 1.0, "{largest}: nothing to compare");
        }
        let expected = [
            ("fc2.backward", linear_backward(rows)),
            ("fc1.backward", linear_backward(rows)),
            ("act.backward", Only("activation_backward")),
            ("bins.backward", Only("adaptive_avg_pool_backward")),
            ("pool.backward", Only("avg_pool_backward")),
            ("both.backward", DENSE),
            ("small.backward", Only("local_response_norm_backward")),
            ("groups.backward", Only("conv2d_grouped")),
            ("half.backward", Only("conv2d_depthwise_transposed")),
            (
                "rows.backward",
                AnyOf(&["conv2d_depthwise", "conv2d_depthwise_row"]),
            ),
            ("same.backward", DENSE),
            ("stem.backward", DENSE),
        ];
        Case::new(&graph, &inputs, 3, &expected)
            .factor(tolerance::NETWORK_GRADIENT_FACTOR)
            .run();
    }
}
