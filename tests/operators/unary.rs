//! Element-wise functions beyond activations, and their gradients.

use proptest::prelude::*;
use shadernet::graph::{Op, Unary, UnaryBackward};
use shadernet::tensor::{Shape, Tensor};

use crate::compare::Case;
use crate::generate::{cases, extents, graph_of, tensor};
use crate::ran::Shaders::Only;

const SELU: Unary = Unary::Selu {
    alpha: 1.673_263_2,
    gamma: 1.050_701,
};

/// Functions of all numbers whose values are not much larger than these.
const BOUNDED: [Unary; 38] = [
    Unary::Elu { alpha: 1.5 },
    SELU,
    Unary::Celu { alpha: 0.5 },
    Unary::Gelu,
    Unary::GeluTanh,
    Unary::Erf,
    Unary::Softplus,
    Unary::Softsign,
    Unary::HardSigmoid {
        alpha: 0.2,
        beta: 0.5,
    },
    Unary::Swish { alpha: 1.7 },
    Unary::Swish { alpha: -0.5 },
    Unary::ThresholdedRelu { alpha: 1.0 },
    Unary::Abs,
    Unary::Neg,
    Unary::Floor,
    Unary::Ceil,
    Unary::Round,
    Unary::Sign,
    Unary::Sin,
    Unary::Cos,
    Unary::Clip {
        min: -1.5,
        max: 2.25,
    },
    Unary::Clip {
        min: f32::NEG_INFINITY,
        max: 3.0,
    },
    Unary::Clip {
        min: 0.5,
        max: f32::INFINITY,
    },
    // The upper bound wins.
    Unary::Clip {
        min: 2.0,
        max: -1.0,
    },
    Unary::Affine {
        scale: -0.75,
        offset: 3.0,
    },
    Unary::Shrink {
        lambda: 1.5,
        bias: 0.25,
    },
    Unary::Shrink {
        lambda: 0.0,
        bias: -0.5,
    },
    // Multiples of 1/64 by 1/4: halves are rounded too, and 40 is beyond the bounds.
    Unary::Quantize {
        scale: 0.25,
        min: -21.0,
        max: 27.0,
    },
    Unary::FakeQuantize {
        scale: 0.25,
        min: -21.0,
        max: 27.0,
    },
    Unary::Trunc,
    Unary::Atan,
    Unary::Asinh,
    Unary::IsNan,
    Unary::IsInf {
        positive: true,
        negative: true,
    },
    Unary::IsInf {
        positive: true,
        negative: false,
    },
    Unary::IsInf {
        positive: false,
        negative: true,
    },
    Unary::Not,
    Unary::ToBool,
];

const EXPONENTS: [f32; 14] = [
    0.0, 1.0, 2.0, 3.0, -1.0, -2.0, -3.0, 0.5, -0.5, 2.5, -1.25, 17.0, -18.0, 21.0,
];

fn power(exponent: f32) -> Unary {
    Unary::Pow { exponent }
}

fn has_gradient(op: Unary) -> bool {
    let operator = Op::from(UnaryBackward(op));
    operator.as_operator().check(2).is_ok()
}

/// Multiples of 1/64 in -8..8, which float16 has exactly: a function may jump, or be steep.
fn exact(shape: &Shape, seed: u64) -> Tensor {
    tensor(shape, seed).map(|v| (v * 256.0).round() / 64.0)
}

/// The function of `x`, and its gradient there if it has one.
fn check(op: Unary, x: &Tensor) {
    let shape = x.shape().clone();
    let graph = graph_of(op, std::slice::from_ref(&shape));
    Case::new(&graph, std::slice::from_ref(x), 0, &[("op", Only("unary"))]).run();
    if has_gradient(op) {
        check_gradient(op, x);
    }
}

fn check_gradient(op: Unary, x: &Tensor) {
    let shape = x.shape().clone();
    let inputs = [tensor(&shape, 1), x.clone()];
    let graph = graph_of(UnaryBackward(op), &[shape.clone(), shape]);
    Case::new(&graph, &inputs, 0, &[("op", Only("unary_backward"))]).run();
}

fn list(values: &[f32]) -> Tensor {
    Tensor::new([1, values.len(), 1, 1], values.to_vec()).unwrap()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn functions([n, h, w] in extents(), channels in 1..11_usize, seed in 0..1000_u64) {
        let shape = Shape::from([n, channels, h.min(6), w.min(6)]);
        let x = exact(&shape, seed);
        for op in BOUNDED {
            check(op, &x);
        }
        check(Unary::Exp, &x.map(|x| x / 2.0));
        check(Unary::Tan, &x);
        check(Unary::Sinh, &x.map(|x| x / 2.0));
        check(Unary::Cosh, &x.map(|x| x / 2.0));
        check(Unary::Asin, &x.map(|x| x / 8.0));
        check(Unary::Acos, &x.map(|x| x / 8.0));
        check(Unary::Acosh, &x.map(|x| x.abs() + 1.0));
        // The inverse of the hyperbolic tangent has poles at the ends.
        check(Unary::Atanh, &x.map(|x| x / 10.0));
        // Away from poles, and from 0 where other powers than integer ones are not defined.
        let positive = x.map(|x| x.abs() / 4.0 + 0.5);
        check(Unary::Log, &positive);
        check(Unary::Sqrt, &positive);
        check(Unary::Reciprocal, &x.map(|x| x.signum() * (x.abs() + 0.5)));
        for exponent in EXPONENTS {
            // Up to 1.25, whose power of 21 is 100.
            let small = positive.map(|x| (x - 0.5) / 4.0 + 0.75);
            check(power(exponent), &small);
            if exponent == exponent.floor() {
                check(power(exponent), &small.map(|x| -x));
            }
        }
    }
}

