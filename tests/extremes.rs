//! Operators with settings and inputs of any size: every one is computed with exact numbers or refused with
//! a message. Nothing wraps around, and nothing panics.

use proptest::prelude::*;
use shadernet::graph::{
    Activation, ActivationBackward, AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward,
    AvgPool2dBackward, BatchNorm2d, BatchNorm2dBackward, Binary, CenterCropOrPad, ChannelShuffle,
    Concat, Conv2d, ConvTranspose2d, CumSum, Embedding, Factor, Flatten, Gather, GradientRule,
    Graph, GraphBuilder, GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding,
    GridSamplePositionsBackward, GroupNorm, GroupNormBackward, Hardmax, Input, LayerScale, Linear,
    LinearBackward, LocalResponseNorm, LocalResponseNormBackward, MatMul, MaxPool2dBackward,
    NormOver, Op, Pad2d, Padding, Pool2d, PoolKind, Rearrange, Reduce, ReduceKind, ReduceOver,
    Reorg, Resample, Seed, SliceChannels, Softmax, TapWindow, Taps, TopK, TopKOutput, Unary,
    Unflatten, Upsample, UpsampleBackward, UpsampleMode, UpsampleSize, Where,
};
use shadernet::plan::PlanReport;
use shadernet::session::SessionOptions;
use shadernet::tensor::Shape;

/// Small numbers, and those near the ends of the types that they may be converted to.
fn number() -> BoxedStrategy<usize> {
    let ends = [8, 16, 24, 31, 32, 33, 53, 62, 63, 64].map(|bits| (1_u128 << bits) as usize);
    prop_oneof![
        24 => 1..5_usize,
        2 => 0..300_usize,
        1 => (prop::sample::select(ends.to_vec()), 0..4_usize)
            .prop_map(|(end, off)| end.wrapping_add(off).wrapping_sub(2)),
        1 => any::<usize>(),
    ]
    .boxed()
}

fn pair() -> BoxedStrategy<[usize; 2]> {
    prop_oneof![number().prop_map(|n| [n; 2]), [number(), number()]].boxed()
}

fn side() -> impl Strategy<Value = isize> {
    prop_oneof![-3..4_isize, number().prop_map(|n| n as isize)]
}

fn padding() -> BoxedStrategy<Padding> {
    prop_oneof![
        number().prop_map(Padding::all),
        [number(), number(), number(), number()].prop_map(Padding::from),
        Just(Padding::Same),
    ]
    .boxed()
}

fn conv() -> BoxedStrategy<Conv2d> {
    let sizes = (number(), number(), pair(), pair(), pair());
    (sizes, padding(), groups(), any::<bool>())
        .prop_map(|(sizes, padding, groups, bias)| {
            let (in_channels, out_channels, kernel, stride, dilation) = sizes;
            Conv2d {
                in_channels,
                out_channels,
                kernel,
                stride,
                dilation,
                padding,
                groups,
                bias,
            }
        })
        .boxed()
}

fn groups() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1), 1 => number()]
}

fn conv_transpose() -> BoxedStrategy<ConvTranspose2d> {
    let output_padding = prop_oneof![Just([0; 2]), pair()];
    let sizes = (number(), number(), pair(), pair(), pair());
    (sizes, pair(), output_padding, groups())
        .prop_map(|(sizes, padding, output_padding, groups)| {
            let (in_channels, out_channels, kernel, stride, dilation) = sizes;
            ConvTranspose2d {
                in_channels,
                out_channels,
                kernel,
                stride,
                dilation,
                padding,
                output_padding,
                groups,
                bias: true,
            }
        })
        .boxed()
}

fn pool() -> BoxedStrategy<Pool2d> {
    let kind = prop_oneof![
        Just(PoolKind::Max),
        any::<bool>().prop_map(|count_include_pad| PoolKind::Average { count_include_pad }),
        any::<u32>().prop_map(|p| PoolKind::Lp { p }),
    ];
    let dilation = prop_oneof![Just([1; 2]), pair()];
    (kind, pair(), pair(), dilation, padding(), any::<bool>())
        .prop_map(
            |(kind, kernel, stride, dilation, padding, ceil_mode)| Pool2d {
                kind,
                kernel,
                stride,
                dilation,
                padding,
                ceil_mode,
            },
        )
        .boxed()
}

