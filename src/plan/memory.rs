//! Lifetimes coloured onto few buffers, all of them known beforehand.
//!
//! Several buffers rather than one arena: WebGPU forbids one buffer to be read and written in the
//! same dispatch, even in disjoint ranges. Within a buffer, values alive at once lie side by side.
//!
//! Finding the least memory is NP-hard. Requests are given their spots one after another; the order
//! in which, and which request is told its buffer, are then changed by chance and kept where that
//! needs no more, or little more (the same each time: nothing here differs between two runs).

use crate::graph::{Lifetime, peak};

/// Offsets are multiples of it, as the elements of values are.
const ALIGNMENT: u64 = 16;
/// Changes tried at the most; fewer where there are many requests, so that planning stays a matter
/// of milliseconds.
const TRIES: usize = 600;
/// Pairs of requests that all tries together may look at.
const PAIRS: usize = 4_000_000;

/// Memory for one value.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub bytes: u64,
    pub lifetime: Lifetime,
    /// The requests that must be in another buffer: what a step reads where this is written, and
    /// the other way round.
    pub conflicts: Vec<usize>,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allocation {
    pub slot: usize,
    pub offset: u64,
}

/// The answer to all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Bytes of each buffer.
    pub slots: Vec<u64>,
    /// One a request.
    pub spots: Vec<Allocation>,
    /// Bytes that values take; the rest is for what is needed within a node only.
    pub value_bytes: u64,
}

impl Memory {
    pub fn bytes(&self) -> u64 {
        self.slots.iter().sum()
    }
}

/// The most that is alive at once: what no plan can go below.
pub(super) fn lower_bound(requests: &[Request]) -> u64 {
    peak(
        requests
            .iter()
            .map(|request| (request.lifetime, request.bytes)),
    )
}

/// A small plan for `requests` in buffers of at most `largest` bytes each. The first `values` of them
/// are values; the others, needed within a node only, are put where values leave room, and else on
/// top.
pub(super) fn assign(requests: &[Request], values: usize, largest: u64) -> Memory {
    let mut memory = assign_values(&requests[..values], largest);
    memory.value_bytes = memory.bytes();
    let sizes = aligned_sizes(requests);
    let problem = Problem {
        requests,
        sizes: &sizes,
        largest,
    };
    let mut members = vec![Vec::new(); memory.slots.len()];
    for (i, spot) in memory.spots.iter().enumerate() {
        members[spot.slot].push(i);
    }
    memory.spots.resize(requests.len(), Allocation::default());
    let mut rest: Vec<usize> = (values..requests.len()).collect();
    rest.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
    for i in rest {
        problem.place(&mut memory, &mut members, i, None);
    }
    memory
}

fn aligned_sizes(requests: &[Request]) -> Vec<u64> {
    let bytes = requests.iter().map(|request| request.bytes);
    bytes.map(|b| b.next_multiple_of(ALIGNMENT)).collect()
}

fn assign_values(requests: &[Request], largest: u64) -> Memory {
    let sizes = aligned_sizes(requests);
    let problem = Problem {
        requests,
        sizes: &sizes,
        largest,
    };
    let count = requests.len();
    let by_size = problem.by_size();
    let mut now = problem.place_all(by_size.clone(), vec![None; count]);
    for (order, told) in [
        (problem.by_breadth(), vec![None; count]),
        (by_size, problem.two_coloring()),
        (problem.by_breadth(), problem.two_coloring()),
    ] {
        let other = problem.place_all(order, told);
        if other.memory.bytes() < now.memory.bytes() {
            now = other;
        }
    }
    let mut best = now.memory.clone();
    // A hundredth more is not worth looking for.
    let enough = lower_bound(requests) / 100 * 101;
    let mut dice = SplitMix64(0);
    for _ in 0..TRIES.min(PAIRS / (count * count).max(1)) {
        if best.bytes() <= enough {
            break;
        }
        let (mut order, mut told) = (now.order.clone(), now.told.clone());
        let position = dice.throw(count);
        if dice.throw(2) == 0 {
            let request = order.remove(position);
            order.insert(dice.throw(count), request);
        } else {
            let slots = now.memory.slots.len();
            let slot = dice.throw(slots + 1);
            told[position] = (slot < slots).then_some(slot);
        }
        let next = problem.place_all(order, told);
        // As good is taken, too, and now and then what is a little worse: they lead away from where no
        // change helps.
        let allowed = match dice.throw(6) {
            0 => best.bytes() / 100 * 104,
            _ => 0,
        };
        if next.memory.bytes() <= now.memory.bytes().max(allowed) {
            now = next;
            if now.memory.bytes() < best.bytes() {
                best = now.memory.clone();
            }
        }
    }
    best
}

