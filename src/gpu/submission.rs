//! A submission whose output is awaited.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use wgpu::SubmissionIndex;

use super::Gpu;
use crate::error::{Error, Result};
use crate::util::sync::lock_ignoring_poison as lock;

/// How often [`Submission::wait`] polls in vain before it asks whether the device is lost.
const ATTEMPTS_BETWEEN_CHECKS: usize = 64;

/// The state that wgpu's callbacks and the awaiting caller share.
#[derive(Debug)]
pub(crate) struct Submission<T> {
    submission: Option<SubmissionIndex>,
    /// The number of buffers that are still to be mapped.
    pending: AtomicUsize,
    has_failed: AtomicBool,
    waker: Mutex<Option<Waker>>,
    output: Mutex<Option<Result<T>>>,
}

impl<T> Submission<T> {
    /// Waits for `submission`, or where `None` for everything submitted so far, until `buffers` buffers are
    /// mapped.
    pub fn new(submission: Option<SubmissionIndex>, buffers: usize) -> Self {
        Self {
            submission,
            pending: AtomicUsize::new(buffers),
            has_failed: AtomicBool::new(false),
            waker: Mutex::default(),
            output: Mutex::default(),
        }
    }

    /// Has a thread poll the device until it is complete.
    pub fn watch(&self, gpu: &Gpu) {
        gpu.watch(self.submission.clone());
    }

    /// Records that a buffer was mapped, or failed to be.
    pub fn mapped(&self, succeeded: bool) {
        if !succeeded {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(waker) = lock(&self.waker).take()
        {
            waker.wake();
        }
    }

    /// Whether all buffers were mapped or failed to be.
    pub fn is_complete(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// Whether a buffer could not be mapped.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// As [`Self::is_complete`]. Where it is not, the context's task is woken once it is.
    pub fn poll_complete(&self, context: &Context<'_>) -> bool {
        if self.is_complete() {
            return true;
        }
        *lock(&self.waker) = Some(context.waker().clone());
        // It may have completed before the waker was stored.
        self.is_complete()
    }

    /// Stores the output for [`Self::take`].
    pub fn set_output(&self, output: Result<T>) {
        *lock(&self.output) = Some(output);
    }

    /// Waits until it is complete. The caller holds [`Gpu::gl_lock`].
    pub fn wait(&self, gpu: &Gpu) -> Result<()> {
        const CONTEXT: &str = "waiting for the output";
        for attempt in 1_usize.. {
            if self.is_complete() {
                break;
            }
            let wait = wgpu::PollType::Wait {
                submission_index: self.submission.clone(),
                timeout: None,
            };
            let polled = gpu.device().poll(wait);
            polled.map_err(|error| gpu.error(CONTEXT, error))?;
            // Otherwise another thread has polled, and is about to run the callback. Should that never come,
            // the device may be lost.
            if attempt.is_multiple_of(ATTEMPTS_BETWEEN_CHECKS)
                && !self.is_complete()
                && gpu.is_lost()
            {
                return Err(gpu.error(CONTEXT, "lost"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The output, once.
    pub fn take(&self) -> Result<T> {
        lock(&self.output)
            .take()
            .unwrap_or_else(|| Err(Error::Inputs("the output was already taken".to_owned())))
    }
}

/// The output of a future that is ready. Polls once, and wakes nobody later.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
