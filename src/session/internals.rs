//! What benchmarks and tests ask of a session. Not part of the public API.

use super::{Executor, Session};
use crate::error::Result;
use crate::tensor::Shape;

impl Session {
    /// The CPU's work in a pass apart from copying tensors: encodes the commands and discards them. Returns the
    /// number of dispatches, 0 on the CPU and the reference backend. For benchmarks: in [`Self::run`], the device's time
    /// hides it.
    #[doc(hidden)]
    pub fn encode_only(&mut self, shapes: &[Shape]) -> Result<usize> {
        match &mut self.executor {
            Executor::Gpu(session) => session.encode_only(shapes),
            Executor::Cpu(..) => Ok(0),
            Executor::Reference(_) => Ok(0),
        }
    }

    /// The dispatches of a pass for inputs of `shapes`, in order: the node's name, and the shader's name with
    /// its constants. Empty on the reference backend. For tests that expect certain kernels.
    #[doc(hidden)]
    pub fn shaders(&self, shapes: &[Shape]) -> Result<Vec<(String, String)>> {
        match &self.executor {
            Executor::Gpu(session) => session.shaders(shapes),
            Executor::Cpu(session) => session.kernels(shapes),
            Executor::Reference(_) => Ok(Vec::new()),
        }
    }

    /// Plans for inputs of `shapes` as [`Self::prepare`] does where they are new, and discards the plan. Returns
    /// the number of dispatches, 0 on the CPU and the reference backend. For benchmarks.
    #[doc(hidden)]
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        match &self.executor {
            Executor::Gpu(session) => session.plan_only(shapes),
            Executor::Cpu(session) => session.plan_only(shapes),
            Executor::Reference(_) => Ok(0),
        }
    }
}
