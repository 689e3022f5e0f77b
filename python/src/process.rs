//! Devices and threads do not survive `fork`: the child's copies would hang or crash.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::errors::exception;

/// The process that used a device first; 0 before.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Refuses to go on in a child that was forked after a device was used.
pub fn check(py: Python<'_>) -> PyResult<()> {
    let process = std::process::id();
    match OWNER.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(owner) if owner == process => Ok(()),
        Err(owner) => Err(exception(
            py,
            "ForkError",
            &format!(
                "shadernet was used in process {owner} before it forked into this one ({process}): devices and \
                 threads do not survive a fork; use the start method 'spawn' or 'forkserver' \
                 (multiprocessing.get_context(\"spawn\")), or fork before the first use"
            ),
        )),
    }
}

/// A value that is not dropped in a forked child, where the threads that dropping waits for do not exist.
pub struct Owned<T> {
    value: ManuallyDrop<T>,
    process: u32,
}

impl<T> Owned<T> {
    pub fn new(value: T) -> Self {
        Self {
            value: ManuallyDrop::new(value),
            process: std::process::id(),
        }
    }
}

impl<T> Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            // SAFETY: it is dropped here and nowhere else, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}
