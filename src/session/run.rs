//! A submitted run whose outputs are awaited.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use super::prepared_plan::PreparedPlan;
use crate::cpu::CpuDevice;
use crate::error::Result;
use crate::gpu::{Gpu, Submission, poll_once};
use crate::tensor::Tensor;

/// A run in flight: a future of the outputs, NCHW, in the graph's order. Any executor can drive it, because a
/// thread of this crate polls the device. It borrows nothing and may be sent to other threads.
///
/// Where it is dropped before it is ready, the device still computes the run, and the outputs are discarded.
#[must_use = "the outputs arrive when it is awaited, or `wait` is called"]
pub struct Run {
    source: Source,
    /// Whether a thread polls the device for it.
    is_watched: bool,
    submission: Arc<Submission<Vec<Tensor>>>,
}

enum Source {
    Gpu {
        gpu: Gpu,
        plan: Arc<PreparedPlan>,
    },
    /// Computed by a thread.
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
            is_watched: false,
            submission,
        }
    }

    /// Runs `compute` on the threads of `cpu`.
    pub(super) fn on_threads_of(
        cpu: &CpuDevice,
        compute: impl FnOnce() -> Result<Vec<Tensor>> + Send + 'static,
    ) -> Self {
        let submission = Arc::new(Submission::new(None, 1));
        let shared = submission.clone();
        cpu.spawn(move || {
            shared.set_output(compute());
            shared.mapped(true);
        });
        Self {
            source: Source::Cpu,
            is_watched: false,
            submission,
        }
    }

    /// A run, and the job that computes it, which a thread of the session has to run. The job does nothing where the
    /// run was dropped before.
    pub(super) fn on_host(
        compute: impl FnOnce() -> Result<Vec<Tensor>> + Send + 'static,
    ) -> (Self, impl FnOnce() + Send + 'static) {
        let submission = Arc::new(Submission::new(None, 1));
        let shared = Arc::downgrade(&submission);
        let job = move || {
            if shared.strong_count() == 0 {
                return;
            }
            let output = compute();
            if let Some(submission) = shared.upgrade() {
                submission.set_output(output);
                submission.mapped(true);
            }
        };
        let run = Self {
            source: Source::Cpu,
            is_watched: false,
            submission,
        };
        (run, job)
    }

    /// What tells whether it is complete.
    pub(super) fn submission(&self) -> Weak<Submission<Vec<Tensor>>> {
        Arc::downgrade(&self.submission)
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
            // A thread of the pool must not sleep: it may be the one that has to compute the run.
            Source::Cpu if rayon::current_thread_index().is_some() => {
                wait_on_pool(&self.submission);
                self.submission.take()
            }
            Source::Cpu => pollster::block_on(self),
        }
    }

    /// The outputs where the run is finished; for hosts that check once per frame. They are returned once.
    ///
    /// # Errors
    /// As [`Self::wait`], and [`crate::Error::Inputs`] where they were already returned.
    pub fn take_if_ready(&mut self) -> Option<Result<Vec<Tensor>>> {
        poll_once(self)
    }
}

/// Waits for a run on the CPU without its waker, which belongs to whoever awaits it. Where the thread is of a pool, it
/// does the pool's work meanwhile.
pub(super) fn wait_on_pool(submission: &Submission<Vec<Tensor>>) {
    while !submission.is_complete() {
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Future for Run {
    type Output = Result<Vec<Tensor>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.submission.poll_complete(context) {
            // Not before: who calls `wait` polls the device, and a second thread would hold it longer than the process
            // may need, which OpenGL's drivers do not survive when it ends.
            if !self.is_watched
                && let Source::Gpu { gpu, .. } = &self.source
            {
                self.submission.watch(gpu);
                self.is_watched = true;
            }
            return Poll::Pending;
        }
        if let Source::Gpu { gpu, plan } = &self.source {
            let _gl_lock = gpu.gl_lock();
            plan.collect_finished(gpu);
        }
        Poll::Ready(self.submission.take())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("is_complete", &self.submission.is_complete())
            .finish_non_exhaustive()
    }
}
