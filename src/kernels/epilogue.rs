//! The epilogue of a kernel, applied to a sum before it is stored: `shaders/shared/epilogue.wgsl`.

use super::activation::code;
use super::loop_iterations::SumPart;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::gpu::uniform::uniforms;
use crate::graph::Residual;

/// A node's residual and activation, for a shader that imports `shared/epilogue`: its uniform block
/// contains [`Epilogue::params`], and its binding `residual` is [`Epilogue::read`].
pub(super) struct Epilogue {
    pub params: EpilogueParams,
    residual: Option<Read>,
    constants: [(&'static str, u32); 4],
}

uniforms! {
    /// `EpilogueParams` of the shader, padded to 16 bytes.
    pub(super) struct EpilogueParams {
        residual: TensorView,
        slope: f32,
        unused: [u32; 3],
    }
}

impl EpilogueParams {
    /// The parameters of an epilogue that does nothing.
    pub fn nothing(output: TensorView) -> Self {
        Self {
            residual: output,
            slope: 0.0,
            unused: [0; 3],
        }
    }
}

impl Epilogue {
    /// Of a single dispatch.
    pub fn of(context: &LoweringContext) -> Self {
        Self::of_part(context, &SumPart::ONLY)
    }

    /// For one of several dispatches that add to the output. The last has the residual and the activation.
    pub fn of_part(context: &LoweringContext, part: &SumPart) -> Self {
        let fused = &context.node.fused;
        let activation = fused.activation.filter(|_| part.is_last);
        let residual = fused.residual.filter(|_| part.is_last);
        let (activation, slope) = code(activation);
        // The codes in the shader.
        let residual_code = match residual {
            None => 0,
            Some(Residual::BeforeActivation) => 1,
            Some(Residual::AfterActivation) => 2,
        };
        // The residual is the node's last input.
        let last = context.inputs.len() - 1;
        Self {
            params: EpilogueParams {
                residual: context.inputs[last],
                slope,
                unused: [0; 3],
            },
            residual: (residual.is_some() && !context.residual_in_place)
                .then_some(Read::Input(last)),
            constants: [
                ("ACTIVATION", activation),
                ("RESIDUAL", residual_code),
                ("RESIDUAL_IN_PLACE", u32::from(context.residual_in_place)),
                part.accumulate(),
            ],
        }
    }

    /// The buffer to bind as the residual: `other`, which the shader binds anyway, where there is no residual
    /// or it is in place.
    pub fn read(&self, other: &Read) -> Read {
        self.residual.clone().unwrap_or_else(|| other.clone())
    }

    /// Adds the override constants that select the epilogue.
    pub fn select(&self, dispatch: Dispatch) -> Dispatch {
        dispatch.constants(&self.constants)
    }
}
