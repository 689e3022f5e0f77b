//! Group, layer and instance normalization.

use proptest::prelude::*;
use shadernet::graph::{Activation, GraphBuilder, GroupNorm, NormOver};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{Case, check};
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::{self, Only, Team};

/// A subgroup computes a pixel where there are subgroups; a workgroup computes many pixels.
fn shaders(op: &GroupNorm) -> Shaders {
    match op.over {
        NormOver::Pixel => Team("group_norm"),
        _ => Only("group_norm"),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn group_norm(
        [n, h, w] in extents(),
        groups in 1..6_usize,
        in_group in 1..10_usize,
        over in prop::sample::select(vec![NormOver::Pixel, NormOver::Image, NormOver::Batch]),
        [affine, centered] in any::<[bool; 2]>(),
        seed in 0..1000_u64,
    ) {
        let channels = groups * in_group;
        let op = GroupNorm::new(groups, channels)
            .over(over)
            // So that groups of one number are not divided by almost nothing.
            .eps(0.1)
            .affine(affine)
            .centered(centered);
        let shaders = shaders(&op);
        check(op, [n, channels, h, w], seed, shaders);
    }

    #[test]
    fn rows(rows in 1..5_usize, channels in 1..300_usize, seed in 0..1000_u64) {
        let op = GroupNorm::layer(channels).eps(0.1);
        check(op, [rows, channels], seed, Team("group_norm"));
    }

    #[test]
    fn with_an_activation([n, h, w] in extents(), groups in 1..6_usize, seed in 0..1000_u64) {
        let channels = 6 * groups;
        let op = GroupNorm::new(groups, channels);
        let mut b = GraphBuilder::new("norm");
        let x = b.image_input("input", channels);
        let x = b.node("norm", op.clone(), &[x]);
        let x = b.activation("op", x, Activation::Silu);
        b.output(x);
        let graph = b.build().unwrap();
        let inputs = [tensor(&Shape::from([n, channels, h, w]), seed)];
        Case::new(&graph, &inputs, seed, &[("norm", shaders(&op))]).run();
    }
}

/// The mean of squares less the square of the mean would have no digit left.
#[test]
fn small_differences_of_large_numbers() {
    for op in [
        GroupNorm::layer(40),
        GroupNorm::new(4, 40),
        GroupNorm::instance(40),
    ] {
        let shape = Shape::from([2, 40, 5, 7]);
        let graph = graph_of(op.clone(), std::slice::from_ref(&shape));
        // Exact in float16 too.
        let input = Tensor::from_fn(shape, |i| 1024.0 + (i * 7 % 13) as f32);
        Case::new(&graph, &[input], 3, &[("op", shaders(&op))]).run();
    }
}

#[test]
fn nan_stays_in_its_group() {
    let op = GroupNorm::new(4, 12).eps(0.1);
    let shape = Shape::from([2, 12, 3, 3]);
    let graph = graph_of(op.clone(), std::slice::from_ref(&shape));
    let input = Tensor::from_fn(shape, |i| match i {
        40 => f32::NAN,
        150 => f32::INFINITY,
        i => (i % 11) as f32 - 5.0,
    });
    Case::new(&graph, &[input], 3, &[("op", shaders(&op))]).run();
}

#[test]
fn settings_are_checked() {
    for (op, dims, reason) in [
        (GroupNorm::new(4, 6), vec![1, 6, 2, 2], "4 equal groups"),
        (GroupNorm::new(0, 6), vec![1, 6, 2, 2], "groups"),
        (GroupNorm::layer(5), vec![1, 6, 2, 2], "5 input channels"),
        (GroupNorm::layer(5), vec![1, 5, 2], "[N, C]"),
    ] {
        let mut b = GraphBuilder::new("norm");
        let x = b.input("input", &vec![None; dims.len()]);
        let x = b.node("norm", op, &[x]);
        b.output(x);
        let result = b
            .build()
            .and_then(|graph| graph.infer(&[Shape::from(dims)]));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
