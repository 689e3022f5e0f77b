//! What answers that stay on the GPU need.

use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuTensor};
use crate::session::Session;

/// The kernel of a task's answers on the GPU. It is made when it is first used: who has answers read back
/// needs none.
pub(super) struct OnGpu<K> {
    kernel: Option<K>,
}

impl<K> OnGpu<K> {
    pub fn new() -> Self {
        Self { kernel: None }
    }

    /// The kernel, on the session's GPU.
    ///
    /// # Errors
    /// [`Error::Device`] on the CPU twin; and those of `make`.
    pub fn get(
        &mut self,
        session: &mut Session,
        make: impl FnOnce(&Gpu) -> Result<K>,
    ) -> Result<&mut K> {
        match self.kernel {
            Some(ref mut kernel) => Ok(kernel),
            ref mut none => Ok(none.insert(make(session.device_for("answering on the GPU")?)?)),
        }
    }

    /// The kernel, if it was made.
    pub fn made(&mut self) -> Option<&mut K> {
        self.kernel.as_mut()
    }

    /// Moves the session to another GPU; the kernel is made anew there.
    pub fn restore(&mut self, session: &mut Session, gpu: &Gpu) -> Result<()> {
        session.restore(gpu)?;
        self.kernel = None;
        Ok(())
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
