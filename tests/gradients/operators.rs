//! The gradient of every operator that has one.

use proptest::prelude::*;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Binary, CenterCropOrPad, Concat, ConvTranspose2d,
    Flatten, Graph, GraphBuilder, LayerScale, Linear, LocalResponseNorm, Op, Pad2d, Padding,
    Pool2d, PoolKind, Rearrange, Reduce, ReduceKind, ReduceOver, Resample, SliceChannels,
    TapWindow, Taps, Upsample, UpsampleMode, UpsampleSize,
};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::DENSE;
use crate::common::ran::Shaders::{self, AnyOf, NoneOrAnyOf, Only, Team};
use crate::common::tolerance::gradient;
use crate::differences::{check, check_within};
use crate::generate::{cases, conv_settings, extents, graph_of, tensor};

/// The shaders of convolutions and transposed convolutions of any groups.
const ANY_CONVOLUTION: Shaders = AnyOf(&[
    "conv2d",
    "conv2d_subgroup",
    "conv2d_sum",
    "conv2d_tiled",
    "conv2d_nchw",
    "conv2d_subgroup_nchw",
    "conv2d_tiled_nchw",
    "winograd_input",
    "winograd_output",
    "conv2d_grouped",
    "conv2d_depthwise",
    "conv2d_depthwise_row",
    "conv2d_depthwise_transposed",
]);

/// The node `op.backward`, if it runs at all.
const fn maybe(names: &'static [&'static str]) -> Shaders {
    NoneOrAnyOf(names)
}

/// One operator. `shaders` compute its node `op.backward`.
fn one(op: impl Into<Op>, shape: impl Into<Shape>, seed: u64, shaders: Shaders) {
    let shape = shape.into();
    check(
        &graph_of(op, std::slice::from_ref(&shape)),
        &[apart(&shape, seed)],
        seed,
        &[("op.backward", shaders)],
    );
}

