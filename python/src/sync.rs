//! Mutexes whose data is consistent at all times.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks. A panic leaves what is locked as usable as an error.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
