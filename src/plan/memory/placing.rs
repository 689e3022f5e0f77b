//! The placement of requests one after another.

use std::cmp::Reverse;
use std::ops::Range;

use super::{ALIGNMENT, Allocation, Request};

/// What every placement has to solve.
pub(super) struct Problem<'a> {
    requests: &'a [Request],
    /// Bytes with alignment.
    sizes: Vec<u64>,
    largest: u64,
    /// Which requests must be in different buffers.
    conflicts: BitMatrix,
    /// Which requests are alive at once.
    overlaps: BitMatrix,
}

impl<'a> Problem<'a> {
    /// `requests` for buffers of at most `largest` bytes.
    pub fn new(requests: &'a [Request], largest: u64) -> Self {
        let count = requests.len();
        let mut conflicts = BitMatrix::new(count);
        let mut overlaps = BitMatrix::new(count);
        for (i, request) in requests.iter().enumerate() {
            for &other in &request.conflicts {
                conflicts.set(i, other);
            }
            for (j, other) in requests.iter().enumerate() {
                if request.lifetime.overlaps(other.lifetime) {
                    overlaps.set(i, j);
                }
            }
        }
        let bytes = requests.iter().map(|request| request.bytes);
        Self {
            requests,
            sizes: bytes.map(|b| b.next_multiple_of(ALIGNMENT)).collect(),
            largest,
            conflicts,
            overlaps,
        }
    }

    /// The largest first.
    pub fn by_size(&self, requests: Range<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = requests.collect();
        order.sort_by_key(|&i| (Reverse(self.sizes[i]), i));
        order
    }

    /// The first `count` requests, those first that are alive together with the most bytes.
    pub fn by_breadth(&self, count: usize) -> Vec<usize> {
        let breadth = |i: usize| -> u64 {
            let alive = (0..count).filter(|&other| self.overlaps.get(i, other));
            alive.map(|other| self.sizes[other]).sum()
        };
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_cached_key(|&i| (Reverse(breadth(i)), i));
        order
    }

    /// Hints for the first `count` requests: as far as possible two buffers that are read and written in
    /// turns, from the first value to the last. Random changes do not find what a whole network has to
    /// agree on.
    pub fn two_coloring(&self, count: usize) -> Vec<Option<usize>> {
        let mut hints: Vec<Option<usize>> = vec![None; count];
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|&i| self.requests[i].lifetime.first);
        for i in order {
            let is_taken = |slot| {
                let mut conflicts = self.requests[i].conflicts.iter();
                conflicts.any(|&other| hints.get(other) == Some(&Some(slot)))
            };
            hints[i] = (0..).find(|&slot| !is_taken(slot));
        }
        hints
    }
}

/// Requests that have been placed so far.
pub(super) struct Placing<'a> {
    problem: &'a Problem<'a>,
    /// Of each request; meaningless for those that are not placed.
    pub allocations: Vec<Allocation>,
    /// The first `used` are in use. The others are kept for their memory.
    slots: Vec<Slot>,
    used: usize,
    bytes: u64,
}

/// A buffer.
#[derive(Default)]
struct Slot {
    bytes: u64,
    /// Start, end and request of each range, sorted. They may overlap if not alive at once.
    ranges: Vec<(u64, u64, usize)>,
    /// The same requests as a set.
    members: Vec<u64>,
}

impl<'a> Placing<'a> {
    /// Nothing placed yet.
    pub fn new(problem: &'a Problem<'a>) -> Self {
        Self {
            problem,
            allocations: vec![Allocation::default(); problem.requests.len()],
            slots: Vec::new(),
            used: 0,
            bytes: 0,
        }
    }