/// What every place_all has to solve.
struct Problem<'a> {
    requests: &'a [Request],
    /// Bytes with alignment.
    sizes: &'a [u64],
    largest: u64,
}

/// One order in which spots are given, the buffers that requests are told, and what comes of it.
struct Attempt {
    order: Vec<usize>,
    told: Vec<Option<usize>>,
    memory: Memory,
}

impl Problem<'_> {
    /// The largest first.
    fn by_size(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(self.sizes[i]), i));
        order
    }

    /// Those first that live beside the most.
    fn by_breadth(&self) -> Vec<usize> {
        let beside = |i: usize| -> u64 {
            let others = self.requests.iter().zip(self.sizes);
            let lifetime = self.requests[i].lifetime;
            let alive = others.filter(|(other, _)| other.lifetime.overlaps(lifetime));
            alive.map(|(_, size)| size).sum()
        };
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_cached_key(|&i| (std::cmp::Reverse(beside(i)), i));
        order
    }

    /// Two buffers that are read and written in turn, from the first value to the last, as far as that
    /// goes: changes by chance do not find what a whole network has to agree on.
    fn two_coloring(&self) -> Vec<Option<usize>> {
        let mut told: Vec<Option<usize>> = vec![None; self.requests.len()];
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|&i| self.requests[i].lifetime.first);
        for i in order {
            let taken = |slot| {
                let mut conflicts = self.requests[i].conflicts.iter();
                conflicts.any(|&other| told.get(other) == Some(&Some(slot)))
            };
            told[i] = (0..).find(|&slot| !taken(slot));
        }
        told
    }

    /// Gives each request in `order` a spot in the buffer that it was told, if that may be; else the
    /// one that makes memory grow least, and of those that make it grow equally, the tightest.
    fn place_all(&self, order: Vec<usize>, told: Vec<Option<usize>>) -> Attempt {
        let mut memory = Memory {
            slots: Vec::new(),
            spots: vec![Allocation::default(); self.requests.len()],
            value_bytes: 0,
        };
        let mut members: Vec<Vec<usize>> = Vec::new();
        for &i in &order {
            self.place(&mut memory, &mut members, i, told[i]);
        }
        Attempt {
            order,
            told,
            memory,
        }
    }

    /// Gives request `i` its spot.
    fn place(
        &self,
        memory: &mut Memory,
        members: &mut Vec<Vec<usize>>,
        i: usize,
        told: Option<usize>,
    ) {
        let size = self.sizes[i];
        let mut chosen: Option<((bool, u64, u64), Allocation)> = None;
        for (slot, members) in members.iter().enumerate() {
            let conflicts = &self.requests[i].conflicts;
            if members.iter().any(|member| conflicts.contains(member)) {
                continue;
            }
            let bytes = memory.slots[slot];
            let is_other = told.is_some_and(|told| told != slot);
            for (offset, room) in gaps(&self.taken(memory, members, i), size, bytes) {
                let growth = (offset + size).saturating_sub(bytes);
                let cost = (is_other, growth, room);
                let better = chosen.as_ref().is_none_or(|(least, _)| cost < *least);
                if offset + size <= self.largest && better {
                    chosen = Some((cost, Allocation { slot, offset }));
                }
            }
        }
        let spot = match chosen {
            Some(((_, growth, _), spot)) if growth <= size => spot,
            // A buffer of its own costs no more.
            _ => {
                memory.slots.push(0);
                members.push(Vec::new());
                Allocation {
                    slot: members.len() - 1,
                    offset: 0,
                }
            }
        };
        memory.spots[i] = spot;
        memory.slots[spot.slot] = memory.slots[spot.slot].max(spot.offset + size);
        members[spot.slot].push(i);
    }

    /// The bytes of those `members` that live beside request `i`, sorted.
    fn taken(&self, memory: &Memory, members: &[usize], i: usize) -> Vec<(u64, u64)> {
        let lifetime = self.requests[i].lifetime;
        let mut taken: Vec<(u64, u64)> = (members.iter())
            .filter(|&&member| self.requests[member].lifetime.overlaps(lifetime))
            .map(|&member| {
                let offset = memory.spots[member].offset;
                (offset, offset + self.sizes[member])
            })
            .collect();
        taken.sort_unstable();
        taken
    }
}

