//! Element-wise functions of two values, of which either is broadcast.

use shadernet::graph::{Activation, Binary, GraphBuilder};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{graph_of, tensor};
use crate::ran::Shaders::Only;

const OPERATIONS: [Binary; 18] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Max,
    Binary::Min,
    Binary::Pow,
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

fn check(op: Binary, a: &[usize], b: &[usize]) {
    let shapes = [Shape::from(a), Shape::from(b)];
    let mut inputs = [tensor(&shapes[0], 1), tensor(&shapes[1], 2)];
    match op {
        // Divisors away from zero, near which errors of the quotient are unbounded.
        Binary::Div => inputs[1] = inputs[1].map(|v| v.signum() * (v.abs() + 0.5)),
        // Values that float16 has exactly: the sign depends on whether an exponent is an integer.
        Binary::Pow => {
            inputs[0] = inputs[0].map(|v| v.signum() * ((v.abs() * 16.0).round() / 32.0 + 0.5));
            inputs[1] = inputs[1].map(|v| (v * 4.0).round() / 2.0);
        }
        // Multiples of 1/2, of which many are equal, and 0.
        Binary::Equal
        | Binary::Greater
        | Binary::GreaterOrEqual
        | Binary::Less
        | Binary::LessOrEqual
        | Binary::And
        | Binary::Or
        | Binary::Xor => {
            inputs = inputs.map(|input| input.map(|v| (v * 2.0).round() / 2.0));
        }
        // Integers, of which many are divisible by each other.
        Binary::Remainder | Binary::Fmod | Binary::TruncDiv => {
            inputs[0] = inputs[0].map(|v| (v * 30.0).round());
            inputs[1] = inputs[1].map(|v| v.signum() * ((v.abs() * 4.0).round() + 1.0));
        }
        _ => {}
    }
    let graph = graph_of(op, &shapes);
    Case::new(&graph, &inputs, 1, &[("op", Only("binary"))]).run();
}

/// `shape` with 1 where a bit of `pattern` is set.
fn narrow(shape: &[usize], pattern: usize) -> Vec<usize> {
    let dims = shape.iter().enumerate();
    dims.map(|(axis, &extent)| if pattern >> axis & 1 == 1 { 1 } else { extent })
        .collect()
}

/// Every set of axes along which one is broadcast, on either side and on both at once.
#[test]
fn every_pattern() {
    for shape in [[2, 5, 3, 7], [3, 8, 1, 2], [1, 3, 5, 3]] {
        for pattern in 0..16 {
            let other = narrow(&shape, pattern);
            // All operations take turns.
            for op in [
                OPERATIONS[pattern],
                OPERATIONS[(pattern + 9) % OPERATIONS.len()],
            ] {
                check(op, &shape, &other);
                check(op, &other, &shape);
            }
            let rest = narrow(&shape, !pattern);
            check(Binary::Sub, &other, &rest);
        }
    }
    for op in OPERATIONS {
        check(op, &[2, 5, 3, 7], &[1, 1, 1, 7]);
        check(op, &[1, 5, 3, 1], &[2, 1, 1, 7]);
    }
}

#[test]
fn other_ranks() {
    for (a, b) in [
        (&[][..], &[][..]),
        (&[5], &[1]),
        (&[2, 1], &[1, 7]),
        (&[2, 1, 5], &[2, 6, 1]),
        (&[2, 1, 3, 4, 5], &[1, 6, 1, 4, 5]),
        (&[2, 6, 3, 1, 1, 1], &[2, 1, 3, 2, 3, 2]),
    ] {
        check(Binary::Sub, a, b);
        check(Binary::Mul, b, a);
    }
}

/// A broadcast sum with an activation that is fused, of which one operand is stored in a concatenation.
#[test]
fn fused_and_stored_elsewhere() {
    let mut b = GraphBuilder::new("broadcast");
    let x = b.input("input", &[None; 4]);
    let row = b.input("row", &[None; 4]);
    let left = b.activation("left", x, Activation::Relu);
    let right = b.activation("right", x, Activation::Tanh);
    let both = b.concat("both", &[left, right]);
    let y = b.node("sum", Binary::Sub, &[row, right]);
    let y = b.activation("act", y, Activation::Relu);
    let z = b.node("scaled", Binary::Mul, &[both, row]);
    b.output(y);
    b.output(z);
    let graph = b.build().unwrap();
    let inputs = [[2, 4, 3, 5], [1, 1, 3, 1]].map(|shape| tensor(&Shape::from(shape), 5));
    let expected = [("sum", Only("binary")), ("scaled", Only("binary"))];
    Case::new(&graph, &inputs, 1, &expected).run();
}

/// Signs, limits and NaN.
#[test]
fn powers_and_comparisons_as_in_c() {
    let infinity = f32::INFINITY;
    let bases = [
        f32::NAN,
        0.0,
        -0.0,
        0.75,
        -0.75,
        1.0,
        -1.0,
        1.25,
        -1.25,
        infinity,
        -infinity,
    ];
    let exponents = [
        f32::NAN,
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        3.0,
        0.5,
        -0.5,
        2.5,
        -19.0,
        infinity,
        -infinity,
    ];
    let pairs = || bases.into_iter().flat_map(|a| exponents.map(|b| (a, b)));
    let shape = Shape::from([1, pairs().count(), 1, 1]);
    let a = Tensor::new(shape.clone(), pairs().map(|(a, _)| a).collect::<Vec<f32>>()).unwrap();
    let b = Tensor::new(shape.clone(), pairs().map(|(_, b)| b).collect::<Vec<f32>>()).unwrap();
    let inputs = [a, b];
    for op in OPERATIONS {
        // Drivers differ in the sign of 0, and so of what is divided by it.
        if matches!(op, Binary::Div | Binary::TruncDiv) {
            continue;
        }
        let graph = graph_of(op, &[shape.clone(), shape.clone()]);
        Case::new(&graph, &inputs, 0, &[("op", Only("binary"))]).run();
    }
}
