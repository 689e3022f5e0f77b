//! Every kernel with a loop longer than Mesa's software drivers run: 65,535 iterations of all loops of an
//! invocation together. And, for those whose sums are split, with a loop just short of that, which is not.

use shadernet::device::Device;
use shadernet::graph::{
    Activation, AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward, BatchNorm2d, Conv2d, ConvTranspose2d,
    CumSum, GraphBuilder, GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding,
    GridSamplePositionsBackward, GroupNorm, GroupNormBackward, Hardmax, Linear, MatMul,
    MaxPool2dBackward, Op, Pool2d, Reduce, ReduceKind, ReduceOver, Softmax, Upsample,
    UpsampleBackward,
};
use shadernet::session::ConvAlgorithm;
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::devices;
use crate::generate::{graph_of, tensor};
use crate::ran::Shaders::{self, AnyOf, NoneOrAnyOf, Only};

/// Any shader of these.
const REDUCTION: Shaders = AnyOf(&["reduce_space", "reduce_space_subgroup"]);
const LINEAR: Shaders = AnyOf(&["linear", "linear_subgroup"]);

/// One device of each backend: what is tested is the driver.
fn unchecked() -> Vec<(String, Device)> {
    let all = devices::devices().iter();
    all.filter(|(name, _)| name.ends_with(" unchecked"))
        .cloned()
        .collect()
}

fn check(op: impl Into<Op>, shapes: &[&[usize]], shaders: Shaders) {
    prefer(op, shapes, shaders, None);
}

fn prefer(
    op: impl Into<Op>,
    shapes: &[&[usize]],
    shaders: Shaders,
    algorithm: Option<ConvAlgorithm>,
) {
    let shapes: Vec<Shape> = shapes
        .iter()
        .map(|dims| Shape::from(dims.to_vec()))
        .collect();
    let graph = graph_of(op, &shapes);
    let inputs: Vec<_> = (shapes.iter().zip(1..))
        .map(|(shape, seed)| tensor(shape, seed))
        .collect();
    let expected = [("op", shaders)];
    // Long sums round more.
    let case = Case::new(&graph, &inputs, 7, &expected).factor(8.0);
    match algorithm {
        None => case.run_on(&unchecked()),
        Some(algorithm) => case.prefer(algorithm).run_on(&unchecked()),
    }
}

const KINDS: [ReduceKind; 4] = [
    ReduceKind::Mean,
    ReduceKind::Sum,
    ReduceKind::Max,
    ReduceKind::Min,
];

#[test]
fn reductions_over_space() {
    for kind in KINDS {
        let op = Reduce {
            kind,
            over: ReduceOver::Space,
        };
        check(op, &[&[1, 1, 726, 1450]], REDUCTION);
    }
    // The most that is not split, and one more.
    for width in [524_088, 524_089] {
        check(
            AdaptiveAvgPool2d::new(1, 1),
            &[&[1, 1, 1, width]],
            REDUCTION,
        );
    }
}

#[test]
fn reductions_over_channels() {
    for kind in KINDS {
        let op = Reduce {
            kind,
            over: ReduceOver::Channels,
        };
        check(op, &[&[1, 140_001, 1, 2]], Only("reduce_channels"));
    }
}

#[test]
fn softmax_and_hardmax() {
    let shape: &[usize] = &[1, 1_050_000, 1, 1];
    check(Softmax, &[shape], AnyOf(&["softmax", "softmax_subgroup"]));
    let graph = graph_of(Hardmax, &[Shape::from([1, 1_050_000, 1, 1])]);
    let input = Tensor::from_fn([1, 1_050_000, 1, 1], |i| f32::from(i == 1_049_000));
    let expected = [("op", AnyOf(&["hardmax", "hardmax_subgroup"]))];
    Case::new(&graph, &[input], 7, &expected).run_on(&unchecked());
}

#[test]
fn group_norms() {
    const NORM: Shaders = AnyOf(&["group_norm", "group_norm_subgroup"]);
    // More than a subgroup of eight may compute, so that a workgroup does.
    check(GroupNorm::layer(700_001), &[&[1, 700_001]], NORM);
    check(GroupNorm::new(1, 5), &[&[1, 5, 690, 1000]], NORM);
    let gradient = AnyOf(&["group_norm_backward", "group_norm_backward_subgroup"]);
    let row: &[usize] = &[1, 700_001];
    check(
        GroupNormBackward(GroupNorm::layer(700_001)),
        &[row, row],
        gradient,
    );
}

#[test]
fn gradients_of_samples() {
    let sample = GridSample {
        mode: GridSampleMode::Bilinear,
        padding: GridSamplePadding::Reflection,
        align_corners: false,
        volume: None,
    };
    let of_map = GridSampleBackward {
        sample,
        input: [2, 3],
    };
    let shapes: [&[usize]; 2] = [&[1, 1, 150, 200], &[1, 2, 150, 200]];
    check(of_map, &shapes, Only("grid_sample_backward"));
    let shapes: [&[usize]; 3] = [&[1, 70_001, 1, 1], &[1, 70_001, 2, 2], &[1, 2, 1, 1]];
    let shaders = Only("grid_sample_positions_backward");
    check(GridSamplePositionsBackward(sample), &shapes, shaders);
}

