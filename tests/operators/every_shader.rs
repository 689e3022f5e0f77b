//! Every shader runs in a test that asserts its name, by a case that leaves the heuristic no choice. A shader
//! that is added without such a case fails here.

use shadernet::device::Device;
use shadernet::gpu::{Precision, SHADERS};
use shadernet::graph::{
    Activation, ActivationBackward, AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward,
    AvgPool2dBackward, BatchNorm2d, Binary, Concat, Constant, Conv2d, ConvTranspose2d, CumSum,
    Embedding, Flatten, Gather, Graph, GraphBuilder, GridSample, GridSampleBackward,
    GridSampleMode, GridSamplePadding, GridSamplePositionsBackward, GroupNorm, GroupNormBackward,
    Hardmax, Input, Linear, LinearBackward, LocalResponseNorm, LocalResponseNormBackward, MatMul,
    MaxPool2dBackward, Op, Pad2d, Pool2d, Rearrange, Reduce, ReduceKind, ReduceOver, Reorg,
    Resample, SliceChannels, Softmax, TapWindow, Taps, TopK, TopKOutput, Unary, UnaryBackward,
    Unflatten, Upsample, UpsampleBackward, Where,
};
use shadernet::session::ConvAlgorithm;
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::devices;
use crate::generate::{graph_of, tensor};
use crate::ran::Shaders::{self, Algorithm, EmulatedMatrices, Only, Team};
use crate::ran::supports;

/// The shaders that no operator test runs, and the tests that do.
const TESTED_ELSEWHERE: [&str; 12] = [
    // `tests/postprocess`.
    "arg_max",
    "box_candidates",
    "box_list",
    "mask_texture",
    "top_k",
    // `tests/texture`.
    "preprocess",
    // `shadernet-bench`: they measure the device and compute no operator.
    "loop_probe",
    "peak_fma",
    "peak_memory",
    // `convolution_by_matrices_of_the_device` on devices with matrices; all but the matrices themselves by
    // "conv2d_cooperative_emulated".
    "conv2d_cooperative",
    "conv2d_cooperative_8x8",
    // A second form of "conv2d_subgroup"; where the device has subgroups of 8, `convolution_of_images`.
    "conv2d_subgroup_nchw",
];

/// A graph with a node `op`, and how it is run.
struct ShaderCase {
    graph: Graph,
    inputs: Vec<Tensor>,
    shaders: Shaders,
    prefer: Option<ConvAlgorithm>,
}

impl ShaderCase {
    /// One operator with inputs of these shapes.
    fn new(op: impl Into<Op>, shapes: &[Shape], shaders: Shaders) -> Self {
        let inputs = shapes.iter().zip(1..).map(|(s, seed)| tensor(s, seed));
        Self {
            graph: graph_of(op, shapes),
            inputs: inputs.collect(),
            shaders,
            prefer: None,
        }
    }

    /// One operator with one map.
    fn map(op: impl Into<Op>, shape: [usize; 4], shaders: Shaders) -> Self {
        Self::new(op, &[Shape::from(shape)], shaders)
    }

    /// A convolution of 3x3 by this algorithm.
    fn conv(algorithm: ConvAlgorithm, channels: usize) -> Self {
        let shaders = Algorithm {
            of: algorithm,
            planar: channels <= 4,
        };
        let conv = Conv2d::new(channels, 8, 3).padding(1);
        Self {
            prefer: Some(algorithm),
            ..Self::map(conv, [1, channels, 9, 9], shaders)
        }
    }

    fn run_on(&self, devices: &[(String, Device)]) {
        let expected = [("op", self.shaders)];
        let mut case = Case::new(&self.graph, &self.inputs, 1, &expected);
        if let Some(algorithm) = self.prefer {
            case = case.prefer(algorithm);
        }
        if let Some(ConvAlgorithm::Winograd { tile }) = self.prefer {
            case = case.factor(crate::tolerance::winograd_factor(tile));
        }
        case.run_on(devices);
    }
}

