//! Gradients of element-wise functions of two values, broadcast along any axes.

use proptest::prelude::*;
use shadernet::graph::{Binary, Graph, GraphBuilder, Seed};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::Shaders::{NoneOrAnyOf, Only};
use crate::common::tolerance::gradient;
use crate::differences::{check, check_within};
use crate::generate::{cases, graph_of, tensor};

/// Two shapes of a rank that broadcast to each other, along each axis as `broadcast` says.
fn shapes(dims: &[usize], broadcast: &[u8]) -> [Shape; 2] {
    let own = |which: u8| -> Vec<usize> {
        let axes = dims.iter().zip(broadcast);
        axes.map(|(dim, broadcast)| if *broadcast == which { 1 } else { *dim })
            .collect()
    };
    [own(1), own(2)].map(Shape::from)
}

/// Multiples of 1/16 in 0.5..4.5, exact in float16. Those of different seeds differ, so that no two are equal.
fn positive(shape: &Shape, seed: u64, shift: f32) -> Tensor {
    tensor(shape, seed).map(|v| (v.abs() * 32.0).round() / 16.0 + 0.5 + shift)
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn functions(
        dims in prop::collection::vec(1..5_usize, 1..5),
        broadcast in [0..3_u8, 0..3, 0..3, 0..3],
        seed in 0..1000_u64,
    ) {
        let shapes = shapes(&dims, &broadcast);
        for op in [
            Binary::Add,
            Binary::Sub,
            Binary::Mul,
            Binary::Div,
            Binary::Max,
            Binary::Min,
            Binary::Pow,
        ] {
            // Bases and exponents of a moderate size, so that powers fit float16.
            let scale = if op == Binary::Pow { 0.5 } else { 1.0 };
            let inputs = [
                positive(&shapes[0], seed, 0.0).map(|v| v * scale),
                positive(&shapes[1], seed + 1, 1.0 / 32.0).map(|v| v * scale),
            ];
            // The first node may be a sum over what was broadcast.
            let shaders = [("op.backward", NoneOrAnyOf(&[
                "binary",
                "rearrange",
                "reduce_channels",
                "reduce_space",
                "reduce_space_subgroup",
                "unary",
            ]))];
            check_within(&graph_of(op, &shapes), &inputs, seed, &shaders, gradient::BLOCK_F16);
        }
    }

    /// Away from multiples of the divisor, where they jump.
    #[test]
    fn remainders(dims in [1..4_usize, 1..5, 1..4, 1..4], seed in 0..1000_u64) {
        let shapes = [Shape::from(dims), Shape::from([1, dims[1], 1, 1])];
        let b = positive(&shapes[1], seed, 1.0);
        let quotients = tensor(&shapes[0], seed + 1).map(|v| (v * 4.0).floor() + 0.5);
        let plane = dims[2] * dims[3];
        let a = Tensor::from_fn(shapes[0].clone(), |i| {
            quotients.data()[i] * b.data()[i / plane % dims[1]]
        });
        for op in [Binary::Remainder, Binary::Fmod] {
            let inputs = [a.clone(), b.clone()];
            // The quotient, and the one that is rounded.
            let shaders = [("op.backward", Only("binary")), ("op.backward.1", Only("unary"))];
            check(&graph_of(op, &shapes), &inputs, seed, &shaders);
        }
    }
}

/// Where both are equal, each of them gets half, as in PyTorch.
#[test]
fn equal_values_share_the_gradient() {
    let shape = Shape::from([1, 3]);
    for op in [Binary::Max, Binary::Min] {
        let graph = graph_of(op, &[shape.clone(), shape.clone()]);
        let inputs = [
            Tensor::new([1, 3], vec![1.0, 2.0, 3.0]).unwrap(),
            Tensor::new([1, 3], vec![1.0, 3.0, 2.0]).unwrap(),
        ];
        let gradients = gradients_of_sum(&graph, &inputs);
        let (a, b) = match op {
            Binary::Max => ([0.5, 0.0, 1.0], [0.5, 1.0, 0.0]),
            _ => ([0.5, 1.0, 0.0], [0.5, 0.0, 1.0]),
        };
        assert_eq!(gradients[0].data(), a);
        assert_eq!(gradients[1].data(), b);
    }
}

/// The power 0 of 0 has a gradient of 0 with respect to the exponent, not that of a logarithm.
#[test]
fn powers_of_zero() {
    let shape = Shape::from([1, 2]);
    let graph = graph_of(Binary::Pow, &[shape.clone(), shape]);
    let inputs = [
        Tensor::new([1, 2], vec![0.0, 2.0]).unwrap(),
        Tensor::new([1, 2], vec![2.0, 3.0]).unwrap(),
    ];
    let gradients = gradients_of_sum(&graph, &inputs);
    assert_eq!(gradients[0].data(), [0.0, 12.0]);
    assert_eq!(gradients[1].data()[0], 0.0);
}

/// The gradients of the sum of the outputs, of the reference backend.
fn gradients_of_sum(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let (output, targets) = (graph.outputs()[0], graph.inputs());
    let with = graph
        .with_gradients(&shapes, output, Seed::Input, targets, Default::default())
        .unwrap();
    let weights = crate::generate::weights_for(&with, 0);
    let reference = shadernet::reference::Reference::<f32>::new(&with, &weights).unwrap();
    let seed = Tensor::from_fn(shapes[0].clone(), |_| 1.0);
    let given: Vec<Tensor> = inputs.iter().cloned().chain([seed]).collect();
    reference.run(&given).unwrap().split_off(1)
}

/// Nothing is propagated through a comparison, but through the other readers of its inputs.
#[test]
fn comparisons_propagate_nothing() {
    let mut b = GraphBuilder::new("comparison");
    let x = b.input("x", &[Some(1), Some(3)]);
    let y = b.input("y", &[Some(1), Some(3)]);
    let above = b.node("above", Binary::Greater, &[x, y]);
    let product = b.node("product", Binary::Mul, &[x, above]);
    b.output(product);
    let graph = b.build().unwrap();
    let inputs = [
        Tensor::new([1, 3], vec![1.0, 2.0, 3.0]).unwrap(),
        Tensor::new([1, 3], vec![2.0, 1.0, 1.0]).unwrap(),
    ];
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let refused = graph.with_gradients(&shapes, product, Seed::Input, &[y], Default::default());
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("no gradient reaches it"), "{error}");
    let with = graph
        .with_gradients(&shapes, product, Seed::Input, &[x], Default::default())
        .unwrap();
    let weights = crate::generate::weights_for(&with, 0);
    let reference = shadernet::reference::Reference::<f32>::new(&with, &weights).unwrap();
    let seed = Tensor::from_fn([1, 3], |_| 1.0);
    let outputs = reference.run(&[&inputs[..], &[seed]].concat()).unwrap();
    assert_eq!(outputs[1].data(), [0.0, 1.0, 1.0]);
}
