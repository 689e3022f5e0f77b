//! Functions that exporters write out in small operators: SiLU, Mish, hard-swish, GELU and quantization to whole numbers
//! and back.
//!
//! For every value that is computed of one other value, element by element, its formula is remembered as far as one
//! of these activations may begin so. Where a formula is complete, the activation is computed instead; the small
//! operators are then read by nothing, and are left out.

use super::super::import::Importer;
use crate::graph::{Activation, Op, Unary, ValueId};

/// A formula of `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::onnx) enum Formula {
    /// `scale * x + offset`.
    Affine { scale: f32, offset: f32 },
    /// `sigmoid(x)`.
    Sigmoid,
    /// `ln(1 + exp(x))`.
    Softplus,
    /// `tanh(ln(1 + exp(x)))`.
    TanhOfSoftplus,
    /// `min(max(x + 3, 0), 6)`.
    Relu6OfSum,
    /// `min(max(x + 3, 0), 6) / 6`.
    HardSigmoid,
    /// `x * min(max(x + 3, 0), 6)`.
    TimesRelu6OfSum,
    /// `scale * erf(inner * x) + offset`.
    Erf { inner: f32, scale: f32, offset: f32 },
    /// `x * (scale * erf(inner * x) + offset)`.
    TimesErf { inner: f32, scale: f32, offset: f32 },
    /// `factor * quantize(x) + offset`, see [`Unary::Quantize`].
    Quantized {
        scale: f32,
        bounds: [f32; 2],
        factor: f32,
        offset: f32,
    },
}

use Formula::{
    Affine, Erf, HardSigmoid, Quantized, Relu6OfSum, Sigmoid, Softplus, TanhOfSoftplus, TimesErf,
    TimesRelu6OfSum,
};

const ITSELF: Formula = Affine {
    scale: 1.0,
    offset: 0.0,
};

/// Equal but for the rounding of constants that are written with few digits.
fn is(value: f32, expected: f32) -> bool {
    (value - expected).abs() <= 1e-5 * expected.abs()
}

impl Formula {
    /// The formula of a function of it.
    fn then(self, op: &Op) -> Option<Self> {
        let step = match op {
            Op::Unary(Unary::Affine { scale, offset }) => Some((*scale, *offset)),
            _ => None,
        };
        match (self, step) {
            (Affine { scale, offset }, Some((a, b))) => Some(Affine {
                scale: scale * a,
                offset: offset * a + b,
            }),
            (
                Erf {
                    inner,
                    scale,
                    offset,
                },
                Some((a, b)),
            ) => Some(Erf {
                inner,
                scale: scale * a,
                offset: offset * a + b,
            }),
            (
                TimesErf {
                    inner,
                    scale,
                    offset,
                },
                Some((a, 0.0)),
            ) => Some(TimesErf {
                inner,
                scale: scale * a,
                offset: offset * a,
            }),
            (
                Quantized {
                    scale,
                    bounds,
                    factor,
                    offset,
                },
                Some((a, b)),
            ) => Some(Quantized {
                scale,
                bounds,
                factor: factor * a,
                offset: offset * a + b,
            }),
            (Relu6OfSum, Some((a, 0.0))) if is(a, 1.0 / 6.0) => Some(HardSigmoid),
            (_, Some(_)) => None,
            (Affine { scale, offset }, None) => match op {
                Op::Activation(Activation::Sigmoid) if self == ITSELF => Some(Sigmoid),
                Op::Unary(Unary::Softplus) if self == ITSELF => Some(Softplus),
                Op::Activation(Activation::Relu6) if (scale, offset) == (1.0, 3.0) => {
                    Some(Relu6OfSum)
                }
                Op::Unary(Unary::HardSigmoid { alpha, beta })
                    if self == ITSELF && is(*alpha, 1.0 / 6.0) && is(*beta, 0.5) =>
                {
                    Some(HardSigmoid)
                }
                Op::Unary(Unary::Quantize { scale, min, max }) if self == ITSELF => {
                    Some(Quantized {
                        scale: *scale,
                        bounds: [*min, *max],
                        factor: 1.0,
                        offset: 0.0,
                    })
                }
                Op::Unary(Unary::Erf) if offset == 0.0 => Some(Erf {
                    inner: scale,
                    scale: 1.0,
                    offset: 0.0,
                }),
                _ => None,
            },
            (Softplus, None) if *op == Op::Activation(Activation::Tanh) => Some(TanhOfSoftplus),
            _ => None,
        }
    }

