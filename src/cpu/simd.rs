//! Vectors of floats: activations and epilogues. The instruction set is selected when the program runs.

use rten_simd::ops::{BitOps, FloatOps, NumOps};
use rten_simd::{Isa, Simd, SimdOp, SimdUnaryOp};
use rten_vecmath::{Exp, Sigmoid, Silu, Tanh};

use crate::graph::{Activation, Residual};

/// Floats of a vector.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl SimdOp for Lanes {
        type Output = usize;
        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) -> usize {
            isa.f32().len()
        }
    }
    Lanes.dispatch()
}

/// Which lanes of a vector hold channels: `None` where all do.
pub(super) type Mask<I> = Option<<<I as Isa>::F32 as Simd>::Mask>;

/// The first `count` lanes. Most vectors are whole, and making a mask takes longer than what is done with it.
#[inline(always)]
pub(super) fn first_lanes<I: Isa>(isa: I, count: usize) -> Mask<I> {
    let ops = isa.f32();
    match count < ops.len() {
        true => Some(ops.first_n_mask(count)),
        false => None,
    }
}

/// The lanes of `mask` from memory, zeros in the others.
///
/// # Safety
/// `from` must be valid for these lanes.
#[inline(always)]
pub(super) unsafe fn load<I: Isa>(isa: I, from: *const f32, mask: Mask<I>) -> I::F32 {
    // SAFETY: the caller's.
    unsafe {
        match mask {
            None => isa.f32().load_ptr(from),
            Some(mask) => isa.f32().load_ptr_mask(from, mask),
        }
    }
}

/// Writes the lanes of `mask`.
///
/// # Safety
/// `to` must be valid for these lanes.
#[inline(always)]
pub(super) unsafe fn store<I: Isa>(isa: I, x: I::F32, to: *mut f32, mask: Mask<I>) {
    // SAFETY: the caller's.
    unsafe {
        match mask {
            None => isa.f32().store_ptr(x, to),
            Some(mask) => isa.f32().store_ptr_mask(x, to, mask),
        }
    }
}

/// What is applied to a sum before it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Epilogue {
    pub residual: Option<Residual>,
    pub activation: Option<Activation>,
}

impl Epilogue {
    /// The limits of the output, where nothing else is done but adding the residual first: NaN stays.
    #[inline(always)]
    fn bounds(self) -> Option<[f32; 2]> {
        match (self.residual, self.activation) {
            (_, None) => Some([f32::NEG_INFINITY, f32::INFINITY]),
            (None | Some(Residual::BeforeActivation), Some(Activation::Relu)) => {
                Some([0.0, f32::INFINITY])
            }
            (None | Some(Residual::BeforeActivation), Some(Activation::Relu6)) => Some([0.0, 6.0]),
            _ => None,
        }
    }

    /// Writes the outputs for sums of one vector of channels: output `i` to `outputs[i]`, `first` floats from there, with
    /// the residual from as far from `residuals[i]`.
    ///
    /// # Safety
    /// The pointers of all sums must be valid for the lanes of `mask`; those of residuals where there are any.
    #[inline(always)]
    pub unsafe fn store<I: Isa, const N: usize, const M: usize>(
        self,
        isa: I,
        sums: [I::F32; N],
        residuals: &[*const f32; M],
        outputs: &[*mut f32; M],
        first: usize,
        mask: Mask<I>,
    ) {
        let ops = isa.f32();
        let bounds = self.bounds().map(|bounds| bounds.map(|b| ops.splat(b)));
        // SAFETY: the caller's.
        unsafe {
            // Most layers end in one of these. The others are not inlined once for every sum.
            let Some([low, high]) = bounds else {
                for (i, sum) in sums.into_iter().enumerate() {
                    let residual = match self.residual {
                        Some(_) => load(isa, residuals[i].add(first), mask),
                        None => ops.zero(),
                    };
                    store(
                        isa,
                        self.apply(isa, sum, residual),
                        outputs[i].add(first),
                        mask,
                    );
                }
                return;
            };
            for i in 0..N {
                let mut y = sums[i];
                if self.residual.is_some() {
                    y = ops.add(y, load(isa, residuals[i].add(first), mask));
                }
                // Of a number and NaN, x86 returns the second operand.
                let y = ops.min(high, ops.max(low, y));
                store(isa, y, outputs[i].add(first), mask);
            }
        }
    }

    /// The output for a sum and, where there is one, the residual. NaN gives NaN.
    #[inline(always)]
    pub fn apply<I: Isa>(self, isa: I, mut x: I::F32, residual: I::F32) -> I::F32 {
        let ops = isa.f32();
        if self.residual == Some(Residual::BeforeActivation) {
            x = ops.add(x, residual);
        }
        if let Some(activation) = self.activation {
            x = activate(isa, activation, x);
        }
        if self.residual == Some(Residual::AfterActivation) {
            x = ops.add(x, residual);
        }
        x
    }
}

/// An activation of a vector.
#[inline(always)]
pub(super) fn activate<I: Isa>(isa: I, activation: Activation, x: I::F32) -> I::F32 {
    let ops = isa.f32();
    // Of a number and NaN, x86 returns the second operand, and ARM returns NaN: x is the second.
    let clamp =
        |low: f32, high: f32, x: I::F32| ops.min(ops.splat(high), ops.max(ops.splat(low), x));
    match activation {
        Activation::Relu => ops.max(ops.zero(), x),
        Activation::Relu6 => clamp(0.0, 6.0, x),
        Activation::LeakyRelu { slope } => {
            let positive = ops.gt(x, ops.zero());
            ops.select(x, ops.mul(x, ops.splat(slope)), positive)
        }
        Activation::HardSwish => {
            let gate = clamp(0.0, 6.0, ops.add(x, ops.splat(3.0)));
            ops.mul(ops.mul(x, gate), ops.splat(1.0 / 6.0))
        }
        Activation::Sigmoid => keep_nan(isa, x, Sigmoid {}.eval(isa, x)),
        Activation::Silu => keep_nan(isa, x, Silu {}.eval(isa, x)),
        Activation::Tanh => keep_nan(isa, x, Tanh {}.eval(isa, x)),
        Activation::Mish => {
            // tanh(ln(1 + e)) = (e * e + 2 e) / (e * e + 2 e + 2), which is 1 from 20 on; e would overflow.
            let bounded = ops.min(ops.splat(20.0), x);
            let e = Exp {}.eval(isa, bounded);
            let n = ops.mul(e, ops.add(e, ops.splat(2.0)));
            let gate = ops.div(n, ops.add(n, ops.splat(2.0)));
            keep_nan(isa, x, ops.mul(x, gate))
        }
    }
}

/// `y`, or NaN where `x` is.
#[inline(always)]
pub(super) fn keep_nan<I: Isa>(isa: I, x: I::F32, y: I::F32) -> I::F32 {
    let ops = isa.f32();
    ops.select(y, x, ops.eq(x, x))
}
