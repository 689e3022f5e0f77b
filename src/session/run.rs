//! A run that was submitted, and its answer to come.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use wgpu::SubmissionIndex;

use super::bound_plan::BoundPlan;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::tensor::Tensor;

/// A run in flight: a future of the outputs, NCHW, in the graph's order, that any executor can drive,
/// for a thread of this crate's sees to the device. It borrows nothing and may be sent to other threads.
///
/// Dropped before it is ready, the run goes on, for a device cannot be told otherwise, and its answer is
/// thrown away.
#[must_use = "a run is awaited, or waited for"]
pub struct Run {
    source: Source,
    flight: Arc<Flight>,
}

enum Source {
    Gpu {
        gpu: Gpu,
        plan: Arc<BoundPlan>,
    },
    /// A thread computes it.
    Cpu,
}

impl Run {
    pub(super) fn new(gpu: &Gpu, plan: &Arc<BoundPlan>, flight: Arc<Flight>) -> Self {
        let (gpu, plan) = (gpu.clone(), plan.clone());
        Self {
            source: Source::Gpu { gpu, plan },
            flight,
        }
    }

    /// `compute` on another thread.
    pub(super) fn on_a_thread(
        compute: impl FnOnce() -> Result<Vec<Tensor>> + Send + 'static,
    ) -> Self {
        let flight = Arc::new(Flight {
            submission: None,
            ..Flight::empty(1)
        });
        let landing = flight.clone();
        rayon::spawn(move || {
            landing.land(compute());
            landing.mapped(true);
        });
        Self {
            source: Source::Cpu,
            flight,
        }
    }

    /// Waits for the outputs.
    ///
    /// # Errors
    /// [`Error::Device`] where the device fails, [`Error::DeviceLost`] where it is lost.
    pub fn wait(self) -> Result<Vec<Tensor>> {
        let gpu = match &self.source {
            Source::Gpu { gpu, .. } => Some(gpu.clone()),
            Source::Cpu => None,
        };
        let _turn = gpu.as_ref().and_then(Gpu::turn);
        self.wait_in_turn()
    }

    /// As [`Self::wait`]; the device's turn is the caller's to take.
    pub(super) fn wait_in_turn(self) -> Result<Vec<Tensor>> {
        match &self.source {
            Source::Gpu { gpu, plan } => {
                self.flight.wait(gpu)?;
                plan.land_all(gpu);
            }
            Source::Cpu => pollster::block_on(std::future::poll_fn(|context| {
                match self.flight.is_back_or_wakes(context) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })),
        }
        self.flight.take()
    }

    /// Has a thread see to the device until the answer is there.
    pub(super) fn watched(self) -> Self {
        if let (Source::Gpu { gpu, .. }, Some(submission)) = (&self.source, &self.flight.submission)
        {
            gpu.watch(submission.clone());
        }
        self
    }
}

impl Future for Run {
    type Output = Result<Vec<Tensor>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.flight.is_back_or_wakes(context) {
            return Poll::Pending;
        }
        if let Source::Gpu { gpu, plan } = &self.source {
            plan.land_all(gpu);
        }
        Poll::Ready(self.flight.take())
    }
}

/// What the device's side and the caller's know of a run.
pub(super) struct Flight {
    /// None of a run on the CPU.
    submission: Option<SubmissionIndex>,
    /// Buffers that are still to be mapped.
    awaited: AtomicUsize,
    has_failed: AtomicBool,
    waker: Mutex<Option<Waker>>,
    answers: Mutex<Option<Result<Vec<Tensor>>>>,
}

impl Flight {
    pub fn new(submission: SubmissionIndex, buffers: usize) -> Self {
        Self {
            submission: Some(submission),
            ..Self::empty(buffers)
        }
    }

    fn empty(awaited: usize) -> Self {
        Self {
            submission: None,
            awaited: AtomicUsize::new(awaited),
            has_failed: AtomicBool::new(false),
            waker: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// One of its buffers was mapped, or was not.
    pub fn mapped(&self, succeeded: bool) {
        if !succeeded {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        if self.awaited.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(waker) = lock(&self.waker).take()
        {
            waker.wake();
        }
    }

    /// Whether all of its buffers were mapped, or failed to be.
    pub fn is_back(&self) -> bool {
        self.awaited.load(Ordering::Acquire) == 0
    }

    /// Whether a buffer could not be mapped.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    fn is_back_or_wakes(&self, context: &Context<'_>) -> bool {
        if self.is_back() {
            return true;
        }
        *lock(&self.waker) = Some(context.waker().clone());
        // It may have come back before the waker was there to be found.
        self.is_back()
    }

    /// Puts its answers down for the caller.
    pub fn land(&self, answers: Result<Vec<Tensor>>) {
        *lock(&self.answers) = Some(answers);
    }

    /// Waits until it is back. The device's turn is the caller's to take.
    pub fn wait(&self, gpu: &Gpu) -> Result<()> {
        const CONTEXT: &str = "waiting for the answer";
        while !self.is_back() {
            let wait = wgpu::PollType::Wait {
                submission_index: self.submission.clone(),
                timeout: None,
            };
            let polled = gpu.device().poll(wait);
            polled.map_err(|error| gpu.error(CONTEXT, error))?;
            // Else another thread has polled, and is about to call back.
            if !self.is_back() && gpu.is_lost() {
                return Err(gpu.error(CONTEXT, "lost"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn take(&self) -> Result<Vec<Tensor>> {
        lock(&self.answers).take().unwrap_or_else(|| {
            Err(Error::Inputs(
                "a run's answer was asked for again after it was given".to_owned(),
            ))
        })
    }
}

/// A thread that panicked while it held a lock left what is behind it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
