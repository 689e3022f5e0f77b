//! Every operator, written and read back.

use std::path::Path;

use proptest::prelude::*;

use super::{assert_same, exported, outputs};
use crate::graph::*;
use crate::onnx::OnnxExport;
use crate::tensor::{Shape, Tensor};
use crate::util::fnv::fnv1a64;
use crate::weights::generate::generated_inputs;
use crate::weights::{Dtype, Weights, write_safetensors};

/// Names a folder that the cases of these tests are written to, for `scripts/onnx_out.py --cases`.
const CASES: &str = "SHADERNET_ONNX_OUT_CASES";

/// Writes a case: the model for inputs of `shapes`, inputs, and what the reference backend computes of them.
fn keep(case: &Path, name: &str, graph: &Graph, shapes: &[Shape], inputs: &[Tensor]) {
    std::fs::create_dir_all(case).unwrap();
    let weights = Weights::generated(graph, 1.0);
    let export = OnnxExport::new(graph, &weights, shapes).metadata("case", name);
    export.write(case.join("model.onnx")).unwrap();
    let names = graph.inputs().iter().map(|&input| graph.node(input).name());
    let expected = outputs(graph, &weights, inputs);
    let expected = (0..).map(|i| format!("output.{i}")).zip(&expected);
    for (file, tensors) in [
        (
            "input",
            names.map(str::to_owned).zip(inputs).collect::<Vec<_>>(),
        ),
        ("expected", expected.collect()),
    ] {
        let path = case.join(file).with_extension("safetensors");
        write_safetensors(path, tensors, Dtype::F32).unwrap();
    }
}

/// A graph of one operator with inputs of `shapes`, whose batch and pixels are free.
fn graph_of(op: impl Into<Op>, shapes: &[Shape]) -> Graph {
    let mut b = GraphBuilder::new("g");
    let inputs: Vec<ValueId> = (shapes.iter().enumerate())
        .map(|(i, shape)| {
            let dims: Vec<Option<usize>> = (shape.dims().iter().enumerate())
                .map(|(axis, &dim)| {
                    ([0, 2, 3].contains(&axis) && shape.rank() == 4 && dim > 1)
                        .then_some(())
                        .map_or(Some(dim), |()| None)
                })
                .collect();
            b.input(format!("input{i}"), &dims)
        })
        .collect();
    let output = b.node("node", op, &inputs);
    b.output(output);
    b.build().unwrap()
}

#[track_caller]
fn check(op: impl Into<Op>, shapes: &[&[usize]]) {
    check_with(op, shapes, |x| x);
}

/// Checks that an operator written to a file and read back computes the same of inputs that `f` makes of generated
/// ones, for `shapes` and, where the file allows it, for maps of another size.
#[track_caller]
fn check_with(op: impl Into<Op>, shapes: &[&[usize]], f: fn(f32) -> f32) {
    let op = op.into();
    let shapes: Vec<Shape> = shapes.iter().map(|dims| Shape::from(*dims)).collect();
    let name = format!("{op:?} of {shapes:?}");
    let graph = graph_of(op, &shapes);
    let weights = Weights::generated(&graph, 1.0);
    let model = exported(OnnxExport::new(&graph, &weights, &shapes));
    let first = shapes.clone();
    let run = |shapes: &[Shape], part: &str| {
        let inputs: Vec<Tensor> = generated_inputs(shapes)
            .into_iter()
            .map(|x| x.map(|x| f(*x)))
            .collect();
        assert_same(&name, &model, &graph, &inputs);
        if let Some(folder) = std::env::var_os(CASES) {
            let case = Path::new(&folder).join(format!("{:016x}{part}", fnv1a64(&name)));
            keep(&case, &name, &graph, &first, &inputs);
        }
    };
    run(&shapes, "");
    let is_free = |model: &crate::onnx::OnnxModel| {
        let mut dims = model
            .inputs()
            .iter()
            .flat_map(|input| input.dims.iter().flatten());
        dims.any(
            |dim| matches!(dim, crate::onnx::OnnxDim::Free(Some(name)) if name.contains("width")),
        )
    };
    let other: Vec<Shape> = (shapes.iter())
        .map(|shape| match *shape.dims() {
            [n, c, h, w] if h > 1 && w > 1 => Shape::from([n, c, h * 3, w * 2]),
            _ => shape.clone(),
        })
        .collect();
    if is_free(&model) && graph.infer(&other).is_ok() {
        run(&other, " larger");
    }
}