/// Places for `size` bytes between those `taken` (sorted, perhaps overlapping) in a buffer of `end`
/// bytes, each with the space that would be left over; the last is behind them all.
fn gaps(taken: &[(u64, u64)], size: u64, end: u64) -> Vec<(u64, u64)> {
    let mut gaps = Vec::new();
    let mut free_from = 0;
    for &(start, stop) in taken {
        if start >= free_from + size {
            gaps.push((free_from, start - free_from - size));
        }
        free_from = free_from.max(stop);
    }
    gaps.push((free_from, end.saturating_sub(free_from + size)));
    gaps
}

/// Numbers that look like chance, the same each time (splitmix64).
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number below `sides`.
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % sides.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of any sizes and lifetimes, some of which must be conflicts.
    fn some_requests(dice: &mut SplitMix64) -> Vec<Request> {
        let count = dice.throw(30) + 1;
        let mut requests: Vec<Request> = (0..count)
            .map(|_| {
                let first = dice.throw(20);
                Request {
                    bytes: dice.throw(5000) as u64,
                    lifetime: Lifetime {
                        first,
                        last: first + dice.throw(8),
                    },
                    conflicts: Vec::new(),
                }
            })
            .collect();
        for _ in 0..dice.throw(2 * count) {
            let (a, b) = (dice.throw(count), dice.throw(count));
            if a != b {
                requests[a].conflicts.push(b);
                requests[b].conflicts.push(a);
            }
        }
        requests
    }

    #[test]
    fn what_is_alive_at_once_lies_side_by_side() {
        let mut dice = SplitMix64(2026);
        for _ in 0..50 {
            let requests = some_requests(&mut dice);
            let largest = 8000;
            let memory = assign(&requests, requests.len() / 2, largest);
            assert!(memory.slots.iter().all(|bytes| *bytes <= largest));
            for (i, a) in requests.iter().enumerate() {
                let spot = memory.spots[i];
                assert!(spot.offset.is_multiple_of(ALIGNMENT));
                assert!(spot.offset + a.bytes <= memory.slots[spot.slot]);
                for (j, b) in requests.iter().enumerate().filter(|(j, _)| *j != i) {
                    let other = memory.spots[j];
                    assert!(other.slot != spot.slot || !a.conflicts.contains(&j));
                    let beside = spot.offset + a.bytes <= other.offset
                        || other.offset + b.bytes <= spot.offset;
                    let alive_at_once = a.lifetime.overlaps(b.lifetime);
                    assert!(other.slot != spot.slot || beside || !alive_at_once);
                }
            }
        }
        assert_eq!(assign(&[], 0, 1).slots, [] as [u64; 0]);
    }
}