fn upsample() -> BoxedStrategy<Upsample> {
    let mode = prop_oneof![
        Just(UpsampleMode::Nearest),
        any::<bool>().prop_map(|align_corners| UpsampleMode::Bilinear { align_corners }),
    ];
    let factor = prop_oneof![any::<f64>(), 0.1..9.0_f64];
    let size = prop_oneof![
        [factor.clone(), factor].prop_map(UpsampleSize::Factor),
        pair().prop_map(UpsampleSize::Size),
        Just(UpsampleSize::OfSecondInput),
    ];
    (mode, size)
        .prop_map(|(mode, size)| Upsample { mode, size })
        .boxed()
}

fn reduce() -> impl Strategy<Value = Op> {
    use ReduceKind::{Max, Mean, Min, Sum};
    let kind = prop::sample::select(vec![Max, Mean, Min, Sum]);
    (kind, any::<bool>()).prop_map(|(kind, space)| {
        let over = match space {
            true => ReduceOver::Space,
            false => ReduceOver::Channels,
        };
        Reduce { kind, over }.into()
    })
}

fn group_norm() -> impl Strategy<Value = GroupNorm> {
    let over = prop::sample::select(vec![NormOver::Pixel, NormOver::Image, NormOver::Batch]);
    (pair(), over)
        .prop_map(|([groups, channels], over)| GroupNorm::new(groups, channels).over(over))
}

fn norm() -> impl Strategy<Value = LocalResponseNorm> {
    number().prop_map(LocalResponseNorm::new)
}

/// Small shapes and strides, of which some fit, and others.
fn rearrange() -> BoxedStrategy<Op> {
    let dims = || prop::collection::vec(number(), 0..5);
    let stride = prop_oneof![-4..5_isize, any::<isize>()];
    let factors = prop::collection::vec((number(), stride), 0..9);
    let any = (dims(), dims(), factors, number()).prop_map(|(input, output, factors, offset)| {
        let factors = factors.into_iter();
        Rearrange {
            input: Shape::from(input),
            output: Shape::from(output),
            factors: factors
                .map(|(extent, stride)| Factor { extent, stride })
                .collect(),
            offset,
        }
        .into()
    });
    let made = (dims(), prop::collection::vec(0..5_usize, 0..5)).prop_map(|(input, order)| {
        let input = Shape::from(input);
        let made = Rearrange::transpose(&input, &order)
            .or_else(|_| Rearrange::expand(&input, &Shape::from(order)));
        made.map_or(Op::Dropout, Op::from)
    });
    prop_oneof![any, made].boxed()
}

fn grid_sample() -> GridSample {
    GridSample {
        mode: GridSampleMode::Bicubic,
        padding: GridSamplePadding::Reflection,
        align_corners: true,
        volume: None,
    }
}

/// Windows of which some fit.
fn resample() -> BoxedStrategy<Op> {
    let taps = || {
        let weights = prop::collection::vec(any::<f32>(), 0..4);
        let window = (number(), weights).prop_map(|(first, weights)| TapWindow { first, weights });
        (number(), prop::collection::vec(window, 0..4))
            .prop_map(|(input, windows)| Taps { input, windows })
    };
    (taps(), taps(), any::<f32>())
        .prop_map(|(rows, columns, outside)| {
            Resample {
                rows,
                columns,
                outside,
            }
            .into()
        })
        .boxed()
}

fn top_k() -> BoxedStrategy<Op> {
    let output = prop::sample::select(vec![TopKOutput::Values, TopKOutput::Indices]);
    let settings = (number(), any::<bool>(), output);
    (settings.prop_map(|(k, largest, output)| TopK { k, largest, output }.into())).boxed()
}

/// Some that fit, and others.
fn gather() -> BoxedStrategy<Op> {
    let dims = || prop::collection::vec(number(), 0..5);
    let indices = || prop::collection::vec(prop_oneof![0..5_u32, any::<u32>()], 0..5);
    let settings = (dims(), dims(), number(), number(), indices());
    let any = settings.prop_map(|(input, output, count, inner, indices)| {
        Gather {
            input: Shape::from(input),
            output: Shape::from(output),
            count,
            inner,
            indices: indices.into(),
        }
        .into()
    });
    let along = (dims(), 0..5_usize, indices()).prop_map(|(input, axis, indices)| {
        let along = Gather::along(&Shape::from(input), axis, indices.into());
        along.map_or(Op::Dropout, Op::from)
    });
    prop_oneof![any, along].boxed()
}

