//! Products of two values' matrices.

use proptest::prelude::*;
use shadernet::graph::{Activation, GraphBuilder, MatMul, Rearrange};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{cases, graph_of, tensor};
use crate::ran::Shaders::{NoneOrAnyOf, Only};
use crate::tolerance;

fn check(a: [usize; 3], b: [usize; 3], seed: u64) {
    let shapes = [Shape::from(a), Shape::from(b)];
    let inputs = [tensor(&shapes[0], seed), tensor(&shapes[1], seed + 1)];
    let graph = graph_of(MatMul, &shapes);
    Case::new(&graph, &inputs, seed, &[("op", Only("matmul"))])
        .factor(tolerance::LONG_SUM_FACTOR)
        .run();
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn products(
        batch in 1..4_usize,
        shared in 0..3_usize,
        [m, k, n] in [1..140_usize, 1..70_usize, 1..70_usize],
        seed in 0..1000_u64,
    ) {
        let [batch_a, batch_b] = [[batch, batch], [1, batch], [batch, 1]][shared];
        check([batch_a, m, k], [batch_b, k, n], seed);
    }
}

/// Extents around those of tiles, and those of a vector.
#[test]
fn edges_of_tiles() {
    for m in [1, 3, 4, 63, 64, 65] {
        for [k, n] in [[1, 1], [15, 31], [16, 32], [17, 33]] {
            check([1, m, k], [1, k, n], 3);
        }
    }
}

/// The matrices are slices of channels of a wider value, and pixels that are read as rows.
#[test]
fn parts_of_wider_values() {
    let mut b = GraphBuilder::new("parts");
    let x = b.input("input", &[None; 3]);
    let left = b.activation("left", x, Activation::Relu);
    let right = b.activation("right", x, Activation::Tanh);
    let both = b.concat("both", &[left, right]);
    let shape = Shape::from([2, 8, 6]);
    let order = Rearrange::transpose(&shape, &[0, 2, 1]).unwrap();
    let columns = b.node("columns", order, &[right]);
    let y = b.node("op", MatMul, &[left, columns]);
    b.output(both);
    b.output(y);
    let graph = b.build().unwrap();
    let expected = [
        ("op", Only("matmul")),
        ("columns", NoneOrAnyOf(&["rearrange"])),
    ];
    Case::new(&graph, &[tensor(&shape, 5)], 5, &expected).run();
}

/// NaN reaches the row and the column that it is in, and no other element.
#[test]
fn nan_is_kept() {
    let shapes = [Shape::from([1, 5, 7]), Shape::from([1, 7, 6])];
    let graph = graph_of(MatMul, &shapes);
    let mut values = tensor(&shapes[0], 1).into_data();
    values[10] = f32::NAN;
    let a = Tensor::new(shapes[0].clone(), values).unwrap();
    let b = tensor(&shapes[1], 2);
    Case::new(&graph, &[a, b], 1, &[("op", Only("matmul"))]).run();
}
