//! Locks whose holders leave what is behind them whole, at every moment.

use std::sync::{Mutex, MutexGuard};

/// Takes the lock. A thread that panicked while it held it left nothing half done, so that what it guards
/// is as good as ever.
pub(crate) fn lock_ignoring_poison<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