/// An operator of any kind but `Input`.
fn operator() -> BoxedStrategy<Op> {
    let windows = prop_oneof![
        conv().prop_map(Op::from),
        conv_transpose().prop_map(Op::from),
        pool().prop_map(Op::from),
        pool().prop_map(|pool| MaxPool2dBackward(pool).into()),
        (pool(), pair()).prop_map(|(pool, input)| AvgPool2dBackward { pool, input }.into()),
    ]
    .boxed();
    let resizing = prop_oneof![
        upsample().prop_map(Op::from),
        (upsample(), pair())
            .prop_map(|(upsample, input)| UpsampleBackward { upsample, input }.into()),
        pair().prop_map(|[h, w]| AdaptiveAvgPool2d::new(h, w).into()),
        (pair(), pair()).prop_map(|(output, input)| {
            let pool = AdaptiveAvgPool2d { output };
            AdaptiveAvgPool2dBackward { pool, input }.into()
        }),
        [side(), side(), side(), side()]
            .prop_map(|[top, bottom, left, right]| Pad2d::zeros(top, bottom, left, right).into()),
        Just(CenterCropOrPad.into()),
        number().prop_map(|stride| Reorg { stride }.into()),
        number().prop_map(|groups| ChannelShuffle { groups }.into()),
        [number(), number(), number()].prop_map(|dims| Unflatten { dims }.into()),
        Just(Flatten.into()),
        Just(grid_sample().into()),
        pair().prop_map(|input| {
            let sample = grid_sample();
            GridSampleBackward { sample, input }.into()
        }),
        Just(GridSamplePositionsBackward(grid_sample()).into()),
        rearrange(),
        resample(),
    ]
    .boxed();
    let channels = prop_oneof![
        pair().prop_map(|[inputs, outputs]| Linear::new(inputs, outputs).into()),
        pair().prop_map(|[inputs, outputs]| LinearBackward(Linear::new(inputs, outputs)).into()),
        pair().prop_map(|[num_embeddings, dim]| Embedding {
            num_embeddings,
            dim
        }
        .into()),
        pair().prop_map(|[start, end]| SliceChannels { start, end }.into()),
        number().prop_map(|channels| BatchNorm2d::new(channels).into()),
        number().prop_map(|channels| LayerScale { channels }.into()),
        number().prop_map(|channels| BatchNorm2dBackward(BatchNorm2d::new(channels)).into()),
        norm().prop_map(Op::from),
        group_norm().prop_map(Op::from),
        group_norm().prop_map(|norm| GroupNormBackward(norm).into()),
        norm().prop_map(|norm| LocalResponseNormBackward(norm).into()),
        Just(Concat.into()),
        Just(Softmax.into()),
        Just(Hardmax.into()),
        Just(MatMul.into()),
        Just(CumSum::default().into()),
        top_k(),
        gather(),
        reduce(),
    ]
    .boxed();
    let pointwise = prop::sample::select(vec![
        Op::from(Activation::Silu),
        ActivationBackward(Activation::Relu).into(),
        Binary::Add.into(),
        Binary::Mul.into(),
        Binary::Div.into(),
        Binary::Max.into(),
        Binary::Pow.into(),
        Binary::Fmod.into(),
        Binary::Equal.into(),
        Where.into(),
        Op::Dropout,
        Unary::Gelu.into(),
        Unary::Celu { alpha: 0.0 }.into(),
        Unary::Pow { exponent: f32::NAN }.into(),
        Unary::Floor.into(),
    ]);
    prop_oneof![4 => windows, 3 => resizing, 3 => channels, 1 => pointwise].boxed()
}

fn shape() -> BoxedStrategy<Vec<usize>> {
    let extent = || prop_oneof![4 => 1..9_usize, 1 => number()];
    prop_oneof![
        4 => prop::collection::vec(extent(), 4),
        2 => prop::collection::vec(extent(), 2),
        1 => prop::collection::vec(extent(), 0..7),
    ]
    .boxed()
}