/// A max pooling layer `pool` and its gradient `op`.
fn max_pooling() -> ShaderCase {
    let mut b = GraphBuilder::new("max pooling");
    let g = b.input("gradient", &[None; 4]);
    let x = b.input("input", &[None; 4]);
    let y = b.node("pool", Pool2d::max(2, 2), &[x]);
    let back = b.node("op", MaxPool2dBackward(Pool2d::max(2, 2)), &[g, x, y]);
    b.output(back);
    let shapes = [[1, 5, 3, 3], [1, 5, 6, 6]].map(Shape::from);
    ShaderCase {
        graph: b.build().unwrap(),
        inputs: vec![tensor(&shapes[0], 1), tensor(&shapes[1], 2)],
        shaders: Only("max_pool_backward"),
        prefer: None,
    }
}

/// A constant and an input, added: a graph needs an input.
fn constant() -> ShaderCase {
    let mut b = GraphBuilder::new("constant");
    let shape = Shape::from([2, 5, 3, 4]);
    let x = b.input("input", &[None; 4]);
    let y = b.node(
        "op",
        Constant {
            shape: shape.clone(),
        },
        &[],
    );
    let sum = b.add("sum", x, y);
    b.output(sum);
    ShaderCase {
        graph: b.build().unwrap(),
        inputs: vec![tensor(&shape, 1)],
        shaders: Only("constant"),
        prefer: None,
    }
}

fn embedding() -> ShaderCase {
    let mut b = GraphBuilder::new("embedding");
    let ids = b.node("ids", Input::ids(None), &[]);
    let op = Embedding {
        num_embeddings: 9,
        dim: 5,
    };
    let output = b.node("op", op, &[ids]);
    b.output(output);
    ShaderCase {
        graph: b.build().unwrap(),
        inputs: vec![Tensor::from_fn([2, 4], |i| i as f32)],
        shaders: Only("embedding"),
        prefer: None,
    }
}

/// Pairs of rows, and columns of which one is left out.
fn resample() -> Resample {
    let window = |first, weights: &[f32]| TapWindow {
        first,
        weights: weights.to_vec(),
    };
    let pairs = (0..5).map(|first| window(first, &[0.25, 0.75]));
    Resample {
        rows: Taps {
            input: 6,
            windows: pairs.collect(),
        },
        columns: Taps {
            input: 6,
            windows: vec![window(3, &[1.0]), window(0, &[]), window(0, &[0.1; 6])],
        },
        outside: 3.0,
    }
}

