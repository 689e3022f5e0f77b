//! The prologue of a kernel, applied to an input element as it is loaded: `shaders/shared/prologue.wgsl`.

use super::activation::code;
use super::norm::Affine;
use super::{Dispatch, LoweringContext, Read};
use crate::graph::{Activation, Norm};

/// A node's prologue, for a shader that imports `shared/prologue`: its uniform block has
/// `prologue_slope`, and its binding `prologue` is [`Prologue::read`].
pub(super) struct Prologue {
    pub slope: f32,
    scales: Option<Read>,
    constants: [(&'static str, u32); 2],
}

impl Prologue {
    /// The prologue of a node whose first input has `channels` channels.
    pub fn of(context: &LoweringContext, channels: usize) -> Self {
        let fused = context.node.fused.prologue.as_ref();
        let norm = fused.and_then(|p| p.norm.clone());
        Self::made_of(context, norm, fused.and_then(|p| p.activation), channels)
    }

    /// A prologue of a norm and an activation.
    pub fn made_of(
        context: &LoweringContext,
        norm: Option<Norm>,
        activation: Option<Activation>,
        channels: usize,
    ) -> Self {
        let (activation, slope) = code(activation);
        let has_norm = u32::from(norm.is_some());
        Self {
            slope,
            scales: norm.map(|norm| scales(context, norm, channels, true)),
            constants: [
                ("PROLOGUE_NORM", has_norm),
                ("PROLOGUE_ACTIVATION", activation),
            ],
        }
    }

    /// A prologue of a norm's scale only, without its shift or an activation.
    pub fn scale_of(context: &LoweringContext, norm: Norm) -> Self {
        let channels = norm.op.channels();
        Self {
            slope: 0.0,
            scales: Some(scales(context, norm, channels, false)),
            constants: [("PROLOGUE_NORM", 1), ("PROLOGUE_ACTIVATION", code(None).0)],
        }
    }

    /// The buffer to bind as the prologue: `other`, which the shader binds anyway, where there is no norm.
    pub fn read(&self, other: &Read) -> Read {
        self.scales.clone().unwrap_or_else(|| other.clone())
    }

    /// Adds the override constants that select the prologue.
    pub fn select(&self, dispatch: Dispatch) -> Dispatch {
        dispatch.constants(&self.constants)
    }
}

/// Each element's scale and shift side by side. Shifts are zero unless `with_shift`.
fn scales(context: &LoweringContext, norm: Norm, channels: usize, with_shift: bool) -> Read {
    let c4 = channels.div_ceil(4);
    let layout = match with_shift {
        true => format!("prologue {}", norm.name),
        false => format!("scale {}", norm.name),
    };
    context.per_channel(&layout, c4 * 8, move |weights| {
        let affine = Affine::read(&norm, weights)?;
        let mut packed = vec![0.0; c4 * 8];
        for (channel, (scale, shift)) in affine.scale.iter().zip(&affine.shift).enumerate() {
            let at = channel / 4 * 8 + channel % 4;
            packed[at] = *scale as f32;
            if with_shift {
                packed[at + 4] = *shift as f32;
            }
        }
        Ok(packed)
    })
}