/// The channels that an operator takes, so that not every case ends with the wrong number of them.
fn channels(op: &Op) -> Option<usize> {
    match op {
        Op::Conv2d(op) => Some(op.in_channels),
        Op::ConvTranspose2d(op) => Some(op.in_channels),
        Op::Linear(op) => Some(op.in_features),
        Op::LinearBackward(op) => Some(op.0.out_features),
        Op::BatchNorm2d(op) => Some(op.channels),
        Op::LayerScale(op) => Some(op.channels),
        Op::BatchNorm2dBackward(op) => Some(op.0.channels),
        _ => None,
    }
}

fn graph(op: &Op, shapes: &[Vec<usize>]) -> shadernet::Result<Graph> {
    let mut b = GraphBuilder::new("extreme");
    let is_ids = matches!(op, Op::Embedding(_));
    let inputs: Vec<_> = (shapes.iter().enumerate())
        .map(|(i, shape)| match is_ids {
            true => b.node(format!("input{i}"), Input::ids(None), &[]),
            false => b.input(format!("input{i}"), &vec![None; shape.len()]),
        })
        .collect();
    let y = b.node("op", op.clone(), &inputs);
    b.output(y);
    b.build()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_numbers_are_computed_or_refused(
        op in operator(),
        mut shapes in prop::collection::vec(shape(), 3),
        same in any::<bool>(),
    ) {
        if let (Some(channels), [_, c, ..]) = (channels(&op), &mut shapes[0][..]) {
            *c = channels;
        }
        match &op {
            Op::Rearrange(op) => shapes[0] = op.input.dims().to_vec(),
            Op::Gather(op) => shapes[0] = op.input.dims().to_vec(),
            _ => {}
        }
        if same {
            shapes = vec![shapes[0].clone(); 3];
        }
        // The operator tells how many inputs it takes.
        let Some(graph) = (1..=3).find_map(|count| graph(&op, &shapes[..count]).ok()) else {
            return Ok(());
        };
        let inputs: Vec<Shape> = (shapes.iter().cloned().map(Shape::from))
            .take(graph.inputs().len())
            .collect();
        let Ok(inferred) = graph.infer(&inputs) else {
            return Ok(());
        };
        let output = &inferred[graph.outputs()[0].index()];
        check_output(&op, &inputs, output)?;
        let summary = graph.summary(&inputs).unwrap();
        prop_assert!(summary.parameters == graph.parameter_count());
        // None of them panics.
        let (score, input) = (graph.outputs()[0], graph.inputs()[0]);
        let rule = GradientRule::Gradient;
        let with_gradients = graph.with_gradients(&inputs, score, Seed::Input, &[input], rule);
        let limits = shadernet::wgpu::Limits::default();
        let options = SessionOptions::default();
        let _ = PlanReport::assumed(limits.clone(), &graph, &inputs, &options);
        if let Ok(graph) = with_gradients {
            let inputs = [&inputs[..], std::slice::from_ref(output)].concat();
            let _ = PlanReport::assumed(limits, &graph, &inputs, &options);
        }
    }
}

/// Compares with the formulas of PyTorch's documentation, in 128 bits.
fn check_output(op: &Op, inputs: &[Shape], output: &Shape) -> Result<(), TestCaseError> {
    let dims = |shape: &Shape| -> Vec<i128> { shape.dims().iter().map(|d| *d as i128).collect() };
    let (x, y) = (dims(&inputs[0]), dims(output));
    prop_assert!(y.iter().product::<i128>() <= i128::from(u32::MAX));
    let n = |n: usize| n as i128;
    let window =
        |i: usize, kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], pad: i128| {
            (x[2 + i] + pad - n(dilation[i]) * (n(kernel[i]) - 1) - 1).div_euclid(n(stride[i])) + 1
        };
    for i in 0..2 {
        match op {
            Op::Conv2d(op) => {
                let [top, bottom, left, right] = op.padding_for([x[2], x[3]].map(|d| d as usize));
                let pad = [n(top) + n(bottom), n(left) + n(right)][i];
                prop_assert_eq!(y[2 + i], window(i, op.kernel, op.stride, op.dilation, pad));
            }
            Op::Pool2d(op) if !op.ceil_mode => {
                let [top, bottom, left, right] = op.padding_for([x[2], x[3]].map(|d| d as usize));
                let pad = [n(top) + n(bottom), n(left) + n(right)][i];
                prop_assert_eq!(y[2 + i], window(i, op.kernel, op.stride, op.dilation, pad));
            }
            Op::ConvTranspose2d(op) => prop_assert_eq!(
                y[2 + i],
                (x[2 + i] - 1) * n(op.stride[i]) - 2 * n(op.padding[i])
                    + n(op.dilation[i]) * (n(op.kernel[i]) - 1)
                    + n(op.output_padding[i])
                    + 1
            ),
            Op::Pad2d(op) => {
                let more = [
                    op.top as i128 + op.bottom as i128,
                    op.left as i128 + op.right as i128,
                ];
                prop_assert_eq!(y[2 + i], x[2 + i] + more[i]);
            }
            Op::Concat(_) => prop_assert_eq!(
                y[1],
                inputs.iter().map(|shape| n(shape.dims()[1])).sum::<i128>()
            ),
            Op::Flatten(_) => prop_assert_eq!(y[1], x[1..].iter().product::<i128>()),
            _ => {}
        }
    }
    Ok(())
}

