//! A run that was submitted, and its answer to come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::prepared_plan::PreparedPlan;
use crate::error::Result;
use crate::gpu::{Gpu, Submission, now};
use crate::tensor::Tensor;

/// A run in submission: a future of the outputs, NCHW, in the graph's order, that any executor can drive,
/// for a thread of this crate's sees to the device. It borrows nothing and may be sent to other threads.
///
/// Dropped before it is ready, the run goes on, for a device cannot be told otherwise, and its answer is
/// thrown away.
#[must_use = "a run is awaited, or waited for"]
pub struct Run {
    source: Source,
    submission: Arc<Submission<Vec<Tensor>>>,
}

enum Source {
    Gpu {
        gpu: Gpu,
        plan: Arc<PreparedPlan>,
    },
    /// A thread computes it.
    Cpu,
}

impl Run {
    pub(super) fn new(
        gpu: &Gpu,
        plan: &Arc<PreparedPlan>,
        submission: Arc<Submission<Vec<Tensor>>>,
    ) -> Self {
        let (gpu, plan) = (gpu.clone(), plan.clone());
        Self {
            source: Source::Gpu { gpu, plan },
            submission,
        }
    }

    /// `compute` on another thread.
    pub(super) fn on_a_thread(
        compute: impl FnOnce() -> Result<Vec<Tensor>> + Send + 'static,
    ) -> Self {
        let submission = Arc::new(Submission::new(None, 1));
        let landing = submission.clone();
        rayon::spawn(move || {
            landing.land(compute());
            landing.mapped(true);
        });
        Self {
            source: Source::Cpu,
            submission,
        }
    }

    /// Waits for the outputs.
    ///
    /// # Errors
    /// [`crate::Error::Device`] where the device fails, [`crate::Error::DeviceLost`] where it is lost.
    pub fn wait(self) -> Result<Vec<Tensor>> {
        match &self.source {
            Source::Gpu { gpu, plan } => {
                let _gl_lock = gpu.gl_lock();
                plan.wait(gpu, &self.submission)
            }
            Source::Cpu => pollster::block_on(self),
        }
    }

    /// Has a thread see to the device until the answer is there.
    pub(super) fn watched(self) -> Self {
        if let Source::Gpu { gpu, .. } = &self.source {
            self.submission.watch(gpu);
        }
        self
    }
}

impl Run {
    /// The outputs, where they are there by now; for hosts that look once a frame. They are given once.
    ///
    /// # Errors
    /// As [`Self::wait`], and [`crate::Error::Inputs`] where they were given before.
    pub fn take_if_ready(&mut self) -> Option<Result<Vec<Tensor>>> {
        now(self)
    }
}

impl Future for Run {
    type Output = Result<Vec<Tensor>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.submission.poll_complete(context) {
            return Poll::Pending;
        }
        if let Source::Gpu { gpu, plan } = &self.source {
            let _gl_lock = gpu.gl_lock();
            plan.collect_finished(gpu);
        }
        Poll::Ready(self.submission.take())
    }
}