/// Distinct values in -2..2 in random order, at least a hundredth apart unless there are more than 400, and none
/// near the kinks of activations, so that float16 distinguishes them.
fn apart(shape: &Shape, seed: u64) -> Tensor {
    let random = tensor(shape, seed);
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by(|a, b| random.data()[*a].total_cmp(&random.data()[*b]));
    let mut values = vec![0.0; shape.len()];
    for (rank, at) in order.into_iter().enumerate() {
        values[at] = ((rank as f32 + 0.5) / shape.len() as f32 - 0.5) * 4.0;
    }
    Tensor::new(shape.clone(), values).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn convolution(
        (mut conv, [n, h, w], seed) in conv_settings(),
        groups in 1..4_usize,
        inputs in 1..6_usize,
        outputs in 1..6_usize,
        depthwise in any::<bool>(),
    ) {
        (conv.groups, conv.in_channels, conv.out_channels) = match depthwise {
            true => (inputs, inputs, inputs),
            false => (groups, inputs * groups, outputs * groups),
        };
        let [h, w] = [h.min(7), w.min(7)];
        let [top, bottom, left, right] = conv.padding_for([h, w]);
        prop_assume!(conv.dilation[0] * (conv.kernel[0] - 1) < h + top + bottom);
        prop_assume!(conv.dilation[1] * (conv.kernel[1] - 1) < w + left + right);
        one(conv.clone(), [n, conv.in_channels, h, w], seed, ANY_CONVOLUTION);
    }

    #[test]
    fn transposed_convolution(
        (conv, [n, h, w], seed) in conv_settings(),
        groups in 1..3_usize,
        inputs in 1..5_usize,
        outputs in 1..5_usize,
        cut in [0..3_usize, 0..3_usize],
        added in [0..3_usize, 0..3_usize],
    ) {
        let op = ConvTranspose2d {
            in_channels: inputs * groups,
            out_channels: outputs * groups,
            kernel: conv.kernel,
            stride: conv.stride,
            dilation: conv.dilation,
            padding: cut,
            output_padding: [0, 1].map(|i| added[i].min(conv.stride[i].max(conv.dilation[i]) - 1)),
            groups,
            bias: conv.bias,
        };
        let shape = Shape::from([n, op.in_channels, h.min(4), w.min(4)]);
        prop_assume!(graph_of(op.clone(), std::slice::from_ref(&shape)).infer(std::slice::from_ref(&shape)).is_ok());
        // If the output padding is cropped first, `op.backward` is the crop.
        let shaders = match op.output_padding.iter().zip(&op.padding).any(|(added, cut)| added > cut) {
            true => maybe(&["pad"]),
            false => ANY_CONVOLUTION,
        };
        one(op, shape, seed, shaders);
    }

    #[test]
    fn fully_connected(rows in 1..7_usize, inputs in 1..40_usize, outputs in 1..40_usize, seed in 0..1000_u64) {
        let shaders = match rows {
            0..4 => Team("linear_backward"),
            _ => DENSE,
        };
        one(Linear::new(inputs, outputs), [rows, inputs], seed, shaders);
    }

    #[test]
    fn pooling(
        (conv, [n, h, w], seed) in conv_settings(),
        channels in 1..7_usize,
        ceil_mode in any::<bool>(),
        average in any::<bool>(),
        count_include_pad in any::<bool>(),
    ) {
        let [h, w] = [h.min(8), w.min(8)];
        let kind = match average {
            true => PoolKind::Average { count_include_pad },
            false => PoolKind::Max,
        };
        let mut pool = Pool2d::new(kind, 1).ceil_mode(ceil_mode);
        (pool.kernel, pool.stride, pool.dilation) = (conv.kernel, conv.stride, conv.dilation);
        pool.padding = match conv.padding {
            Padding::Explicit { top, bottom, left, right } => {
                // If all taps of a window lie in the padding, its maximum is minus infinity, which has no
                // finite differences.
                let [h, w] = [0, 1].map(|i| match pool.dilation[i] {
                    1 => pool.kernel[i] - 1,
                    _ => 0,
                });
                Padding::from([top.min(h), bottom.min(h), left.min(w), right.min(w)])
            }
            same => same,
        };
        let shape = Shape::from([n, channels, h, w]);
        let graph = graph_of(pool.clone(), std::slice::from_ref(&shape));
        prop_assume!(graph.infer(std::slice::from_ref(&shape)).is_ok());
        let shader = if average { "avg_pool_backward" } else { "max_pool_backward" };
        one(pool, shape, seed, Only(shader));
    }

    #[test]
    fn adaptive_pooling([n, h, w] in extents(), channels in 1..7_usize, out in [1..9_usize, 1..9_usize], seed in 0..1000_u64) {
        one(
            AdaptiveAvgPool2d::new(out[0], out[1]),
            [n, channels, h, w],
            seed,
            Only("adaptive_avg_pool_backward"),
        );
    }

    #[test]
    fn normalization([n, h, w] in extents(), channels in 1..11_usize, size in 1..8_usize, seed in 0..1000_u64) {
        let shape = [n, channels, h.min(5), w.min(5)];
        one(BatchNorm2d::new(channels), shape, seed, Only("batch_norm"));
        one(BatchNorm2d::new(channels), [n, channels], seed, Only("batch_norm"));
        one(LayerScale { channels }, shape, seed, Only("batch_norm"));
        let mut op = LocalResponseNorm::new(size);
        // Large enough to matter.
        (op.alpha, op.k) = (0.5, 2.0);
        one(op, shape, seed, Only("local_response_norm_backward"));
    }

    #[test]
    fn activations([n, h, w] in extents(), channels in 1..7_usize, seed in 0..1000_u64) {
        for op in [
            Activation::Relu,
            Activation::Relu6,
            Activation::LeakyRelu { slope: 0.1 },
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::HardSwish,
            Activation::Silu,
            Activation::Mish,
        ] {
            // In -8..8, which includes both kinks of ReLU6 and of Hardswish.
            let shape = Shape::from([n, channels, h.min(4), w.min(4)]);
            let input = apart(&shape, seed).map(|x| x * 4.0);
            let far = |x: &f32| [0.0, 6.0, 3.0, -3.0].iter().all(|corner| (x - corner).abs() > 1e-2);
            prop_assume!(input.data().iter().all(far));
            let expected = [("op.backward", Only("activation_backward"))];
            check(&graph_of(op, std::slice::from_ref(&shape)), &[input], seed, &expected);
        }
    }

    #[test]
    fn sums_and_products(
        [n, h, w] in extents(),
        channels in 1..7_usize,
        one_pixel in any::<[bool; 2]>(),
        seed in 0..1000_u64,
    ) {
        let (h, w) = (h.min(5), w.min(5));
        let shapes = match one_pixel {
            [true, false] => [[n, channels, 1, 1], [n, channels, h, w]],
            [false, true] => [[n, channels, h, w], [n, channels, 1, 1]],
            _ => [[n, channels, h, w]; 2],
        };
        let shapes = shapes.map(Shape::from);
        for op in [Binary::Add, Binary::Mul] {
            let inputs = [tensor(&shapes[0], seed), tensor(&shapes[1], seed + 1)];
            // The gradient of a sum is the incoming one; of a broadcast operand, its sum over space.
            let expected = [("op.backward", maybe(&["binary", "reduce_space", "reduce_space_subgroup"]))];
            check(&graph_of(op, &shapes), &inputs, seed, &expected);
        }
    }

    #[test]
    fn concatenation([n, h, w] in extents(), channels in [1..9_usize, 1..9_usize, 1..9_usize], seed in 0..1000_u64) {
        let shapes = channels.map(|c| Shape::from([n, c, h.min(5), w.min(5)]));
        let inputs: Vec<Tensor> = shapes.iter().map(|shape| tensor(shape, seed)).collect();
        check(&graph_of(Concat, &shapes), &inputs, seed, &[("op.backward", maybe(&["copy_channels"]))]);
    }

    #[test]
    fn slices_of_channels([n, h, w] in extents(), [before, kept, after] in [0..4_usize, 1..6_usize, 0..4_usize], seed in 0..1000_u64) {
        let shape = Shape::from([n, before + kept + after, h.min(5), w.min(5)]);
        let graph = graph_of(SliceChannels::from(before..before + kept), std::slice::from_ref(&shape));
        let expected = [("op.backward", maybe(&["copy_channels", "pad"]))];
        check(&graph, &[tensor(&shape, seed)], seed, &expected);
    }

    #[test]
    fn upsampling(
        [n, h, w] in extents(),
        channels in 1..7_usize,
        factor in [0.4..3.5_f64, 0.4..3.5_f64],
        size in prop::option::of([1..12_usize, 1..12_usize]),
        seed in 0..1000_u64,
    ) {
        for mode in [
            UpsampleMode::Nearest,
            UpsampleMode::Bilinear { align_corners: false },
            UpsampleMode::Bilinear { align_corners: true },
        ] {
            let size = size.map_or(UpsampleSize::Factor(factor), UpsampleSize::Size);
            let shape = Shape::from([n, channels, h.min(7), w.min(7)]);
            let graph = graph_of(Upsample { mode, size }, std::slice::from_ref(&shape));
            prop_assume!(graph.infer(std::slice::from_ref(&shape)).is_ok());
            one(Upsample { mode, size }, shape.clone(), seed, Only("upsample_backward"));
            let mut b = GraphBuilder::new("to the input's size");
            let x = b.image_input("input", channels);
            let small = b.adaptive_avg_pool2d("pool", x, AdaptiveAvgPool2d::new(1, 2));
            let op = Upsample { mode, size }.to_size_of_second_input();
            let large = b.node("op", op, &[small, x]);
            let sum = b.add("sum", large, x);
            b.output(sum);
            let inputs = [apart(&shape, seed)];
            let expected = [("op.backward", Only("upsample_backward"))];
            check(&b.build().unwrap(), &inputs, seed, &expected);
        }
    }

    #[test]
    fn shapes_and_reductions([n, h, w] in extents(), channels in 1..7_usize, sides in [-2..3_isize, -2..3, -2..3, -2..3], seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h, w]);
        one(Flatten, shape.clone(), seed, maybe(&["unflatten"]));
        one(Op::Dropout, shape.clone(), seed, maybe(&[]));
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max] {
            let shader = match kind {
                ReduceKind::Sum => "upsample",
                ReduceKind::Mean => "adaptive_avg_pool_backward",
                _ => "max_pool_backward",
            };
            one(Reduce { kind, over: ReduceOver::Space }, shape.clone(), seed, Only(shader));
        }
        let [top, bottom, left, right] = sides;
        let pad = Pad2d::zeros(top, bottom, left, right);
        let fits = |before: isize, size: usize, after: isize| size as isize + before.min(0) + after.min(0) > 0;
        if fits(top, h, bottom) && fits(left, w, right) {
            one(pad, shape, seed, maybe(&["pad"]));
        }
    }

    /// Rearrangements that have every element once.
    #[test]
    fn permutations(dims in [1..4_usize, 1..5_usize, 1..5_usize, 1..4_usize], keys in [0..9_u8, 0..9, 0..9, 0..9], seed in 0..1000_u64) {
        let shape = Shape::from(dims);
        let mut order = [0, 1, 2, 3];
        order.sort_by_key(|axis| keys[*axis]);
        let shaders = maybe(&["rearrange"]);
        one(Rearrange::transpose(&shape, &order).unwrap(), shape.clone(), seed, shaders);
        let features = Shape::from([dims[0] * dims[1], dims[2] * dims[3]]);
        one(Rearrange::reshape(shape.clone(), features).unwrap(), shape.clone(), seed, shaders);
        let (starts, steps) = ([0, dims[1] - 1, 0, dims[3] - 1], [1, -1, 1, -1]);
        let reversed = Rearrange::slice(&shape, &starts, &steps, &dims).unwrap();
        one(reversed, shape, seed, shaders);
    }

    /// Values with several readers, a residual, a broadcast scale: gradients are summed.
    #[test]
    fn several_readers([n, h, w] in extents(), seed in 0..1000_u64) {
        let (h, w) = (h.min(5) + 1, w.min(5) + 1);
        let mut b = GraphBuilder::new("several readers");
        let x = b.image_input("input", 5);
        let a = b.node("conv1", shadernet::graph::Conv2d::new(5, 8, 3).padding(1).bias(false), &[x]);
        let a = b.batch_norm("norm1", a, BatchNorm2d::new(8));
        let a = b.activation("silu", a, Activation::Silu);
        let s = b.adaptive_avg_pool2d("squeeze", a, AdaptiveAvgPool2d::new(1, 1));
        let s = b.conv2d("excite", s, shadernet::graph::Conv2d::new(8, 8, 1));
        let s = b.activation("sigmoid", s, Activation::Sigmoid);
        let scaled = b.mul("scale", a, s);
        let c = b.conv2d("conv2", scaled, shadernet::graph::Conv2d::new(8, 8, 3).padding(1));
        let c = b.add("residual", c, a);
        let c = b.activation("tanh", c, Activation::Tanh);
        let c = b.concat("both", &[c, a]);
        let cropped = b.node("crop", CenterCropOrPad, &[c, x]);
        let y = b.flatten("flatten", cropped);
        let y = b.linear("fc", y, Linear::new(16 * h * w, 3));
        b.output(y);
        let graph = b.build().unwrap();
        let expected = [
            ("conv1.backward", DENSE),
            ("conv2.backward", DENSE),
            ("tanh.backward", Only("activation_backward")),
        ];
        let inputs = [tensor(&Shape::from([n, 5, h, w]), seed)];
        check_within(&graph, &inputs, seed, &expected, gradient::BLOCK_F16);
    }
}

/// A resizing: windows of some pixels, and of none.
#[test]
fn resampling() {
    let window = |first, weights: &[f32]| TapWindow {
        first,
        weights: weights.to_vec(),
    };
    let rows = vec![
        window(2, &[0.5, -0.25, 0.75]),
        window(0, &[]),
        window(0, &[1.0]),
    ];
    let columns = (0..9).map(|i| window(i / 2, &[0.75, 0.25]));
    let op = Resample {
        rows: Taps {
            input: 5,
            windows: rows,
        },
        columns: Taps {
            input: 7,
            windows: columns.collect(),
        },
        outside: 2.0,
    };
    one(op, [2, 3, 5, 7], 1, Only("resample"));
}

/// The error names an operator without a gradient.
#[test]
fn operators_without_a_gradient_are_named() {
    let shape = [Shape::from([1, 4, 4, 4])];
    let product = Reduce {
        kind: ReduceKind::Prod,
        over: ReduceOver::Space,
    };
    let graph: Graph = graph_of(product, &shape);
    let error = graph
        .with_gradients(
            &shape,
            graph.outputs()[0],
            shadernet::graph::Seed::Input,
            graph.inputs(),
            Default::default(),
        )
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("'op'") && error.contains("gradient"),
        "{error}"
    );
}