/// The settings of a node with inputs of 3 channels and 8 x 8 pixels that is refused, and the reason.
#[test]
fn too_large_numbers_are_named() {
    let huge = 1_usize << 63;
    let conv = || Conv2d::new(3, 4, 3);
    let pool = || Pool2d::max(2, 2);
    let cases: [(Op, &str); 14] = [
        (
            conv().padding(huge).into(),
            "padding at the top is 9223372036854775808",
        ),
        (
            conv().dilation(huge).into(),
            "vertical dilation is 9223372036854775808",
        ),
        (
            conv().stride(huge).into(),
            "vertical stride is 9223372036854775808",
        ),
        (
            conv().kernel_hw(huge, 1).into(),
            "kernel height is 9223372036854775808",
        ),
        // (2^31 - 1) * 2 + 8 is possible in 64 bits.
        (
            conv().padding(i32::MAX as usize).into(),
            "of 8 pixels gives more than 2147483647",
        ),
        (
            Conv2d::new(3, 1 << 30, 3).into(),
            "weight [1073741824, 3, 3, 3] would have more than",
        ),
        (
            ConvTranspose2d::new(3, 4, 3, 1 << 30).into(),
            "would have 7516192771 pixels along one axis",
        ),
        (
            pool().kernel_hw(huge, 2).into(),
            "window height is 9223372036854775808",
        ),
        (
            pool().dilation_hw(huge, 2).into(),
            "vertical dilation is 9223372036854775808",
        ),
        (
            Pad2d::zeros(isize::MAX, 1, 0, 0).into(),
            "rows above is 9223372036854775807",
        ),
        (
            LocalResponseNorm::new(huge).into(),
            "size is 9223372036854775808",
        ),
        (
            Upsample::nearest(1e300).into(),
            "elements along one dimension; at most 2147483647",
        ),
        (
            Upsample::nearest(1.0).to_size(huge, 1).into(),
            "output height is 9223372036854775808",
        ),
        (
            Reorg { stride: huge }.into(),
            "stride is 9223372036854775808",
        ),
    ];
    for (op, expected) in cases {
        let shape = vec![1, 3, 8, 8];
        let refused = graph(&op, std::slice::from_ref(&shape))
            .and_then(|graph| graph.infer(&[Shape::from(shape)]))
            .unwrap_err()
            .to_string();
        assert!(refused.contains(expected), "{refused}\n  lacks: {expected}");
        assert!(refused.starts_with("node 'op' ("), "{refused}");
    }
}

/// Sums over many nodes do not wrap around.
#[test]
fn sums_of_many_parameters_are_exact() {
    let mut b = GraphBuilder::new("large");
    let x = b.input("input", &[None, Some(1 << 16)]);
    for i in 0..100 {
        let y = b.linear(
            format!("fc{i}"),
            x,
            Linear::new(1 << 16, (1 << 16) - 1).bias(false),
        );
        b.output(y);
    }
    let summary = b
        .build()
        .unwrap()
        .summary(&[Shape::from([1, 1 << 16])])
        .unwrap();
    let parameters = 100 * ((1 << 32) - (1 << 16));
    assert_eq!(
        (summary.parameters, summary.multiplications),
        (parameters, parameters)
    );
    assert_eq!(summary.weight_bytes, 4 * parameters);
}
