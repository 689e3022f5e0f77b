//! Making a session again: on another device, or with other kernels.

use std::sync::Arc;

use super::{Executor, Session};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::tuning::Tuning;

impl Session {
    /// Moves the session to another device, after its own was lost or for any other reason: reads the weights
    /// again from their source, and prepares for the same shapes. The outputs are those of a session that was
    /// made on that device. Where it fails, the session is unchanged. Does nothing on the CPU and the reference
    /// backend, which cannot be lost.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn restore(&mut self, gpu: &Gpu) -> Result<()> {
        match &mut self.executor {
            Executor::Gpu(session) => session.restore(gpu),
            Executor::Cpu(..) => Ok(()),
            Executor::Reference(_) => Ok(()),
        }
    }

    /// Selects the kernels again by `tuning`, such as one that was found while the session ran, for the shapes that it is
    /// prepared for. Reads the weights again from their source, and compiles what is new. Runs in flight finish with the
    /// kernels that they began with. Where it fails, the session is unchanged. Does nothing on the CPU and the reference
    /// backend, which are not tuned.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::Inputs`] where the tuning is of another device, driver or version.
    pub fn retune(&mut self, tuning: impl Into<Arc<Tuning>>) -> Result<()> {
        let tuning = tuning.into();
        match &mut self.executor {
            Executor::Gpu(session) => {
                let fits = tuning.fits(session.device());
                fits.map_err(|reason| Error::Inputs(format!("the tuning: {reason}")))?;
                session.retune(tuning)
            }
            Executor::Cpu(..) => Ok(()),
            Executor::Reference(_) => Ok(()),
        }
    }
}
