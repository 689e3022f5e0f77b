//! The memory of this machine.

use std::fmt;

use sysinfo::System;

use crate::error::{CPU, Error, Result, gigabytes};

/// Allocations up to this size are not checked: asking the system takes longer than they are worth.
const UNCHECKED: u64 = 256 << 20;

/// Checks that this machine has `needed` bytes for `what`, before they are allocated. Where systems promise more
/// memory than they have, an allocation that is too large succeeds, and the process is killed when it writes.
///
/// What counts as available is free memory, what caches can give up, and free swap space, within the limits of
/// the process's control group. Where the system does not tell, everything is.
///
/// # Errors
/// [`Error::OutOfMemory`], with both numbers.
pub fn check_memory(what: impl fmt::Display, needed: u64) -> Result<()> {
    match needed > UNCHECKED {
        true => check(what, needed, available()),
        false => Ok(()),
    }
}

/// Bytes that can still be allocated; `None` if the system does not tell.
fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    if system.total_memory() == 0 {
        return None;
    }
    let all = (system.available_memory()).saturating_add(system.free_swap());
    let group = system
        .cgroup_limits()
        .filter(|group| group.total_memory > 0);
    // Not the group's free memory: what it holds in caches can be given up.
    let group = group.map(|group| {
        (group.total_memory.saturating_sub(group.rss)).saturating_add(group.free_swap)
    });
    Some(group.map_or(all, |group| group.min(all)))
}

fn check(what: impl fmt::Display, needed: u64, available: Option<u64>) -> Result<()> {
    match available {
        Some(available) if needed > available => Err(Error::OutOfMemory {
            device: CPU.to_owned(),
            context: format!("{what}, with {} available", gigabytes(available)),
            needed: Some(needed),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_allocations_are_refused_with_both_numbers() {
        assert!(check("x", 5, None).is_ok() && check("x", 5, Some(5)).is_ok());
        let error = check("an image", 3_221_225_472, Some(1_500_000_000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the CPU: an image, with 1.5 GB available: out of memory: it needs 3.2 GB in all; close what else \
             uses its memory, or use a smaller image or batch"
        );
        assert!(check_memory("everything", u64::MAX).is_err());
        assert!(check_memory("little", 1000).is_ok());
    }
}
