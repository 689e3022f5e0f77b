//! Operators whose output pixels depend on the input pixels at the same positions.

use proptest::prelude::*;
use shadernet::graph::{Activation, BatchNorm2d, Binary, LayerScale, LocalResponseNorm, Softmax};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::{Case, check};
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::{Only, Team};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn batch_norm([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        let op = BatchNorm2d::new(channels).eps(1e-3);
        check(op, [n, channels, h, w], seed, Only("batch_norm"));
        check(LayerScale { channels }, [n, channels, h, w], seed, Only("batch_norm"));
    }

    #[test]
    fn activation([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        for op in ACTIVATIONS {
            check(op, [n, channels, h, w], seed, Only("activation"));
        }
    }

    #[test]
    fn binary(
        [n, h, w] in extents(),
        channels in 1..11_usize,
        broadcast in any::<[bool; 3]>(),
        seed in 0..1000_u64,
    ) {
        let or_one = |i: usize, extent| if broadcast[i] { 1 } else { extent };
        let a = Shape::from([n, channels, h, w]);
        let b = Shape::from([or_one(0, n), channels, or_one(1, h), or_one(2, w)]);
        for op in [Binary::Add, Binary::Sub, Binary::Mul, Binary::Max, Binary::Min] {
            let graph = graph_of(op, &[a.clone(), b.clone()]);
            let inputs = [tensor(&a, seed), tensor(&b, seed + 1)];
            Case::new(&graph, &inputs, seed, &[("op", Only("binary"))]).run();
        }
        // Divisors away from zero, near which errors of the quotient are unbounded.
        let divisor = tensor(&b, seed + 1).map(|v| v.signum() * (v.abs() + 0.5));
        let graph = graph_of(Binary::Div, &[a.clone(), b.clone()]);
        let inputs = [tensor(&a, seed), divisor];
        Case::new(&graph, &inputs, seed, &[("op", Only("binary"))]).run();
    }

    #[test]
    fn local_response_norm(
        [n, h, w] in extents(),
        channels in 1..14_usize,
        size in 1..8_usize,
        beta in 0.25..1.5_f64,
        seed in 0..1000_u64,
    ) {
        let op = LocalResponseNorm { size, alpha: 0.3, beta, k: 1.5 };
        check(op, [n, channels, h, w], seed, Only("local_response_norm"));
    }
}

const ACTIVATIONS: [Activation; 8] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::HardSwish,
    Activation::Silu,
    Activation::Mish,
];

/// Values for which a careless implementation overflows or loses a NaN.
#[test]
fn extreme_values() {
    let values = vec![
        f32::NAN,
        0.0,
        -0.0,
        1e-20,
        6.0,
        6.5,
        -3.0,
        3.0,
        50.0,
        -50.0,
        200.0,
        -200.0,
        3e4,
        -3e4,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let shape = Shape::from([1, values.len(), 1, 1]);
    let input = Tensor::new(shape.clone(), values).unwrap();
    for op in ACTIVATIONS {
        let graph = graph_of(op, std::slice::from_ref(&shape));
        let input = std::slice::from_ref(&input);
        Case::new(&graph, input, 0, &[("op", Only("activation"))]).run();
    }
    // A NaN among the channels makes every probability NaN; large values do not overflow.
    let softmax = [("op", Team("softmax"))];
    let graph = graph_of(Softmax, std::slice::from_ref(&shape));
    Case::new(&graph, &[input], 0, &softmax).run();
    let shape = Shape::from([1, 3, 1, 1]);
    let (infinity, minus) = (f32::INFINITY, f32::NEG_INFINITY);
    for values in [
        [6e4, 5.9e4, -6e4],
        [1.0, infinity, 2.0],
        [minus, 1.0, 2.0],
        [minus; 3],
    ] {
        let input = Tensor::new(shape.clone(), values.to_vec()).unwrap();
        let graph = graph_of(Softmax, std::slice::from_ref(&shape));
        Case::new(&graph, &[input], 0, &softmax).run();
    }
}

/// The maximum and the minimum of a number and NaN are NaN, in either order.
#[test]
fn maximum_and_minimum_propagate_nan() {
    let special = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        2.0,
        -0.0,
    ];
    let pairs = || special.into_iter().flat_map(|a| special.map(|b| (a, b)));
    let shape = Shape::from([1, special.len() * special.len(), 1, 1]);
    let a = Tensor::new(shape.clone(), pairs().map(|(a, _)| a).collect::<Vec<f32>>()).unwrap();
    let b = Tensor::new(shape.clone(), pairs().map(|(_, b)| b).collect::<Vec<f32>>()).unwrap();
    for op in [Binary::Max, Binary::Min] {
        let graph = graph_of(op, &[shape.clone(), shape.clone()]);
        let inputs = [a.clone(), b.clone()];
        Case::new(&graph, &inputs, 0, &[("op", Only("binary"))]).run();
    }
}