#[test]
fn activations_read_back_as_one_operator() {
    let shapes = [Shape::from([1, 3, 4, 5])];
    let ops: [Op; 6] = [
        Activation::Relu6.into(),
        Activation::HardSwish.into(),
        Activation::Silu.into(),
        Activation::Mish.into(),
        Unary::Gelu.into(),
        Unary::HardSigmoid {
            alpha: 0.2,
            beta: 0.5,
        }
        .into(),
    ];
    for op in ops {
        let graph = graph_of(op.clone(), &shapes);
        let weights = Weights::generated(&graph, 1.0);
        let model = exported(OnnxExport::new(&graph, &weights, &shapes));
        let imported = model.import(&shapes).unwrap().graph;
        let read: Vec<&Op> = imported.nodes().iter().skip(1).map(Node::op).collect();
        assert_eq!(read, [&op]);
    }
}

#[test]
fn functions_of_each_element() {
    let map: &[usize] = &[2, 3, 4, 5];
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
        check_with(op, &[map], |x| 4.0 * x);
        check(op, &[&[2, 7]]);
    }
    let alpha = 0.7;
    for op in [
        Unary::Elu { alpha },
        Unary::Selu { alpha, gamma: 1.2 },
        Unary::Celu { alpha },
        Unary::Gelu,
        Unary::GeluTanh,
        Unary::Erf,
        Unary::Softplus,
        Unary::Softsign,
        Unary::HardSigmoid { alpha, beta: 0.4 },
        Unary::Swish { alpha },
        Unary::ThresholdedRelu { alpha },
        Unary::Exp,
        Unary::Pow { exponent: 3.0 },
        Unary::Abs,
        Unary::Neg,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Sign,
        Unary::Sin,
        Unary::Cos,
        Unary::Tan,
        Unary::Atan,
        Unary::Sinh,
        Unary::Cosh,
        Unary::Asinh,
        Unary::Reciprocal,
        Unary::Clip {
            min: -0.5,
            max: 0.7,
        },
        Unary::Clip {
            min: f32::NEG_INFINITY,
            max: 0.7,
        },
        Unary::Clip {
            min: 0.1,
            max: f32::INFINITY,
        },
        Unary::Affine {
            scale: 2.0,
            offset: 0.0,
        },
        Unary::Affine {
            scale: 1.0,
            offset: 0.5,
        },
        Unary::Affine {
            scale: -3.0,
            offset: 0.5,
        },
        Unary::Shrink {
            lambda: 0.6,
            bias: 0.2,
        },
        Unary::Quantize {
            scale: 0.25,
            min: -5.0,
            max: 3.0,
        },
        Unary::FakeQuantize {
            scale: 0.25,
            min: -5.0,
            max: 3.0,
        },
        Unary::Trunc,
    ] {
        check_with(op, &[map], |x| 1.3 * x);
    }
    for op in [Unary::Asin, Unary::Acos, Unary::Atanh] {
        check_with(op, &[map], |x| 0.5 * x);
    }
    for op in [Unary::Log, Unary::Sqrt, Unary::Acosh] {
        check_with(op, &[map], |x| x.abs() + 1.0);
    }
    let odd = |x: f32| match x {
        x if x > 1.0 => f32::INFINITY,
        x if x < -1.0 => f32::NEG_INFINITY,
        x if x > 0.5 => 0.0,
        x => x,
    };
    for op in [
        Unary::IsInf {
            positive: true,
            negative: false,
        },
        Unary::IsInf {
            positive: true,
            negative: true,
        },
        Unary::Not,
        Unary::ToBool,
    ] {
        check_with(op, &[map], odd);
    }
    check_with(Unary::IsNan, &[map], |x| if x > 0.5 { f32::NAN } else { x });
}

