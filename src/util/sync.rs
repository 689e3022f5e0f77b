//! Mutexes whose data is consistent at all times.

use std::sync::{Mutex, MutexGuard};

/// Locks a mutex. Ignores poisoning: the data is consistent even where a thread panicked while it held the lock.
pub(crate) fn lock_ignoring_poison<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
