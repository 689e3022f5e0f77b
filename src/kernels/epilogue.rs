//! What is done to a sum before it is stored: `shaders/shared/epilogue.wgsl`.

use bytemuck::{Pod, Zeroable};

use super::activation::code;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::graph::Residual;

/// A node's activation and residual, for a shader that imports `shared/epilogue`: its uniform block
/// has [`Epilogue::params`], and its binding `residual` is [`Epilogue::read`].
pub(super) struct Epilogue {
    pub params: EpilogueParams,
    residual: Option<Read>,
    constants: [(&'static str, u32); 3],
}

/// `Epilogue` of the shader, filled up to 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(super) struct EpilogueParams {
    residual: TensorView,
    slope: f32,
    unused: [u32; 3],
}

impl EpilogueParams {
    /// Of an epilogue that does nothing.
    pub fn nothing(output: TensorView) -> Self {
        Self {
            residual: output,
            slope: 0.0,
            unused: [0; 3],
        }
    }
}

impl Epilogue {
    pub fn of(context: &LoweringContext) -> Self {
        let fused = &context.node.fused;
        let (activation, slope) = code(fused.activation);
        // The numbers that the shader has for them.
        let residual = match fused.residual {
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
            residual: (fused.residual.is_some() && !context.residual_in_place)
                .then_some(Read::Input(last)),
            constants: [
                ("ACTIVATION", activation),
                ("RESIDUAL", residual),
                ("RESIDUAL_IN_PLACE", u32::from(context.residual_in_place)),
            ],
        }
    }

    /// What to bind as the residual: `other`, which the shader reads anyway, where there is none or
    /// it lies where the answer goes.
    pub fn read(&self, other: &Read) -> Read {
        self.residual.clone().unwrap_or_else(|| other.clone())
    }

    /// The dispatch with the constants that select what is done.
    pub fn select(&self, dispatch: Dispatch) -> Dispatch {
        dispatch.constants(&self.constants)
    }
}