#[test]
fn functions_of_several_values() {
    let map: &[usize] = &[2, 3, 4, 5];
    let binary = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Max,
        Binary::Min,
        Binary::Equal,
        Binary::Greater,
        Binary::GreaterOrEqual,
        Binary::Less,
        Binary::LessOrEqual,
        Binary::And,
        Binary::Or,
        Binary::Xor,
        Binary::Remainder,
        Binary::Fmod,
        Binary::TruncDiv,
    ];
    let coarse = |x: f32| (2.0 * x).round() * 0.5 + if x > 1.2 { 0.25 } else { 0.0 };
    for op in binary {
        let is_quotient = matches!(
            op,
            Binary::Div | Binary::Remainder | Binary::Fmod | Binary::TruncDiv
        );
        for other in [map, &[2, 3, 1, 1], &[1, 3, 1, 1], &[2, 1, 4, 5]] {
            match is_quotient {
                true => check_with(op, &[map, other], |x| (7.0 * x).round() + 0.25),
                false => check_with(op, &[map, other], coarse),
            }
        }
        check_with(op, &[&[2, 6], &[2, 6]], |x| (7.0 * x).round() + 0.25);
    }
    check_with(Binary::Pow, &[map, map], |x| x.abs() + 0.1);
    check_with(Where, &[map, map, map], |x| if x > 0.3 { x } else { 0.0 });
    for kind in [
        ReduceKind::Sum,
        ReduceKind::Mean,
        ReduceKind::Max,
        ReduceKind::Min,
        ReduceKind::Prod,
    ] {
        for over in [ReduceOver::Space, ReduceOver::Channels] {
            check(Reduce { kind, over }, &[map]);
        }
    }
    for largest in [false, true] {
        for output in [TopKOutput::Values, TopKOutput::Indices] {
            check(
                TopK {
                    k: 2,
                    largest,
                    output,
                },
                &[&[2, 7, 2, 3]],
            );
            check(
                TopK {
                    k: 1,
                    largest,
                    output,
                },
                &[&[2, 7]],
            );
        }
        let sums = CumSum {
            exclusive: largest,
            reverse: false,
        };
        check(sums, &[&[2, 3, 6]]);
        check(
            CumSum {
                reverse: true,
                ..sums
            },
            &[&[2, 3, 6]],
        );
    }
    check(MatMul, &[&[2, 3, 4], &[2, 4, 5]]);
    check(MatMul, &[&[1, 3, 4], &[2, 4, 5]]);
    for shape in [map, &[2, 7]] {
        check(Softmax, &[shape]);
        check(Hardmax, &[shape]);
    }
}

#[test]
fn normalizations() {
    let map: &[usize] = &[2, 6, 4, 5];
    for shape in [map, &[3, 6]] {
        check(BatchNorm2d::new(6).eps(1e-3), &[shape]);
        check(LayerScale { channels: 6 }, &[shape]);
        for groups in [1, 2, 3, 6] {
            for over in [NormOver::Pixel, NormOver::Image, NormOver::Batch] {
                for (affine, centered) in [(true, true), (false, true), (true, false)] {
                    let op = GroupNorm::new(groups, 6).over(over).eps(1e-2);
                    check(op.affine(affine).centered(centered), &[shape]);
                }
            }
        }
    }
    for size in [1, 2, 3, 4, 5] {
        let op = LocalResponseNorm {
            alpha: 0.3,
            k: 2.0,
            ..LocalResponseNorm::new(size)
        };
        check(op, &[map]);
    }
}

