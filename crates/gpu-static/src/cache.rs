//! The last cache of a GPU, between all others and its memory: how much of what a dispatch reads and writes has to go
//! through the memory. Values are kept as a whole or in part, and what was used longest ago leaves first.

use std::collections::VecDeque;

use shadernet::plan::Transfer;

/// A cache of some bytes, in the course of a pass.
pub struct Cache {
    capacity: f64,
    /// What is in it, what was used last at the end.
    entries: VecDeque<Entry>,
}

struct Entry {
    memory: String,
    bytes: f64,
    /// Of these, what memory does not have yet.
    dirty: f64,
}

impl Cache {
    /// An empty cache of so many bytes.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity: capacity as f64,
            entries: VecDeque::new(),
        }
    }

    /// Bytes that memory moves for the reads and writes of a dispatch.
    pub fn moved(&mut self, transfers: &[Transfer]) -> f64 {
        transfers.iter().map(|transfer| self.access(transfer)).sum()
    }

    fn access(&mut self, transfer: &Transfer) -> f64 {
        let (bytes, total) = (transfer.bytes as f64, transfer.total as f64);
        let found = (self.entries.iter()).position(|entry| entry.memory == transfer.memory);
        let found = found.and_then(|i| self.entries.remove(i));
        let mut entry = found.unwrap_or_else(|| Entry {
            memory: transfer.memory.clone(),
            bytes: 0.0,
            dirty: 0.0,
        });
        // Of a value that does not fit, the end is there, and it is read from the begin.
        let hits = match bytes > self.capacity || total <= 0.0 {
            true => 0.0,
            false => bytes * entry.bytes / total,
        };
        entry.bytes = (entry.bytes + bytes - hits).min(total);
        if transfer.is_write {
            entry.dirty = (entry.dirty + bytes).min(entry.bytes);
        }
        self.entries.push_back(entry);
        // What is written is moved when it leaves.
        let read = if transfer.is_write { 0.0 } else { bytes - hits };
        read + self.evict()
    }

    /// Makes what is in the cache fit, and returns the bytes that were written to memory for it.
    fn evict(&mut self) -> f64 {
        let all: f64 = self.entries.iter().map(|entry| entry.bytes).sum();
        let (mut excess, mut written) = (all - self.capacity, 0.0);
        while excess > 0.0
            && let Some(mut entry) = self.entries.pop_front()
        {
            let leaves = excess.min(entry.bytes);
            let dirty = entry.dirty.min(leaves);
            excess -= leaves;
            written += dirty;
            entry.bytes -= leaves;
            entry.dirty -= dirty;
            if entry.bytes > 0.0 {
                self.entries.push_front(entry);
                break;
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(memory: &str, bytes: u64, is_write: bool) -> Transfer {
        Transfer {
            memory: memory.to_owned(),
            bytes,
            total: bytes,
            is_write,
        }
    }

    #[test]
    fn what_fits_is_read_once() {
        let mut cache = Cache::new(100);
        let read = transfer("weights", 60, false);
        assert_eq!(cache.moved(std::slice::from_ref(&read)), 60.0);
        assert_eq!(cache.moved(&[read]), 0.0);
        // Written again and again, it is never moved.
        let write = transfer("workspace", 40, true);
        assert_eq!(cache.moved(&[write.clone(), write]), 0.0);
        // It leaves after the weights, half of which leave first.
        assert_eq!(cache.moved(&[transfer("value", 30, false)]), 30.0);
        assert_eq!(cache.moved(&[transfer("other", 70, false)]), 110.0);
    }

    #[test]
    fn what_does_not_fit_is_moved_always() {
        let mut cache = Cache::new(100);
        let [write, read] = [true, false].map(|is_write| transfer("value", 300, is_write));
        assert_eq!(cache.moved(&[write]), 200.0);
        assert_eq!(cache.moved(&[read]), 300.0 + 100.0);
    }
}
