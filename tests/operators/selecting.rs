//! Elements that are chosen: by a condition, by rank, by indices; and cumulative sums.

use proptest::prelude::*;
use shadernet::graph::{CumSum, Gather, TopK, TopKOutput, Where};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::Only;

/// Some of few values, so that many are equal, and 0.
fn coarse(shape: &Shape, seed: u64) -> Tensor {
    tensor(shape, seed).map(|v| (v * 2.0).round() / 2.0)
}

/// Values that float16 distinguishes.
fn exact(shape: &Shape, seed: u64) -> Tensor {
    tensor(shape, seed).map(|v| (v * 256.0).round() / 256.0)
}

fn check_where(condition: &[usize], a: &[usize], b: &[usize]) {
    let shapes = [condition, a, b].map(Shape::from);
    let inputs = [
        coarse(&shapes[0], 1).map(|v| v.trunc()),
        tensor(&shapes[1], 2),
        tensor(&shapes[2], 3),
    ];
    let graph = graph_of(Where, &shapes);
    Case::new(&graph, &inputs, 1, &[("op", Only("where"))]).run();
}

#[test]
fn conditions() {
    let whole = &[2, 5, 3, 7][..];
    check_where(whole, whole, whole);
    check_where(&[1, 1, 3, 7], whole, &[1, 1, 1, 1]);
    check_where(&[2, 1, 1, 7], &[1, 5, 1, 1], &[1, 5, 3, 1]);
    check_where(&[1, 5, 1, 1], &[1, 1, 1, 1], whole);
    check_where(&[4, 1], &[1, 6], &[4, 6]);
    check_where(&[], &[], &[]);
}

fn check_top_k(op: TopK, input: Tensor) {
    let graph = graph_of(op, std::slice::from_ref(input.shape()));
    Case::new(&graph, &[input], 1, &[("op", Only("top_k_channels"))]).run();
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn ranks(
        [n, h, w] in extents(),
        channels in 1..90_usize,
        k in 1..12_usize,
        largest in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from([n, channels, h.min(6), w.min(6)]);
        let k = k.min(channels);
        for output in [TopKOutput::Values, TopKOutput::Indices] {
            check_top_k(TopK { k, largest, output }, exact(&shape, seed));
            check_top_k(TopK { k, largest, output }, coarse(&shape, seed));
        }
    }

    #[test]
    fn indices(
        dims in prop::collection::vec(1..6_usize, 1..6),
        axis in 0..6_usize,
        indices in prop::collection::vec(0..1000_u32, 1..9),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from(dims);
        let axis = axis % shape.rank();
        let count = shape.dims()[axis] as u32;
        let along: Vec<u32> = indices.iter().map(|index| index % count).collect();
        check_gather(&Gather::along(&shape, axis, along.into()).unwrap(), seed);
        let any: Vec<u32> = indices.iter().map(|index| index % shape.len() as u32).collect();
        let output = Shape::from([1, any.len(), 1]);
        check_gather(&Gather::elements(&shape, output, any.into()).unwrap(), seed);
    }

    #[test]
    fn cumulative_sums(
        [n, channels, len] in [1..4_usize, 1..11_usize, 1..40_usize],
        exclusive in any::<bool>(),
        reverse in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        check_cum_sum(CumSum { exclusive, reverse }, [n, channels, len], seed);
    }
}

/// Many channels, for which a whole workgroup searches one pixel.
#[test]
fn ranks_of_many_channels() {
    for channels in [255, 256, 300, 1000] {
        for output in [TopKOutput::Values, TopKOutput::Indices] {
            for (k, largest) in [(1, true), (7, false)] {
                let op = TopK { k, largest, output };
                check_top_k(op, exact(&Shape::from([3, channels]), 4));
            }
        }
    }
}

/// All elements in order, of which some are NaN and infinite.
#[test]
fn ranks_of_special_values() {
    let values = [
        1.0,
        f32::NAN,
        f32::NEG_INFINITY,
        0.0,
        f32::INFINITY,
        -0.0,
        f32::NAN,
        -2.0,
        f32::NEG_INFINITY,
    ];
    let input = Tensor::new([1, values.len()], values.to_vec()).unwrap();
    for largest in [true, false] {
        for output in [TopKOutput::Values, TopKOutput::Indices] {
            let op = TopK {
                k: values.len(),
                largest,
                output,
            };
            check_top_k(op, input.clone());
        }
    }
}

fn check_gather(op: &Gather, seed: u64) {
    let graph = graph_of(op.clone(), std::slice::from_ref(&op.input));
    let input = tensor(&op.input, seed);
    Case::new(&graph, &[input], seed, &[("op", Only("gather"))]).run();
}

fn check_cum_sum(op: CumSum, shape: [usize; 3], seed: u64) {
    let shape = Shape::from(shape);
    let graph = graph_of(op, std::slice::from_ref(&shape));
    let input = tensor(&shape, seed);
    // Forty values are added.
    Case::new(&graph, &[input], seed, &[("op", Only("cum_sum"))])
        .factor(2.0)
        .run();
}