#[test]
fn linear() {
    // As pixels of a GEMM.
    for inputs in [262_132, 262_140, 262_200] {
        check(Linear::new(inputs, 2), &[&[4, inputs]], crate::ran::DENSE);
    }
    // A subgroup of eight for each row.
    check(Linear::new(2_100_000, 1), &[&[1, 2_100_000]], LINEAR);
}

#[test]
fn products_of_matrices() {
    // The most steps of 16 that are not split, and one more.
    for k in [3_952, 3_953, 100_001] {
        check(MatMul, &[&[1, 1, k], &[1, k, 2]], Only("matmul"));
    }
}

#[test]
fn cumulative_sums() {
    for exclusive in [false, true] {
        let op = CumSum {
            exclusive,
            reverse: exclusive,
        };
        check(op, &[&[1, 2, 140_001]], Only("cum_sum"));
    }
}

#[test]
fn poolings() {
    for op in [Pool2d::max(260, 1), Pool2d::average(260, 1)] {
        check(op, &[&[1, 1, 261, 260]], Only("pool"));
    }
    check(Pool2d::average(255, 1), &[&[1, 1, 255, 256]], Only("pool"));
}

#[test]
fn gradients_of_max_pooling() {
    let pool = Pool2d::max(17, 1);
    let mut b = GraphBuilder::new("max pooling");
    let g = b.input("gradient", &[None; 4]);
    let x = b.input("input", &[None; 4]);
    let y = b.node("pool", pool.clone(), &[x]);
    let back = b.node("op", MaxPool2dBackward(pool), &[g, x, y]);
    b.output(back);
    let graph = b.build().unwrap();
    // Every tap is a maximum: all taps before it are searched.
    let inputs = [
        tensor(&Shape::from([1, 1, 20, 20]), 1),
        Tensor::from_fn([1, 1, 36, 36], |_| 1.0),
    ];
    let expected = [("op", Only("max_pool_backward"))];
    Case::new(&graph, &inputs, 7, &expected)
        .factor(8.0)
        .run_on(&unchecked());
}

#[test]
fn gradients_of_small_maps() {
    let gradient: &[usize] = &[1, 1, 300, 300];
    let input = [1, 1];
    let pool = AdaptiveAvgPool2d::new(300, 300);
    check(
        AdaptiveAvgPool2dBackward { pool, input },
        &[gradient],
        Only("adaptive_avg_pool_backward"),
    );
    let upsample = Upsample::bilinear(300.0, false);
    check(
        UpsampleBackward { upsample, input },
        &[gradient],
        Only("upsample_backward"),
    );
}

#[test]
fn convolutions_by_every_algorithm() {
    let mut algorithms = vec![None];
    let names = ["direct", "tiled-128x16", "winograd-4"];
    algorithms.extend(names.map(|name| name.parse::<ConvAlgorithm>().ok()));
    for algorithm in algorithms {
        // Many channels, and many taps.
        prefer(
            Conv2d::new(262_200, 3, 1),
            &[&[1, 262_200, 1, 2]],
            crate::ran::DENSE,
            algorithm,
        );
        prefer(
            Conv2d::new(30_004, 3, 3).padding(1),
            &[&[1, 30_004, 2, 2]],
            crate::ran::DENSE,
            algorithm,
        );
        prefer(
            Conv2d::new(1, 3, 260),
            &[&[1, 1, 262, 261]],
            crate::ran::DENSE,
            algorithm,
        );
    }
}

#[test]
fn grouped_depthwise_and_transposed_convolutions() {
    check(
        Conv2d::new(2, 2, 260).groups(2),
        &[&[1, 2, 261, 260]],
        Only("conv2d_depthwise"),
    );
    check(
        Conv2d::new(6, 6, 150).groups(2),
        &[&[1, 6, 151, 150]],
        Only("conv2d_grouped"),
    );
    check(
        ConvTranspose2d::new(2, 2, 260, 2).groups(2).padding(250),
        &[&[1, 2, 130, 130]],
        Only("conv2d_depthwise_transposed"),
    );
    check(
        ConvTranspose2d::new(66_000, 3, 4, 2).padding(1),
        &[&[1, 66_000, 1, 2]],
        crate::ran::DENSE,
    );
}

#[test]
fn epilogues_follow_the_last_part() {
    let mut b = GraphBuilder::new("epilogue");
    let x = b.image_input("input", 262_200);
    let conv = b.conv2d("conv", x, Conv2d::new(262_200, 4, 1));
    let norm = b.batch_norm("norm", conv, BatchNorm2d::new(4));
    let act = b.activation("act", norm, Activation::Relu);
    let other = b.conv2d("other", x, Conv2d::new(262_200, 4, 1));
    let sum = b.add("sum", act, other);
    let sum = b.activation("relu", sum, Activation::Relu);
    b.output(sum);
    let graph = b.build().unwrap();
    let input = tensor(&Shape::from([1, 262_200, 1, 2]), 3);
    const FUSED: Shaders = NoneOrAnyOf(&["activation", "batch_norm", "binary"]);
    let fused = ["norm", "act", "sum", "relu"].map(|name| (name, FUSED));
    let dense = [("conv", crate::ran::DENSE), ("other", crate::ran::DENSE)];
    let expected = [&dense[..], &fused[..]].concat();
    Case::new(&graph, &[input], 5, &expected)
        .factor(8.0)
        .run_on(&unchecked());
}
