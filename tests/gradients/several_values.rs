//! Gradients of products of matrices, of chosen elements and of cumulative sums.

use proptest::prelude::*;
use shadernet::graph::{Binary, CumSum, GraphBuilder, MatMul, Where};
use shadernet::tensor::Shape;

use crate::common::ran::Shaders::Only;
use crate::differences::check;
use crate::generate::{cases, graph_of, tensor};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn products(
        batch in 1..3_usize,
        [m, k, n] in [1..7_usize, 1..7_usize, 1..7_usize],
        seed in 0..1000_u64,
    ) {
        let shapes = [Shape::from([batch, m, k]), Shape::from([batch, k, n])];
        let inputs = [tensor(&shapes[0], seed), tensor(&shapes[1], seed + 1)];
        let shaders = [("op.backward.1", Only("matmul")), ("op.backward.3", Only("matmul"))];
        check(&graph_of(MatMul, &shapes), &inputs, seed, &shaders);
    }

    #[test]
    fn cumulative_sums(
        dims in [1..3_usize, 1..6_usize, 1..9_usize],
        exclusive in any::<bool>(),
        reverse in any::<bool>(),
        seed in 0..1000_u64,
    ) {
        let shape = Shape::from(dims);
        let graph = graph_of(CumSum { exclusive, reverse }, std::slice::from_ref(&shape));
        check(&graph, &[tensor(&shape, seed)], seed, &[("op.backward", Only("cum_sum"))]);
    }

    /// The larger of two values, of which one is broadcast over the pixels.
    #[test]
    fn chosen_elements(
        [n, c, h, w] in [1..3_usize, 1..6_usize, 1..4_usize, 1..4_usize],
        seed in 0..1000_u64,
    ) {
        let mut b = GraphBuilder::new("larger");
        let x = b.input("x", &[None; 4]);
        let y = b.input("y", &[None; 4]);
        let condition = b.node("condition", Binary::Greater, &[x, y]);
        let larger = b.node("op", Where, &[condition, x, y]);
        b.output(larger);
        let graph = b.build().unwrap();
        let inputs = [[n, c, h, w], [n, c, 1, 1]].map(|shape| tensor(&Shape::from(shape), seed));
        let [x, y] = inputs;
        // Apart from each other by more than a step, in float16 as well.
        let [x, y] = [x.map(|v| (v * 8.0).round() / 8.0), y.map(|v| (v * 8.0).round() / 8.0 + 0.0625)];
        let shaders = [("op.backward.1", Only("where")), ("op.backward.2", Only("where"))];
        check(&graph, &[x, y], seed, &shaders);
    }
}