#[test]
fn orders_of_elements() {
    let map: &[usize] = &[2, 8, 4, 6];
    check(Flatten, &[map]);
    check(Unflatten { dims: [2, 3, 4] }, &[&[2, 24]]);
    check(Concat, &[map, &[2, 3, 4, 6], map]);
    check(Concat, &[map]);
    check(SliceChannels { start: 2, end: 5 }, &[map]);
    check(Reorg { stride: 2 }, &[map]);
    for groups in [1, 2, 4, 8] {
        check(ChannelShuffle { groups }, &[map]);
    }
    let shape = Shape::from(map);
    let transpose = Rearrange::transpose(&shape, &[3, 0, 2, 1]).unwrap();
    check(transpose, &[map]);
    let reshape = Rearrange::reshape(shape.clone(), Shape::from([4, 4, 24])).unwrap();
    check(reshape, &[map]);
    let slice = Rearrange::slice(&shape, &[1, 7, 0, 1], &[1, -2, 1, 2], &[1, 4, 3, 3]).unwrap();
    check(slice, &[map]);
    let expand = Rearrange::expand(&Shape::from([2, 1, 3]), &Shape::from([2, 4, 3])).unwrap();
    check(expand, &[&[2, 1, 3]]);
    let along = Gather::along(&shape, 2, vec![3, 0, 0, 1, 2].into()).unwrap();
    check(along, &[map]);
    let elements = Gather::elements(&shape, Shape::from([3]), vec![3, 300, 1].into()).unwrap();
    check(elements, &[map]);
}

#[test]
fn token_ids_are_integers() {
    let mut b = GraphBuilder::new("g");
    let ids = b.node("ids", Input::ids(None), &[]);
    let table = Embedding {
        num_embeddings: 11,
        dim: 6,
    };
    let words = b.node("embedding", table, &[ids]);
    let conv = Conv2d::new(6, 4, 3).kernel_hw(1, 3).padding([0, 0, 1, 1]);
    let x = b.conv2d("conv", words, conv);
    b.output(words);
    b.output(x);
    let graph = b.build().unwrap();
    let shapes = [Shape::from([1, 5])];
    let weights = Weights::generated(&graph, 1.0);
    let model = exported(OnnxExport::new(&graph, &weights, &shapes));
    assert_eq!(model.inputs()[0].element_type.to_string(), "int64");
    for shape in [[1, 5], [3, 7]] {
        let ids = Tensor::from_fn(shape, |i| (i * 5 % 11) as f32);
        assert_same("ids", &model, &graph, &[ids]);
    }
    // The table is cast then.
    let export = OnnxExport::new(&graph, &weights, &shapes);
    let half = exported(export.matrices(Dtype::F16));
    let imported = half.import(&shapes).unwrap().graph;
    assert_eq!(imported.nodes().len(), 3);
}

