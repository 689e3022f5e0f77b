//! The gradients of element-wise functions beyond activations.

use proptest::prelude::*;
use shadernet::graph::{GradientRule, Seed, Unary};
use shadernet::tensor::{Shape, Tensor};

use crate::common::ran::Shaders::Only;
use crate::differences::check;
use crate::generate::{cases, extents, graph_of, tensor};

/// Odd multiples of 1/128 in -8..8: float16 has them exactly, and no kink of a function is there.
fn off_kinks(shape: &Shape, seed: u64) -> Tensor {
    tensor(shape, seed).map(|v| ((v * 255.0).round() + 0.5) / 64.0)
}

fn one(op: Unary, x: &Tensor, seed: u64) {
    let expected = [("op.backward", Only("unary_backward"))];
    let graph = graph_of(op, std::slice::from_ref(x.shape()));
    check(&graph, std::slice::from_ref(x), seed, &expected);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn functions([n, h, w] in extents(), channels in 1..7_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h.min(4), w.min(4)]);
        let x = off_kinks(&shape, seed);
        for op in [
            Unary::Elu { alpha: 1.5 },
            Unary::Selu { alpha: 1.6732632, gamma: 1.050701 },
            Unary::Celu { alpha: 0.5 },
            Unary::Gelu,
            Unary::GeluTanh,
            Unary::Erf,
            Unary::Softplus,
            Unary::Softsign,
            Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
            Unary::Swish { alpha: 1.7 },
            Unary::ThresholdedRelu { alpha: 1.0 },
            Unary::Pow { exponent: 2.0 },
            Unary::Pow { exponent: 3.0 },
            Unary::Abs,
            Unary::Neg,
            Unary::Clip { min: -1.5, max: 2.25 },
            Unary::Affine { scale: -0.75, offset: 3.0 },
            Unary::Sin,
            Unary::Cos,
            Unary::Atan,
            Unary::Asinh,
            Unary::Shrink { lambda: 1.5, bias: 0.5 },
        ] {
            one(op, &x, seed);
        }
        let small = x.map(|x| x / 8.0);
        for op in [Unary::Tan, Unary::Asin, Unary::Acos, Unary::Sinh, Unary::Cosh, Unary::Atanh] {
            // Away from -1 and 1, where some derivatives are infinite.
            one(op, &small.map(|x| x * 0.75), seed);
        }
        one(Unary::Exp, &x.map(|x| x / 2.0), seed);
        let positive = x.map(|x| x.abs() + 1.5);
        for op in [
            Unary::Log,
            Unary::Sqrt,
            Unary::Reciprocal,
            Unary::Acosh,
            Unary::Pow { exponent: -1.5 },
            Unary::Pow { exponent: 0.0 },
        ] {
            one(op, &positive, seed);
        }
    }
}

/// Nothing is propagated through functions that are constant in pieces.
#[test]
fn constant_pieces_have_no_gradient() {
    let shape = Shape::from([1, 4]);
    for op in [Unary::Floor, Unary::Sign, Unary::Not] {
        let graph = graph_of(op, std::slice::from_ref(&shape));
        let shapes = std::slice::from_ref(&shape);
        let (output, inputs) = (graph.outputs()[0], graph.inputs());
        let with =
            graph.with_gradients(shapes, output, Seed::Input, inputs, GradientRule::Gradient);
        let error = with.unwrap_err().to_string();
        assert!(error.contains("no gradient reaches it"), "{error}");
    }
}

/// Guided backpropagation and the deconvnet treat ELU as they do ReLU, and the exponential as its gradient.
#[test]
fn rectifiers_follow_the_rule() {
    let shape = [Shape::from([1, 4])];
    let nodes = |op: Unary, rule: GradientRule| -> Vec<&'static str> {
        let graph = graph_of(op, &shape);
        let (output, inputs) = (graph.outputs()[0], graph.inputs());
        let with = graph.with_gradients(&shape, output, Seed::Input, inputs, rule);
        let with = with.unwrap();
        let added = with.nodes()[graph.nodes().len() + 1..].iter();
        added.map(|node| node.op().as_operator().kind()).collect()
    };
    let elu = Unary::Elu { alpha: 1.0 };
    let derivative = ["UnaryBackward"];
    assert_eq!(nodes(elu, GradientRule::Gradient), derivative);
    assert_eq!(nodes(elu, GradientRule::Guided), ["ReLU", "UnaryBackward"]);
    assert_eq!(nodes(elu, GradientRule::Deconvnet), ["ReLU"]);
    assert_eq!(nodes(Unary::Exp, GradientRule::Guided), derivative);
    assert_eq!(nodes(Unary::Exp, GradientRule::Deconvnet), derivative);
}
