//! A thread that sees to the device while something is awaited.
//!
//! wgpu calls back only from within calls to the device: whoever awaits a buffer to be mapped needs
//! someone to poll. A host that draws does, but no executor.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Gpu;
use crate::util::sync::lock_ignoring_poison as lock;

/// How long a device that takes turns is held at a time.
const TURN: Duration = Duration::from_millis(1);

/// What is waited for, and whose turn it has to be for that.
type Watched = (
    wgpu::Device,
    Option<wgpu::SubmissionIndex>,
    Option<Arc<Mutex<()>>>,
);

/// Started by who needs it first; ends with the last clone of its [`Gpu`].
#[derive(Debug, Default)]
pub(super) struct Watcher {
    sender: Mutex<Option<Sender<Watched>>>,
}

impl Gpu {
    /// Has a thread poll until `submission` is done, or all that was submitted by now.
    pub(super) fn watch(&self, submission: Option<wgpu::SubmissionIndex>) {
        let turns = self
            .needs_serialized_access()
            .then(|| self.inner.turns.clone());
        // It holds the device only while it waits, so as not to keep it alive.
        let mut watched = (self.inner.device.clone(), submission, turns);
        let mut sender = lock(&self.inner.watcher.sender);
        loop {
            // One that panicked within wgpu is replaced.
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
        for (device, submission, turns) in receiver {
            while !is_done(&device, &submission, turns.as_deref()) {
                // Others may have their turn.
                std::thread::sleep(TURN);
            }
        }
    });
    sender
}

fn is_done(
    device: &wgpu::Device,
    submission: &Option<wgpu::SubmissionIndex>,
    turns: Option<&Mutex<()>>,
) -> bool {
    let _gl_lock = turns.map(lock);
    let wait = wgpu::PollType::Wait {
        submission_index: submission.clone(),
        timeout: turns.map(|_| TURN),
    };
    // Other failures are told to the callbacks of what is awaited.
    !matches!(device.poll(wait), Err(wgpu::PollError::Timeout))
}