#[test]
fn sizes_of_maps() {
    let map: &[usize] = &[2, 3, 6, 8];
    for [rows, columns] in [[1, 1], [2, 4], [6, 8], [4, 3], [7, 9], [1, 5]] {
        check(AdaptiveAvgPool2d::new(rows, columns), &[map]);
    }
    check(
        Pad2d {
            value: 0.5,
            ..Pad2d::zeros(1, 2, 0, 3)
        },
        &[map],
    );
    check(Pad2d::zeros(-1, 2, 1, -3), &[map]);
    for other in [map, &[2, 1, 9, 5], &[2, 1, 5, 9], &[2, 1, 3, 3]] {
        check(CenterCropOrPad, &[map, other]);
    }
    for factor in [1.0, 2.0, 3.0, 1.5, 0.5] {
        for op in [
            Upsample::nearest(factor),
            Upsample::bilinear(factor, false),
            Upsample::bilinear(factor, true),
        ] {
            check(op, &[map]);
            check(op.to_size(12, 8), &[map]);
            check(op.to_size(5, 11), &[map]);
            let like: &[usize] = &[2, 5, 7, 12];
            check(op.to_size_of_second_input(), &[map, like]);
        }
    }
    let window = |first, weights: &[f32]| TapWindow {
        first,
        weights: weights.to_vec(),
    };
    let rows = Taps {
        input: 6,
        windows: vec![
            window(0, &[0.5, 0.5]),
            window(0, &[]),
            window(3, &[0.2, 0.3, 0.5]),
        ],
    };
    for outside in [0.0, -0.7] {
        for columns in [
            Taps::identity(8),
            Taps {
                input: 8,
                windows: vec![window(7, &[1.0]), window(0, &[])],
            },
        ] {
            check(
                Resample {
                    rows: rows.clone(),
                    columns,
                    outside,
                },
                &[map],
            );
        }
    }
    for mode in [
        GridSampleMode::Nearest,
        GridSampleMode::Bilinear,
        GridSampleMode::Bicubic,
    ] {
        for padding in [
            GridSamplePadding::Zeros,
            GridSamplePadding::Border,
            GridSamplePadding::Reflection,
        ] {
            for align_corners in [false, true] {
                let op = GridSample {
                    mode,
                    padding,
                    align_corners,
                    volume: None,
                };
                check(op, &[map, &[2, 2, 3, 5]]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn convolutions(
        kernel in [1_usize..4, 1..4],
        stride in [1_usize..4, 1..4],
        dilation in [1_usize..3, 1..3],
        sides in [0_usize..3, 0..3, 0..3, 0..3],
        (is_same, bias, groups) in (any::<bool>(), any::<bool>(), 1_usize..4),
    ) {
        let channels = [2 * groups, 3 * groups];
        let mut conv = Conv2d::new(channels[0], channels[1], 1).groups(groups).bias(bias);
        (conv.kernel, conv.stride, conv.dilation) = (kernel, stride, dilation);
        conv.padding = if is_same { Padding::Same } else { sides.into() };
        check(conv, &[&[2, channels[0], 7, 9]]);
        let mut transposed = ConvTranspose2d::new(channels[0], channels[1], 1, 1).groups(groups).bias(bias);
        (transposed.kernel, transposed.stride, transposed.dilation) = (kernel, stride, dilation);
        transposed.padding = [0, 1].map(|i| sides[i].min((kernel[i] - 1) * dilation[i]));
        // ONNX Runtime takes less than the stride, unless as much is cropped.
        let cropped = transposed.padding;
        let most = |i: usize| (stride[i] - 1).max(cropped[i].min(dilation[i] - 1));
        transposed.output_padding = [0, 1].map(|i| sides[i + 2].min(most(i)));
        check(transposed, &[&[2, channels[0], 4, 5]]);
    }

    #[test]
    fn pooling(
        kernel in [1_usize..4, 1..4],
        stride in [1_usize..4, 1..4],
        dilation in [1_usize..3, 1..3],
        sides in [0_usize..3, 0..3, 0..3, 0..3],
        (is_same, ceil_mode, count_include_pad) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let sides = [0, 1, 2, 3].map(|side| sides[side].min(kernel[side / 2] - 1));
        let mut pool = Pool2d::max(1, 1).ceil_mode(ceil_mode);
        (pool.kernel, pool.stride, pool.dilation) = (kernel, stride, dilation);
        pool.padding = if is_same { Padding::Same } else { sides.into() };
        check(pool.clone(), &[&[2, 3, 8, 9]]);
        pool.dilation = [1; 2];
        pool.kind = PoolKind::Average { count_include_pad };
        check(pool.clone(), &[&[2, 3, 8, 9]]);
        pool.ceil_mode = false;
        pool.kind = PoolKind::Lp { p: 2 };
        check(pool, &[&[2, 3, 8, 9]]);
    }
}