    /// The formula of its product with `factor * x`.
    fn times(self, factor: f32) -> Option<Self> {
        match self {
            Relu6OfSum if factor == 1.0 => Some(TimesRelu6OfSum),
            Erf {
                inner,
                scale,
                offset,
            } => Some(TimesErf {
                inner,
                scale: scale * factor,
                offset: offset * factor,
            }),
            _ => None,
        }
    }
}

/// The activation that `step` of a formula completes: a function of it, or its product with `factor * x`.
fn completed_by(formula: Formula, op: &Op) -> Option<Op> {
    match (formula, op) {
        (TimesRelu6OfSum, Op::Unary(Unary::Affine { scale, offset: 0.0 }))
            if is(*scale, 1.0 / 6.0) =>
        {
            Some(Activation::HardSwish.into())
        }
        _ => complete(formula.then(op)?),
    }
}

fn completed_by_factor(formula: Formula, factor: f32) -> Option<Op> {
    match formula {
        Sigmoid if factor == 1.0 => Some(Activation::Silu.into()),
        TanhOfSoftplus if factor == 1.0 => Some(Activation::Mish.into()),
        HardSigmoid if factor == 1.0 => Some(Activation::HardSwish.into()),
        Relu6OfSum if is(factor, 1.0 / 6.0) => Some(Activation::HardSwish.into()),
        _ => complete(formula.times(factor)?),
    }
}

/// The function that a formula is, of those that end in a sum or product.
fn complete(formula: Formula) -> Option<Op> {
    match formula {
        TimesErf {
            inner,
            scale,
            offset,
        } if is(inner, std::f32::consts::FRAC_1_SQRT_2) && is(scale, 0.5) && is(offset, 0.5) => {
            Some(Unary::Gelu.into())
        }
        Quantized {
            scale,
            bounds: [min, max],
            factor,
            offset: 0.0,
        } if factor == scale => Some(Unary::FakeQuantize { scale, min, max }.into()),
        _ => None,
    }
}

impl Importer<'_> {
    /// The value that `value` is a formula of.
    fn formula(&self, value: ValueId) -> (ValueId, Formula) {
        self.formulas
            .get(&value)
            .copied()
            .unwrap_or((value, ITSELF))
    }

    /// The activation that a function of `value` is, and of which value.
    pub(super) fn activation(&self, value: ValueId, op: &Op) -> Option<(ValueId, Op)> {
        let (root, formula) = self.formula(value);
        Some((root, completed_by(formula, op)?))
    }

    /// Remembers that `output` is a function of `value`.
    pub(super) fn remember_function(&mut self, value: ValueId, op: &Op, output: ValueId) {
        let (root, formula) = self.formula(value);
        if let Some(formula) = formula.then(op) {
            self.formulas.insert(output, (root, formula));
        }
    }

    /// The factor of a product, and what it multiplies: `factor * x` and a formula of the same `x`.
    fn factors(&self, a: ValueId, b: ValueId) -> Option<(ValueId, Formula, f32)> {
        [(a, b), (b, a)].into_iter().find_map(|(factor, other)| {
            let (root, formula) = self.formula(other);
            match self.formula(factor) {
                (of, Affine { scale, offset: 0.0 })
                    if of == root && !matches!(formula, Affine { .. }) =>
                {
                    Some((root, formula, scale))
                }
                _ => None,
            }
        })
    }

    /// The activation that the product of two values is, and of which value.
    pub(super) fn activation_of_product(&self, a: ValueId, b: ValueId) -> Option<(ValueId, Op)> {
        let (root, formula, factor) = self.factors(a, b)?;
        Some((root, completed_by_factor(formula, factor)?))
    }

    /// Remembers that `output` is the product of two values.
    pub(super) fn remember_product(&mut self, a: ValueId, b: ValueId, output: ValueId) {
        if let Some((root, formula, factor)) = self.factors(a, b)
            && let Some(formula) = formula.times(factor)
        {
            self.formulas.insert(output, (root, formula));
        }
    }
}
