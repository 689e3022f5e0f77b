//! Something that the device is doing, and its answer to come.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use wgpu::SubmissionIndex;

use super::Gpu;
use crate::error::{Error, Result};
use crate::util::sync::lock_ignoring_poison as lock;

/// What the device's side and the caller's know of something that is awaited.
pub(crate) struct Submission<T> {
    submission: Option<SubmissionIndex>,
    /// Buffers that are still to be mapped.
    awaited: AtomicUsize,
    has_failed: AtomicBool,
    waker: Mutex<Option<Waker>>,
    answer: Mutex<Option<Result<T>>>,
}

impl<T> Submission<T> {
    /// Of something that was submitted; of nothing in particular where there is no `submission`: all that
    /// was submitted is waited for then. So many buffers are to be mapped.
    pub fn new(submission: Option<SubmissionIndex>, buffers: usize) -> Self {
        Self {
            submission,
            awaited: AtomicUsize::new(buffers),
            has_failed: AtomicBool::new(false),
            waker: Mutex::default(),
            answer: Mutex::default(),
        }
    }

    /// Has a thread see to the device until it is back.
    pub fn watch(&self, gpu: &Gpu) {
        gpu.watch(self.submission.clone());
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
    pub fn is_complete(&self) -> bool {
        self.awaited.load(Ordering::Acquire) == 0
    }

    /// Whether a buffer could not be mapped.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// As [`Self::is_complete`]; where it is not, the context's task is woken when it is.
    pub fn poll_complete(&self, context: &Context<'_>) -> bool {
        if self.is_complete() {
            return true;
        }
        *lock(&self.waker) = Some(context.waker().clone());
        // It may have come back before the waker was there to be found.
        self.is_complete()
    }

    /// Puts the answer down for the caller.
    pub fn land(&self, answer: Result<T>) {
        *lock(&self.answer) = Some(answer);
    }

    /// Waits until it is back. The device's turn is the caller's to take.
    pub fn wait(&self, gpu: &Gpu) -> Result<()> {
        const CONTEXT: &str = "waiting for the answer";
        while !self.is_complete() {
            let wait = wgpu::PollType::Wait {
                submission_index: self.submission.clone(),
                timeout: None,
            };
            let polled = gpu.device().poll(wait);
            polled.map_err(|error| gpu.error(CONTEXT, error))?;
            // Else another thread has polled, and is about to call back.
            if !self.is_complete() && gpu.is_lost() {
                return Err(gpu.error(CONTEXT, "lost"));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// The answer, which is there once.
    pub fn take(&self) -> Result<T> {
        lock(&self.answer).take().unwrap_or_else(|| {
            Err(Error::Inputs(
                "an answer was asked for again after it was given".to_owned(),
            ))
        })
    }
}

/// What a future has come to, if it has by now: no one is woken later.
pub(crate) fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