/// The cases that name one shader each; those of a `Team` name both of its forms.
fn cases() -> Vec<(&'static str, ShaderCase)> {
    let map = [2, 5, 6, 6];
    let shape = Shape::from(map);
    let two = [shape.clone(), shape.clone()];
    let relu = Activation::Relu;
    let input = [6, 6];
    let average = Pool2d::average(2, 2);
    let over = |over| Reduce {
        kind: ReduceKind::Sum,
        over,
    };
    let adaptive = AdaptiveAvgPool2dBackward {
        pool: AdaptiveAvgPool2d::new(2, 2),
        input,
    };
    let nearest = UpsampleBackward {
        upsample: Upsample::nearest(2.0),
        input,
    };
    let concat = [Shape::from([1, 5, 3, 3]), Shape::from([1, 3, 3, 3])];
    let norm = LocalResponseNorm::new(3);
    // At edges of the map, as its positions are random.
    let grid_sample = GridSample {
        mode: GridSampleMode::Bilinear,
        padding: GridSamplePadding::Border,
        align_corners: true,
        volume: None,
    };
    let row = |features| [Shape::from([2, features])];
    let tiled = ConvAlgorithm::Tiled {
        pixels: 128,
        channels: 16,
        parts: 1,
    };
    let only = |name, op: Op, shapes: &[Shape]| (name, ShaderCase::new(op, shapes, Only(name)));
    let team = |name, op: Op, shapes: &[Shape]| (name, ShaderCase::new(op, shapes, Team(name)));
    let depthwise = |name, conv: Conv2d| (name, ShaderCase::map(conv, map, Only(name)));
    let one = std::slice::from_ref(&shape);
    vec![
        only("activation", relu.into(), one),
        only("activation_backward", ActivationBackward(relu).into(), &two),
        only(
            "adaptive_avg_pool_backward",
            adaptive.into(),
            &[Shape::from([2, 5, 2, 2])],
        ),
        only(
            "avg_pool_backward",
            AvgPool2dBackward {
                pool: average,
                input,
            }
            .into(),
            &[Shape::from([2, 5, 3, 3])],
        ),
        only("batch_norm", BatchNorm2d::new(5).into(), one),
        only("binary", Binary::Sub.into(), &two),
        ("constant", constant()),
        ("conv2d", ShaderCase::conv(ConvAlgorithm::Direct, 8)),
        ("conv2d_nchw", ShaderCase::conv(ConvAlgorithm::Direct, 3)),
        (
            "conv2d_subgroup",
            ShaderCase::conv(ConvAlgorithm::Subgroup, 8),
        ),
        (
            "conv2d_sum",
            ShaderCase::conv(
                ConvAlgorithm::Tiled {
                    pixels: 128,
                    channels: 16,
                    parts: 2,
                },
                8,
            ),
        ),
        ("conv2d_tiled", ShaderCase::conv(tiled, 8)),
        ("conv2d_tiled_nchw", ShaderCase::conv(tiled, 3)),
        (
            "winograd_input",
            ShaderCase::conv(ConvAlgorithm::Winograd { tile: 2 }, 8),
        ),
        (
            "winograd_output",
            ShaderCase::conv(ConvAlgorithm::Winograd { tile: 4 }, 8),
        ),
        depthwise("conv2d_depthwise", Conv2d::depthwise(5, 4)),
        depthwise("conv2d_depthwise_row", Conv2d::depthwise(5, 3)),
        only(
            "conv2d_depthwise_transposed",
            ConvTranspose2d::new(5, 5, 3, 2).groups(5).into(),
            one,
        ),
        only(
            "conv2d_grouped",
            Conv2d::new(6, 6, 3).groups(3).into(),
            &[Shape::from([1, 6, 5, 5])],
        ),
        only("copy_channels", Concat.into(), &concat),
        only(
            "copy_channels",
            SliceChannels { start: 1, end: 4 }.into(),
            one,
        ),
        only(
            "cum_sum",
            CumSum::default().into(),
            &[Shape::from([2, 5, 6])],
        ),
        ("embedding", embedding()),
        only("flatten", Flatten.into(), one),
        only(
            "gather",
            Gather::along(&shape, 1, vec![4, 0, 0].into())
                .unwrap()
                .into(),
            one,
        ),
        only(
            "grid_sample",
            grid_sample.into(),
            &[shape.clone(), Shape::from([2, 2, 3, 4])],
        ),
        only(
            "grid_sample_backward",
            GridSampleBackward {
                sample: grid_sample,
                input: [6, 6],
            }
            .into(),
            &[Shape::from([2, 5, 3, 4]), Shape::from([2, 2, 3, 4])],
        ),
        only(
            "grid_sample_positions_backward",
            GridSamplePositionsBackward(grid_sample).into(),
            &[
                Shape::from([2, 5, 3, 4]),
                Shape::from([2, 5, 6, 6]),
                Shape::from([2, 2, 3, 4]),
            ],
        ),
        team("group_norm", GroupNorm::layer(5).into(), one),
        team(
            "group_norm_backward",
            GroupNormBackward(GroupNorm::layer(5)).into(),
            &two,
        ),
        team("hardmax", Hardmax.into(), one),
        team("linear", Linear::new(30, 20).into(), &row(30)),
        team(
            "linear_backward",
            LinearBackward(Linear::new(30, 20)).into(),
            &row(20),
        ),
        only("local_response_norm", norm.into(), one),
        only(
            "local_response_norm_backward",
            LocalResponseNormBackward(norm).into(),
            &two,
        ),
        only(
            "matmul",
            MatMul.into(),
            &[Shape::from([2, 5, 7]), Shape::from([2, 7, 3])],
        ),
        ("max_pool_backward", max_pooling()),
        only("pad", Pad2d::zeros(1, 0, 2, 0).into(), one),
        only("pool", Pool2d::max(2, 2).into(), one),
        only(
            "rearrange",
            Rearrange::transpose(&shape, &[1, 0, 3, 2]).unwrap().into(),
            one,
        ),
        only("reduce_channels", over(ReduceOver::Channels).into(), one),
        team("reduce_space", over(ReduceOver::Space).into(), one),
        only(
            "reorg",
            Reorg { stride: 2 }.into(),
            &[Shape::from([1, 4, 4, 4])],
        ),
        only("resample", resample().into(), one),
        team("softmax", Softmax.into(), one),
        only(
            "top_k_channels",
            TopK {
                k: 3,
                largest: true,
                output: TopKOutput::Values,
            }
            .into(),
            one,
        ),
        only("unary", Unary::Gelu.into(), one),
        only("unary_backward", UnaryBackward(Unary::Gelu).into(), &two),
        only("unflatten", Unflatten { dims: [5, 6, 6] }.into(), &row(180)),
        only("upsample", Upsample::nearest(2.0).into(), one),
        only(
            "upsample_backward",
            nearest.into(),
            &[Shape::from([2, 5, 12, 12])],
        ),
        only(
            "where",
            Where.into(),
            &[shape.clone(), shape.clone(), shape.clone()],
        ),
    ]
}

