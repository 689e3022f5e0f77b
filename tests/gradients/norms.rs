//! Gradients of normalizations, softmax, reductions and norms of windows.

use proptest::prelude::*;
use shadernet::graph::{
    GroupNorm, NormOver, Op, Pool2d, PoolKind, Reduce, ReduceKind, ReduceOver, Softmax,
};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::Shaders::{self, NoneOrAnyOf, Only, Team};
use crate::common::tolerance::gradient;
use crate::differences::check_within;
use crate::generate::{cases, extents, graph_of, tensor};

/// An operator of one input. `shaders` compute its node `op.backward`.
fn one(op: impl Into<Op>, input: Tensor, seed: u64, shaders: Shaders) {
    let graph = graph_of(op, std::slice::from_ref(input.shape()));
    check_within(
        &graph,
        &[input],
        seed,
        &[("op.backward", shaders)],
        gradient::BLOCK_F16,
    );
}

/// Distinct multiples of 1/16, none of them 0.
fn distinct(shape: &Shape, seed: u64) -> Tensor {
    let random = tensor(shape, seed);
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by(|a, b| random.data()[*a].total_cmp(&random.data()[*b]));
    let mut values = vec![0.0; shape.len()];
    for (rank, at) in order.into_iter().enumerate() {
        values[at] = (rank as f32 - (shape.len() / 2) as f32 + 0.5) / 16.0;
    }
    Tensor::new(shape.clone(), values).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn groups(
        [n, h, w] in extents(),
        groups in 1..5_usize,
        in_group in 1..8_usize,
        over in prop::sample::select(vec![NormOver::Pixel, NormOver::Image, NormOver::Batch]),
        [affine, centered] in any::<[bool; 2]>(),
        seed in 0..1000_u64,
    ) {
        let channels = groups * in_group;
        let op = GroupNorm::new(groups, channels).over(over).eps(0.1).affine(affine).centered(centered);
        let shaders = match over {
            NormOver::Pixel => Team("group_norm_backward"),
            _ => Only("group_norm_backward"),
        };
        let shape = Shape::from([n, channels, h.min(4), w.min(4)]);
        one(op, tensor(&shape, seed), seed, shaders);
        let op = GroupNorm::layer(channels).eps(0.1);
        one(op, tensor(&Shape::from([n, channels]), seed), seed, Team("group_norm_backward"));
    }

    #[test]
    fn softmax(
        dims in prop::collection::vec(1..6_usize, 2..6),
        seed in 0..1000_u64,
    ) {
        // The product of gradient and output, behind a node that only changes the shape.
        let shaders = NoneOrAnyOf(&["binary", "rearrange", "unflatten"]);
        one(Softmax, tensor(&Shape::from(dims), seed), seed, shaders);
    }

    #[test]
    fn reductions([n, h, w] in extents(), channels in 1..9_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h.min(4), w.min(4)]);
        for over in [ReduceOver::Space, ReduceOver::Channels] {
            for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min] {
                let shaders = match (over, kind) {
                    (ReduceOver::Space, ReduceKind::Sum) => Only("upsample"),
                    (ReduceOver::Space, ReduceKind::Mean) => Only("adaptive_avg_pool_backward"),
                    (ReduceOver::Space, ReduceKind::Max) => Only("max_pool_backward"),
                    (_, ReduceKind::Sum) => NoneOrAnyOf(&["rearrange"]),
                    (_, ReduceKind::Mean) => Only("unary"),
                    _ => Only("binary"),
                };
                one(Reduce { kind, over }, distinct(&shape, seed), seed, shaders);
            }
        }
    }

    #[test]
    fn norms_of_windows(
        [n, h, w] in extents(),
        channels in 1..5_usize,
        p in 1..4_u32,
        ([kernel_h, kernel_w], [stride_h, stride_w], dilation) in ([1..4_usize, 1..4], [1..4_usize, 1..4], 1..3_usize),
        ceil_mode in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let pool = Pool2d::new(PoolKind::Lp { p }, 1)
            .kernel_hw(kernel_h, kernel_w)
            .stride_hw(stride_h, stride_w)
            .dilation_hw(dilation, dilation)
            .padding([(kernel_h - 1).min(1), 0, (kernel_w - 1).min(1), 0])
            .ceil_mode(ceil_mode);
        let shape = Shape::from([n, channels, h.min(6), w.min(6)]);
        prop_assume!(graph_of(pool.clone(), std::slice::from_ref(&shape)).infer(std::slice::from_ref(&shape)).is_ok());
        // Not so small that float16 loses the powers.
        let input = distinct(&shape, seed).map(|v| v.signum() * (v.abs() % 3.0 + 0.5));
        one(pool, input, seed, Only("unary"));
    }
}