    /// Bytes of each buffer.
    pub fn slot_bytes(&self) -> impl Iterator<Item = u64> {
        self.slots[..self.used].iter().map(|slot| slot.bytes)
    }

    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Places the requests in `order` anew; the first `unchanged` of them as in `known`, which is what
    /// placing them would give. Returns whether this takes at most `most` bytes, and stops where not.
    pub fn place_all(
        &mut self,
        order: &[usize],
        hints: &[Option<usize>],
        unchanged: usize,
        known: &[Allocation],
        most: u64,
    ) -> bool {
        self.used = 0;
        self.bytes = 0;
        self.replay(&order[..unchanged], known);
        for &i in &order[unchanged..] {
            self.place(i, hints[i]);
            if self.bytes > most {
                return false;
            }
        }
        self.bytes <= most
    }

    /// Places `requests` as in `known`.
    pub fn replay(&mut self, requests: &[usize], known: &[Allocation]) {
        for &i in requests {
            self.insert(i, known[i]);
        }
    }

    /// Places request `i` in the buffer hinted at, if possible; else where memory grows least, and of
    /// those places in the tightest.
    pub fn place(&mut self, i: usize, hint: Option<usize>) {
        let problem = self.problem;
        let size = problem.sizes[i];
        let conflicts = problem.conflicts.row(i);
        let overlaps = problem.overlaps.row(i);
        let mut best: Option<((bool, u64, u64), Allocation)> = None;
        for (index, slot) in self.slots[..self.used].iter().enumerate() {
            if slot.members.iter().zip(conflicts).any(|(a, b)| a & b != 0) {
                continue;
            }
            let is_other = hint.is_some_and(|hint| hint != index);
            let mut consider = |offset: u64, left_over: u64| {
                let growth = (offset + size).saturating_sub(slot.bytes);
                let cost = (is_other, growth, left_over);
                let is_better = best.as_ref().is_none_or(|(least, _)| cost < *least);
                if is_better && offset + size <= problem.largest {
                    let slot = index;
                    best = Some((cost, Allocation { slot, offset }));
                }
            };
            // The gaps between ranges that are alive at the same time, and the space after them.
            let mut free_from = 0;
            for &(start, end, other) in &slot.ranges {
                if !is_set(overlaps, other) {
                    continue;
                }
                if start >= free_from + size {
                    consider(free_from, start - free_from - size);
                }
                free_from = free_from.max(end);
            }
            consider(free_from, slot.bytes.saturating_sub(free_from + size));
        }
        let allocation = match best {
            Some(((_, growth, _), allocation)) if growth <= size => allocation,
            // A buffer of its own costs no more.
            _ => Allocation {
                slot: self.used,
                offset: 0,
            },
        };
        self.insert(i, allocation);
    }

    /// Puts request `i` into an existing buffer or the next new one.
    fn insert(&mut self, i: usize, allocation: Allocation) {
        let Allocation { slot, offset } = allocation;
        let words = self.problem.conflicts.words;
        while self.used <= slot {
            if self.used == self.slots.len() {
                self.slots.push(Slot::default());
            }
            let new = &mut self.slots[self.used];
            new.bytes = 0;
            new.ranges.clear();
            new.members.clear();
            new.members.resize(words, 0);
            self.used += 1;
        }
        let end = offset + self.problem.sizes[i];
        let slot = &mut self.slots[slot];
        let range = (offset, end, i);
        let position = slot.ranges.partition_point(|other| *other < range);
        slot.ranges.insert(position, range);
        slot.members[i / 64] |= 1 << (i % 64);
        self.bytes += end.saturating_sub(slot.bytes);
        slot.bytes = slot.bytes.max(end);
        self.allocations[i] = allocation;
    }
}

/// A square matrix of bits.
struct BitMatrix {
    /// Words per row.
    words: usize,
    bits: Vec<u64>,
}

impl BitMatrix {
    fn new(count: usize) -> Self {
        let words = count.div_ceil(64);
        Self {
            words,
            bits: vec![0; count * words],
        }
    }

    fn set(&mut self, row: usize, column: usize) {
        self.bits[row * self.words + column / 64] |= 1 << (column % 64);
    }

    fn get(&self, row: usize, column: usize) -> bool {
        is_set(self.row(row), column)
    }

    fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..][..self.words]
    }
}

fn is_set(row: &[u64], column: usize) -> bool {
    row[column / 64] >> (column % 64) & 1 == 1
}