#[test]
fn every_shader_runs_where_it_is_named() {
    for (_, case) in cases() {
        case.run_on(devices::devices());
        if let Team(_) = case.shaders {
            case.run_on(devices::without_subgroups());
        }
    }
    let emulated = ConvAlgorithm::Cooperative {
        pixels: 64,
        channels: 64,
    };
    let case = ShaderCase {
        shaders: EmulatedMatrices,
        ..ShaderCase::conv(emulated, 8)
    };
    case.run_on(devices::with_matrices_emulated());
}

/// The first node of every graph packs its input, and the last unpacks its output.
#[test]
fn values_are_packed_and_unpacked() {
    let shape = Shape::from([1, 5, 3, 3]);
    let graph = graph_of(Activation::Relu, std::slice::from_ref(&shape));
    let expected = [("input.0", Only("pack")), ("output.0", Only("unpack"))];
    Case::new(&graph, &[tensor(&shape, 1)], 1, &expected).run();
}

/// Subgroups of 8 are rare on GPUs; software Vulkan has them, so that its shader does run in these tests.
#[test]
fn some_device_has_subgroups_of_8() {
    let has =
        |(_, device): &(String, Device)| supports(device, ConvAlgorithm::Subgroup, Precision::F32);
    let is_software = |(_, device): &(String, Device)| match device {
        Device::Gpu(gpu) => gpu.info().name.contains("llvmpipe"),
        _ => false,
    };
    let is_vulkan = |(name, _): &&(String, Device)| name.starts_with("vulkan");
    let mut vulkan = devices::devices().iter().filter(is_vulkan);
    assert!(vulkan.all(|device| !is_software(device) || has(device)));
}

#[test]
fn every_shader_is_named_by_a_test() {
    let mut named: Vec<String> = TESTED_ELSEWHERE.map(str::to_owned).to_vec();
    named.extend(["pack", "unpack", "conv2d_cooperative_emulated"].map(str::to_owned));
    for (name, case) in cases() {
        named.push(name.to_owned());
        if let Team(_) = case.shaders {
            named.push(format!("{name}_subgroup"));
        }
    }
    for shader in SHADERS {
        let is_named = named.iter().any(|name| name == shader.name);
        assert!(is_named, "no test names the shader '{}'", shader.name);
    }
    for name in &named {
        let exists = SHADERS.iter().any(|shader| shader.name == name);
        assert!(exists, "there is no shader '{name}'");
    }
}
