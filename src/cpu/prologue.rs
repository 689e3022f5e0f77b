//! A norm and an activation, applied to pixels as they are read.

use std::sync::Arc;

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::memory::Floats;
use super::packed::Building;
use super::simd::{Mask, activate, first_lanes, load, store};
use crate::error::Result;
use crate::graph::{self, Activation, Norm};
use crate::kernels::Affine;

/// `activation(x * scale + shift)`.
#[derive(Clone, Debug)]
pub(super) struct Prologue {
    /// The scales of all channels, then their shifts; `None` without a norm.
    affine: Option<Arc<Floats>>,
    /// From the scales to the shifts.
    shifts: usize,
    activation: Option<Activation>,
}

impl Prologue {
    pub fn new(
        prologue: &graph::Prologue,
        channels: usize,
        building: &mut Building,
    ) -> Result<Self> {
        let norm = prologue.norm.as_ref();
        Self::made_of(norm, prologue.activation, channels, building)
    }

    /// Of a norm and an activation. The norm's parameters are read by the names that `norm` has.
    pub fn made_of(
        norm: Option<&Norm>,
        activation: Option<Activation>,
        channels: usize,
        building: &mut Building,
    ) -> Result<Self> {
        let shifts = channels.next_multiple_of(16);
        let weights = building.weights;
        let affine = norm.map(|norm| {
            let name = format!("{} scales and shifts", norm.name);
            building.packed.get(name, 2 * shifts, |packed| {
                let affine = Affine::read(norm, weights)?;
                let (scales, offsets) = packed.split_at_mut(shifts);
                for (i, (scale, shift)) in affine.scale.iter().zip(&affine.shift).enumerate() {
                    (scales[i], offsets[i]) = (*scale as f32, *shift as f32);
                }
                Ok(())
            })
        });
        Ok(Self {
            affine: affine.transpose()?,
            shifts,
            activation,
        })
    }

    /// Applies it to a vector of channels from `channel` on.
    #[inline(always)]
    pub fn apply<I: Isa>(&self, isa: I, x: I::F32, channel: usize, mask: Mask<I>) -> I::F32 {
        let ops = isa.f32();
        let mut y = x;
        if let Some(affine) = &self.affine {
            // SAFETY: there are scales and shifts of all channels; those beyond are masked, or padding.
            unsafe {
                let scale = affine.as_ptr().add(channel);
                let shift = scale.add(self.shifts);
                y = ops.mul_add(x, load(isa, scale, mask), load(isa, shift, mask));
            }
        }
        match self.activation {
            Some(activation) => activate(isa, activation, y),
            None => y,
        }
    }

    /// Copies the first `channels` of a pixel through it.
    ///
    /// # Safety
    /// Both pointers must be valid for that many floats.
    #[inline(always)]
    pub unsafe fn copy<I: Isa>(&self, isa: I, from: *const f32, to: *mut f32, channels: usize) {
        let ops = isa.f32();
        let lanes = ops.len();
        let mut channel = 0;
        // SAFETY: the caller's.
        unsafe {
            while channel < channels {
                let mask = first_lanes(isa, channels - channel);
                let x = load(isa, from.add(channel), mask);
                store(
                    isa,
                    self.apply(isa, x, channel, mask),
                    to.add(channel),
                    mask,
                );
                channel += lanes;
            }
        }
    }
}
