//! Inputs of a session on a GPU.

use super::bound_plan::BoundPlan;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor, check_copy};
use crate::tensor::{Shape, Tensor};
use crate::texture::{Preprocessor, TextureInput};

/// An input of a network, for [`Session::encode`](super::Session::encode).
#[derive(Clone, Copy, Debug)]
pub enum SessionInput<'a> {
    /// The host's textures, one per image of the batch. A kernel converts them to the network's input.
    Textures(&'a [TextureInput<'a>]),
    /// A tensor in a buffer of the session's device, with the usage `COPY_SRC`.
    Buffer(&'a GpuTensor),
    /// A tensor in the host's memory. Each use makes a buffer for it, unlike the other variants.
    Tensor(&'a Tensor),
}

impl SessionInput<'_> {
    /// Its shape, `[N, C, H, W]` for images.
    pub(super) fn shape(&self) -> Result<Shape> {
        match self {
            Self::Textures(textures) => {
                let first = textures.first().ok_or_else(|| {
                    Error::Inputs("a texture was expected for an input, found none".to_owned())
                })?;
                let [channels, height, width] = first.input_size();
                Ok(Shape::from([textures.len(), channels, height, width]))
            }
            Self::Buffer(tensor) => Ok(tensor.shape.clone()),
            Self::Tensor(tensor) => Ok(tensor.shape().clone()),
        }
    }

    /// The preprocessor for textures, made where there is none yet.
    pub(super) fn preprocessor<'p>(
        gpu: &Gpu,
        preprocessor: &'p mut Option<Preprocessor>,
    ) -> Result<&'p mut Preprocessor> {
        match preprocessor {
            Some(preprocessor) => Ok(preprocessor),
            None => Ok(preprocessor.insert(Preprocessor::new(gpu)?)),
        }
    }

    /// Records the conversion or copy to `target`, the plan's input.
    fn record(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        target: &GpuTensor,
        preprocessor: &mut Option<Preprocessor>,
    ) -> Result<()> {
        let bytes = target.bytes();
        match self {
            Self::Textures(textures) => {
                let preprocessor = Self::preprocessor(gpu, preprocessor)?;
                preprocessor.encode(encoder, textures, &target.buffer)?;
            }
            Self::Buffer(source) => {
                let end = source.offset.saturating_add(bytes);
                check_copy(&source.buffer, &(source.offset..end))?;
                let at = (source.offset, target.offset);
                encoder.copy_buffer_to_buffer(&source.buffer, at.0, &target.buffer, at.1, bytes);
            }
            Self::Tensor(source) => {
                let content = bytemuck::cast_slice(source.data());
                let make = || gpu.filled("input", content, wgpu::BufferUsages::COPY_SRC);
                let buffer = gpu
                    .with_error_scopes("making a buffer for an input", make)
                    .flatten()?;
                encoder.copy_buffer_to_buffer(&buffer, 0, &target.buffer, target.offset, bytes);
            }
        }
        Ok(())
    }
}

impl BoundPlan {
    /// Begins a pass and records the copies of its inputs. Returns the number of the pass.
    pub fn encode_inputs(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[SessionInput],
        preprocessor: &mut Option<Preprocessor>,
    ) -> Result<u64> {
        let pass = self.begin();
        for (input, target) in inputs.iter().zip(&self.inputs) {
            input.record(gpu, encoder, target, preprocessor)?;
        }
        Ok(pass)
    }
}

/// The shapes of `inputs`.
pub(super) fn shapes_of(inputs: &[Tensor]) -> Vec<Shape> {
    inputs.iter().map(|tensor| tensor.shape().clone()).collect()
}
