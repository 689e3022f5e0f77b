//! What a session is given on the GPU.

use super::bound_plan::BoundPlan;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::tensor::{Shape, Tensor};

/// An input of a network, for [`Session::encode`](super::Session::encode).
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// In a buffer with the usage `COPY_SRC`, of the session's device.
    Buffer(&'a GpuTensor),
    /// In the host's memory. A buffer is made for it each time, unlike for the others.
    Tensor(&'a Tensor),
}

impl Input<'_> {
    /// Its shape, `[N, C, H, W]` for images.
    pub(super) fn shape(&self) -> Shape {
        match self {
            Self::Buffer(tensor) => tensor.shape.clone(),
            Self::Tensor(tensor) => tensor.shape().clone(),
        }
    }

    /// Records how it gets to where the plan wants it.
    fn record(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        target: &GpuTensor,
    ) -> Result<()> {
        let bytes = target.bytes();
        match self {
            Self::Buffer(source) => {
                check(source)?;
                let at = (source.offset, target.offset);
                encoder.copy_buffer_to_buffer(&source.buffer, at.0, &target.buffer, at.1, bytes);
            }
            Self::Tensor(source) => {
                let make = || -> Result<wgpu::Buffer> {
                    let buffer = gpu.buffer("input", bytes, wgpu::BufferUsages::COPY_SRC, true);
                    let mut view = (buffer.get_mapped_range_mut(..bytes))
                        .map_err(|error| gpu.error("mapping a buffer", error))?;
                    view.copy_from_slice(bytemuck::cast_slice(source.data()));
                    drop(view);
                    buffer.unmap();
                    Ok(buffer)
                };
                let buffer = gpu.scoped("making a buffer for an input", make).flatten()?;
                encoder.copy_buffer_to_buffer(&buffer, 0, &target.buffer, target.offset, bytes);
            }
        }
        Ok(())
    }
}

/// Whether a tensor can be copied from where it is said to be: wgpu would only tell when the host
/// finishes its encoder.
fn check(tensor: &GpuTensor) -> Result<()> {
    let (size, usage) = (tensor.buffer.size(), tensor.buffer.usage());
    let reason = if !usage.contains(wgpu::BufferUsages::COPY_SRC) {
        format!("a buffer with the usage COPY_SRC was expected, found {usage:?}")
    } else if !tensor.offset.is_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT) {
        let offset = tensor.offset;
        format!("an offset that is a multiple of 4 was expected, found {offset}")
    } else if tensor
        .offset
        .checked_add(tensor.bytes())
        .is_none_or(|end| end > size)
    {
        format!(
            "{} needs {} bytes from byte {} on, but the buffer has {size}",
            tensor.shape,
            tensor.bytes(),
            tensor.offset
        )
    } else {
        return Ok(());
    };
    Err(Error::Inputs(format!(
        "an input's buffer cannot be read: {reason}"
    )))
}

impl BoundPlan {
    /// Begins a pass, and records how its inputs get to their places. Answers its number.
    pub fn encode_inputs(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        inputs: &[Input],
    ) -> Result<u64> {
        let number = self.begin();
        for (input, target) in inputs.iter().zip(&self.inputs) {
            input.record(gpu, encoder, target)?;
        }
        Ok(number)
    }
}
