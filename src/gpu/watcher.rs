//! A thread that polls the device while a submission is awaited.
//!
//! wgpu runs callbacks only within calls to the device, so that something has to poll until a buffer is mapped.
//! A host that draws does that; an async executor does not.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Gpu;
use crate::util::sync::lock_ignoring_poison as lock;

/// How long the lock of a device that needs serialized access is held at a time.
const SLICE: Duration = Duration::from_millis(1);

/// A device, the submission to wait for, and the lock to hold meanwhile.
type Watched = (
    wgpu::Device,
    Option<wgpu::SubmissionIndex>,
    Option<Arc<Mutex<()>>>,
);

/// The thread is started when it is first needed, and ends with the last clone of its [`Gpu`].
#[derive(Debug, Default)]
pub(super) struct Watcher {
    sender: Mutex<Option<Sender<Watched>>>,
}

impl Gpu {
    /// Has the thread poll until `submission` is done, or where `None` everything submitted so far.
    pub(super) fn watch(&self, submission: Option<wgpu::SubmissionIndex>) {
        let gl_mutex = self
            .needs_serialized_access()
            .then(|| self.inner.gl_mutex.clone());
        // The thread owns a clone only while it waits, so that it does not keep the device alive.
        let mut watched = (self.inner.device.clone(), submission, gl_mutex);
        let mut sender = lock(&self.inner.watcher.sender);
        loop {
            // A thread that panicked within wgpu is replaced.
            let running = sender.get_or_insert_with(start);
            match running.send(watched) {
                Ok(()) => return,
                Err(mpsc::SendError(unsent)) => watched = unsent,
            }
            *sender = None;
        }
    }
}

fn start() -> Sender<Watched> {
    let (sender, receiver) = mpsc::channel::<Watched>();
    std::thread::spawn(move || {
        for (device, submission, gl_mutex) in receiver {
            while !is_done(&device, &submission, gl_mutex.as_deref()) {
                // So that other threads get the lock.
                std::thread::sleep(SLICE);
            }
        }
    });
    sender
}

fn is_done(
    device: &wgpu::Device,
    submission: &Option<wgpu::SubmissionIndex>,
    gl_mutex: Option<&Mutex<()>>,
) -> bool {
    let _gl_lock = gl_mutex.map(lock);
    let wait = wgpu::PollType::Wait {
        submission_index: submission.clone(),
        timeout: gl_mutex.map(|_| SLICE),
    };
    // Other failures are reported to the callbacks of the awaited buffers.
    !matches!(device.poll(wait), Err(wgpu::PollError::Timeout))
}