const INFINITY: f32 = f32::INFINITY;

/// Values for which a careless implementation overflows or loses a NaN.
const EXTREME: [f32; 19] = [
    f32::NAN,
    0.0,
    -0.0,
    0.5,
    2.5,
    -1.5,
    6.5,
    -6.5,
    12.0,
    -12.0,
    50.0,
    -50.0,
    200.0,
    -200.0,
    3e4,
    -3e4,
    INFINITY,
    -INFINITY,
    -f32::NAN,
];

#[test]
fn extreme_values() {
    for op in BOUNDED {
        check_value(op, &list(&EXTREME));
    }
    let finite: Vec<f32> = EXTREME.into_iter().filter(|x| !x.is_infinite()).collect();
    for op in BOUNDED.into_iter().filter(|op| has_gradient(*op)) {
        check_gradient(op, &list(&finite));
    }
    check_value(Unary::Sqrt, &list(&EXTREME));
    for op in [
        Unary::Tan,
        Unary::Asin,
        Unary::Acos,
        Unary::Acosh,
        Unary::Atanh,
    ] {
        check_value(op, &list(&EXTREME));
    }
    check_value(Unary::Atanh, &list(&[1.0, -1.0, 0.5, -0.5]));
    check_value(Unary::Acosh, &list(&[1.0, 1.5, 1.25]));
    // Quotients by the negative zero, whose sign drivers may drop, are left out.
    let nonzero: Vec<f32> = EXTREME.into_iter().filter(|x| *x != 0.0).collect();
    check_gradient(Unary::Sqrt, &list(&nonzero));
    check(Unary::Reciprocal, &list(&nonzero));
    check_value(Unary::Reciprocal, &list(&[0.0]));
    check(Unary::Log, &list(&nonzero));
    check_value(Unary::Log, &list(&[0.0, -0.0, 1.0 / 16384.0, 6e4]));
    let exponents = [
        f32::NAN,
        0.0,
        10.0,
        9.0,
        -10.0,
        -60.0,
        -200.0,
        -3e4,
        3e4,
        INFINITY,
        -INFINITY,
    ];
    check(Unary::Exp, &list(&exponents));
    // Of values within float16, or beyond float64.
    let arguments = exponents.map(|x| {
        if [-60.0, -200.0].contains(&x) {
            x / 25.0
        } else {
            x
        }
    });
    check(Unary::Sinh, &list(&arguments));
    check(Unary::Cosh, &list(&arguments));
}

fn check_value(op: Unary, x: &Tensor) {
    let graph = graph_of(op, std::slice::from_ref(x.shape()));
    Case::new(&graph, std::slice::from_ref(x), 0, &[("op", Only("unary"))]).run();
}

/// 0, infinity and negative bases, to integer and other powers.
#[test]
fn powers_as_in_c() {
    let bases = [
        f32::NAN,
        0.0,
        0.75,
        -0.75,
        1.0,
        -1.0,
        1.25,
        -1.25,
        INFINITY,
        -INFINITY,
    ];
    for exponent in EXPONENTS {
        check_value(power(exponent), &list(&bases));
    }
}

#[test]
fn settings_are_checked() {
    let refused = |op: Unary| {
        let operator = Op::from(op);
        operator.as_operator().check(1).unwrap_err()
    };
    assert!(refused(Unary::Celu { alpha: 0.0 }).contains("alpha is 0"));
    assert!(refused(power(f32::NAN)).contains("exponent is NaN"));
    assert!(refused(Unary::Elu { alpha: INFINITY }).contains("alpha is inf"));
    let (min, max) = (f32::NAN, 1.0);
    assert!(refused(Unary::Clip { min, max }).contains("minimum is NaN"));
    for scale in [0.0, -1.0] {
        let (min, max) = (-128.0, 127.0);
        let error = refused(Unary::FakeQuantize { scale, min, max });
        assert!(error.contains("which is not above 0"), "{error}");
    }
    let (scale, min, max) = (1.0, 1.0, 0.0);
    let error = refused(Unary::Quantize { scale, min, max });
    assert!(
        error.contains("its minimum 1 is above its maximum 0"),
        "{error}"
    );
    let operator = Op::from(UnaryBackward(Unary::Celu { alpha: 0.0 }));
    let error = operator.as_operator().check(2).unwrap_err();
    assert!(error.contains("alpha is 0"), "{error}");
}
