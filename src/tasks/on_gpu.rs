//! What answers that stay on the GPU need.

use crate::device::Device;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};

/// A task's GPU, if it has one, and the kernel of its answers there. It is made when it is first used: who
/// has answers read back needs none.
pub(super) struct OnGpu<K> {
    gpu: Option<Gpu>,
    kernel: Option<K>,
}

impl<K> OnGpu<K> {
    pub fn new(device: &Device) -> Self {
        let gpu = match device {
            Device::Gpu(gpu) => Some(gpu.clone()),
            Device::Cpu { .. } => None,
        };
        Self { gpu, kernel: None }
    }

    /// The kernel.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin; and those of `make`.
    pub fn get(&mut self, make: impl FnOnce(&Gpu) -> Result<K>) -> Result<&mut K> {
        let Some(gpu) = &self.gpu else {
            return Err(Error::Device {
                device: "the CPU reference implementation".to_owned(),
                context: "answering on the GPU".to_owned(),
                message: "it reads no textures and has no encoder; use a GPU, or a software Vulkan driver"
                    .to_owned(),
            });
        };
        match self.kernel {
            Some(ref mut kernel) => Ok(kernel),
            ref mut none => Ok(none.insert(make(gpu)?)),
        }
    }

    /// The kernel, if it was made.
    pub fn made(&mut self) -> Option<&mut K> {
        self.kernel.as_mut()
    }

    /// Another GPU takes the place of the one before, if there was one.
    pub fn restore(&mut self, gpu: &Gpu) {
        if self.gpu.is_some() {
            *self = Self {
                gpu: Some(gpu.clone()),
                kernel: None,
            };
        }
    }
}

/// The one output of a pass.
pub(super) fn only(outputs: &[GpuTensor]) -> Result<&GpuTensor> {
    match outputs {
        [output] => Ok(output),
        _ => Err(Error::Inputs(format!(
            "the one output of a pass was expected, found {}",
            outputs.len()
        ))),
    }
}
