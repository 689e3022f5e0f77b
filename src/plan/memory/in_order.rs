//! The assignment of very many requests: in the order of their lifetimes, without a search.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::ops::Range;

use super::{ALIGNMENT, Allocation, Memory, Request};

/// As [`super::assign`], in a time that grows with the requests and their conflicts, not with pairs of
/// requests: every buffer holds one value at a time.
pub(super) fn assign(requests: &[Request], values: usize, largest: u64) -> Memory {
    let mut memory = Memory {
        allocations: vec![Allocation::default(); requests.len()],
        ..Memory::default()
    };
    place(&mut memory, requests, 0..values, largest);
    memory.value_bytes = memory.bytes();
    // Workspaces are in buffers of their own.
    place(&mut memory, requests, values..requests.len(), largest);
    memory
}

/// Places the requests `placed` in new buffers.
fn place(memory: &mut Memory, requests: &[Request], placed: Range<usize>, largest: u64) {
    let mut order: Vec<usize> = placed.clone().collect();
    order.sort_by_key(|&i| (requests[i].lifetime.first, Reverse(requests[i].bytes)));
    let mut is_placed = vec![false; requests.len()];
    // The buffers that hold a value, the first to become free on top; and those that hold none, by size.
    let mut used: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let mut free: BTreeSet<(u64, usize)> = BTreeSet::new();
    for i in order {
        let request = &requests[i];
        while let Some(&Reverse((last, slot))) = used.peek() {
            if last >= request.lifetime.first {
                break;
            }
            used.pop();
            free.insert((memory.slots[slot], slot));
        }
        let size = request.bytes.next_multiple_of(ALIGNMENT);
        let conflicts = request.conflicts.iter().filter(|other| is_placed[**other]);
        let taken: HashSet<usize> = conflicts
            .map(|other| memory.allocations[*other].slot)
            .collect();
        // The smallest buffer that is large enough, else the largest, which grows.
        let is_allowed = |(_, slot): &&(u64, usize)| !taken.contains(slot);
        let found = (free.range((size, 0)..).find(is_allowed))
            .or_else(|| free.range(..(size, 0)).rev().find(is_allowed))
            .copied()
            .filter(|_| size <= largest);
        let slot = match found {
            Some(buffer) => {
                free.remove(&buffer);
                buffer.1
            }
            None => {
                memory.slots.push(0);
                memory.slots.len() - 1
            }
        };
        memory.slots[slot] = memory.slots[slot].max(size);
        memory.allocations[i] = Allocation { slot, offset: 0 };
        is_placed[i] = true;
        used.push(Reverse((request.lifetime.last, slot)));
    }
}
