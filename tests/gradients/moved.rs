//! Gradients of operators that move, repeat or leave out elements.

use proptest::prelude::*;
use shadernet::graph::{ChannelShuffle, Factor, Gather, Rearrange, Reorg, Seed, Unflatten};
use shadernet::tensor::Shape;

use crate::common::ran::Shaders::{self, NoneOrAnyOf, Only};
use crate::differences::check;
use crate::generate::{cases, graph_of, tensor};

/// An operator of one input of this shape. `shaders` compute the backward node `node`.
fn one(
    op: impl Into<shadernet::graph::Op>,
    shape: &Shape,
    seed: u64,
    (node, shaders): (&str, Shaders),
) {
    let graph = graph_of(op, std::slice::from_ref(shape));
    check(&graph, &[tensor(shape, seed)], seed, &[(node, shaders)]);
}

/// The first backward node, which may keep the elements' order.
const MOVED: (&str, Shaders) = ("op.backward", NoneOrAnyOf(&["flatten", "pad", "rearrange"]));

/// Behind one that adds a row.
const GATHERED: (&str, Shaders) = ("op.backward.2", Only("gather"));

proptest! {
    #![proptest_config(cases())]

    /// Elements are left out before, between and behind others, and in reverse order.
    #[test]
    fn slices(
        dims in prop::collection::vec(1..7_usize, 1..5),
        choices in prop::collection::vec((0..7_usize, 1..4_isize, any::<bool>(), 1..7_usize), 4),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from(dims.clone());
        let (mut starts, mut steps, mut extents) = (Vec::new(), Vec::new(), Vec::new());
        for (&dim, &(start, step, reverse, extent)) in dims.iter().zip(&choices) {
            let start = start % dim;
            let room = if reverse { start } else { dim - 1 - start };
            extents.push(extent.min(room / step.unsigned_abs() + 1));
            starts.push(start);
            steps.push(if reverse { -step } else { step });
        }
        one(Rearrange::slice(&shape, &starts, &steps, &extents).unwrap(), &shape, seed, MOVED);
    }

    #[test]
    fn expansions(
        dims in prop::collection::vec((1..5_usize, any::<bool>()), 1..5),
        leading in 0..2_usize,
        seed in 0..1000_u64,
    ) {
        let own: Vec<usize> = dims.iter().map(|(dim, is_one)| if *is_one { 1 } else { *dim }).collect();
        let mut wide = vec![3; leading];
        wide.extend(dims.iter().map(|(dim, _)| *dim));
        let (own, wide) = (Shape::from(own), Shape::from(wide));
        one(Rearrange::expand(&own, &wide).unwrap(), &own, seed, MOVED);
    }

    #[test]
    fn reorganized(n in 1..3_usize, [c, h, w] in [1..3_usize, 1..4, 1..4], stride in 1..4_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, c * stride * stride, h * stride, w * stride]);
        one(Reorg { stride }, &shape, seed, MOVED);
        one(ChannelShuffle { groups: stride }, &shape, seed, MOVED);
        one(Unflatten { dims: [c, h, w] }, &Shape::from([n, c * h * w]), seed, MOVED);
    }

    /// Elements that are taken several times, and others never.
    #[test]
    fn gathered(
        dims in [1..4_usize, 1..6, 1..4, 1..4],
        axis in 0..4_usize,
        indices in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from(dims);
        let of = |count: usize| -> Vec<u32> {
            indices.iter().map(|index| index.index(count) as u32).collect()
        };
        one(Gather::along(&shape, axis, of(dims[axis]).into()).unwrap(), &shape, seed, GATHERED);
        let elements = of(shape.len());
        let output = Shape::from([1, elements.len()]);
        one(Gather::elements(&shape, output, elements.into()).unwrap(), &shape, seed, GATHERED);
    }
}

/// Repeated and left out elements at once, in a permuted order.
#[test]
fn rearrangements_of_all_kinds() {
    let input = Shape::from([2, 3, 8]);
    let factors = [(2, 0), (3, 8), (2, 24), (3, 0), (2, -3)];
    let factors = factors.map(|(extent, stride)| Factor { extent, stride });
    let output = Shape::from([6, 2, 6]);
    let op = Rearrange::new(input.clone(), output, factors.to_vec(), 6).unwrap();
    one(op, &input, 3, MOVED);
}

/// Windows that overlap have no gradient, and say so.
#[test]
fn overlapping_windows_are_refused() {
    let input = Shape::from([1, 8]);
    let factors = [(3, 2), (4, 1)].map(|(extent, stride)| Factor { extent, stride });
    let op = Rearrange::new(input.clone(), Shape::from([3, 4]), factors.to_vec(), 0).unwrap();
    let graph = graph_of(op, std::slice::from_ref(&input));
    let (output, inputs) = (graph.outputs()[0], graph.inputs());
    let with = graph.with_gradients(&[input], output, Seed::Input, inputs, Default::default());
    let error = with.unwrap_err().to_string();
    assert!(error.contains("overlapping windows"), "{error}");
}

#[test]
fn elements_that_are_gathered_too_often_are_refused() {
    let input = Shape::from([1, 8]);
    let op = Gather::along(&input, 1, vec![3; 40].into()).unwrap();
    let graph = graph_of(op, std::slice::from_ref(&input));
    let (output, inputs) = (graph.outputs()[0], graph.inputs());
    let with = graph.with_gradients(&[input], output, Seed::Input, inputs, Default::default());
    let error = with.unwrap_err().to_string();
    assert!(error.contains("40 times"), "{error}");
}
