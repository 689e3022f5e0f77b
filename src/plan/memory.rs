//! Lifetimes coloured onto few buffers, all of them known beforehand.
//!
//! Several buffers rather than one arena: WebGPU forbids one buffer to be read and written in the
//! same dispatch, even in disjoint ranges. Within a buffer, values alive at once lie side by side.

use crate::graph::Lifetime;

/// Offsets are multiples of it: a value begins where a cache line does.
const ALIGNMENT: u64 = 256;
/// Moves tried at the most: fewer where there are many requests, so that planning stays a matter of
/// milliseconds.
const TRIES: u64 = 4000;
/// Buffers that moves may add up to.
const FEW: usize = 6;
/// Pairs of requests that all tries together may look at.
const PAIRS: u64 = 8_000_000;

/// Memory for one value.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub bytes: u64,
    pub lifetime: Lifetime,
    /// The requests that must be in another buffer: what a step reads where this is written, and
    /// the other way round.
    pub apart: Vec<usize>,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub slot: usize,
    pub offset: u64,
}

/// The answer to all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Bytes of each buffer.
    pub slots: Vec<u64>,
    /// One a request.
    pub spots: Vec<Spot>,
}

impl Memory {
    pub fn bytes(&self) -> u64 {
        self.slots.iter().sum()
    }

    fn without_empty_slots(mut self) -> Self {
        let empty: Vec<bool> = self.slots.iter().map(|bytes| *bytes == 0).collect();
        for spot in &mut self.spots {
            spot.slot -= empty[..spot.slot].iter().filter(|empty| **empty).count();
        }
        self.slots.retain(|bytes| *bytes > 0);
        self
    }
}

/// A small plan for `requests` in buffers of at most `largest` bytes each; `lower_bound` is what no
/// plan can go below. Finding the smallest is NP-hard: requests are given their spots one after
/// another, in two orders, and the better plan is then improved by chance moves.
pub(super) fn assign(requests: &[Request], largest: u64, lower_bound: u64) -> Memory {
    let sizes: Vec<u64> = (requests.iter())
        .map(|request| request.bytes.next_multiple_of(ALIGNMENT))
        .collect();
    let orders = [by_size(&sizes), by_breadth(requests, &sizes)];
    let plans = orders.iter().flat_map(|order| {
        [true, false].map(|prefer_new| in_order(requests, &sizes, largest, order, prefer_new))
    });
    let best = plans.min_by_key(Memory::bytes).unwrap_or_default();
    improved(requests, &sizes, largest, lower_bound, best)
}

/// `best` after moves by chance: a request changes its buffer, and those it must be apart from there
/// change theirs. Moves that make it worse are taken less and less (simulated annealing).
fn improved(
    requests: &[Request],
    sizes: &[u64],
    largest: u64,
    lower_bound: u64,
    mut best: Memory,
) -> Memory {
    let count = requests.len();
    let tries = (PAIRS / (count * count).max(1) as u64).min(TRIES);
    let mut now = best.clone();
    for n in 0..tries {
        // A hundredth is not worth looking for.
        if best.bytes() <= lower_bound + lower_bound / 100 {
            break;
        }
        let request = chance(2 * n) as usize % count;
        let from = now.spots[request].slot;
        let slots = now.slots.len();
        let to = chance(2 * n + 1) as usize % (slots + 1).min(slots.max(FEW));
        if to == from {
            continue;
        }
        let mut next = now.clone();
        next.slots.resize(next.slots.len().max(to + 1), 0);
        exchange(requests, &mut next, request, [from, to]);
        for slot in [from, to] {
            pack(requests, sizes, &mut next, slot);
        }
        let worse_by = lower_bound / 10 * (tries - n) / tries;
        let fits = next.slots.iter().all(|bytes| *bytes <= largest);
        if fits && next.bytes() <= best.bytes() + worse_by {
            now = next;
            if now.bytes() < best.bytes() {
                best = now.clone();
            }
        }
    }
    best.without_empty_slots()
}

/// Moves `request` to the other of two buffers, and with it all that this makes impossible to stay.
fn exchange(requests: &[Request], memory: &mut Memory, request: usize, [a, b]: [usize; 2]) {
    let mut moving = vec![request];
    let mut seen = vec![false; requests.len()];
    seen[request] = true;
    while let Some(i) = moving.pop() {
        memory.spots[i].slot = if memory.spots[i].slot == a { b } else { a };
        for &other in &requests[i].apart {
            if !seen[other] && [a, b].contains(&memory.spots[other].slot) {
                seen[other] = true;
                moving.push(other);
            }
        }
    }
}

/// Gives the requests of one buffer their offsets anew, the largest first.
fn pack(requests: &[Request], sizes: &[u64], memory: &mut Memory, slot: usize) {
    let mut members: Vec<usize> = (0..requests.len())
        .filter(|&i| memory.spots[i].slot == slot)
        .collect();
    members.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
    memory.slots[slot] = 0;
    for (position, &i) in members.iter().enumerate() {
        let taken = taken(requests, sizes, &memory.spots, &members[..position], i);
        let gaps = gaps(&taken, sizes[i], u64::MAX);
        // The lowest; there is always one behind all others.
        let offset = gaps.first().map_or(0, |(offset, _)| *offset);
        memory.spots[i].offset = offset;
        memory.slots[slot] = memory.slots[slot].max(offset + sizes[i]);
    }
}

/// The bytes of those `members` that live beside request `i`, sorted.
fn taken(
    requests: &[Request],
    sizes: &[u64],
    spots: &[Spot],
    members: &[usize],
    i: usize,
) -> Vec<(u64, u64)> {
    let mut taken: Vec<(u64, u64)> = (members.iter())
        .filter(|&&member| requests[member].lifetime.overlaps(requests[i].lifetime))
        .map(|&member| (spots[member].offset, spots[member].offset + sizes[member]))
        .collect();
    taken.sort_unstable();
    taken
}

/// The largest first.
fn by_size(sizes: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
    order
}

/// Those first that live beside the most.
fn by_breadth(requests: &[Request], sizes: &[u64]) -> Vec<usize> {
    let beside = |i: usize| -> u64 {
        let others = requests.iter().zip(sizes);
        let alive = others.filter(|(other, _)| other.lifetime.overlaps(requests[i].lifetime));
        alive.map(|(_, size)| size).sum()
    };
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_cached_key(|&i| (std::cmp::Reverse(beside(i)), i));
    order
}

/// A number that looks like chance, the same each time (splitmix64).
fn chance(n: u64) -> u64 {
    let mut z = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ (z >> 27)) >> 20
}

/// Gives each request in `order` the spot that makes memory grow least; of those that make it grow
/// equally, the tightest.
fn in_order(
    requests: &[Request],
    sizes: &[u64],
    largest: u64,
    order: &[usize],
    prefer_new: bool,
) -> Memory {
    let mut slots: Vec<u64> = Vec::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut spots: Vec<Spot> = vec![Spot::default(); requests.len()];
    for &i in order {
        let request = &requests[i];
        // Growth, then space left over, then which slot.
        let mut chosen: Option<(u64, u64, Spot)> = None;
        for (slot, members) in members.iter().enumerate() {
            if members.iter().any(|member| request.apart.contains(member)) {
                continue;
            }
            let taken = taken(requests, sizes, &spots, members, i);
            for (offset, room) in gaps(&taken, sizes[i], slots[slot]) {
                if offset + sizes[i] > largest {
                    continue;
                }
                let growth = (offset + sizes[i]).saturating_sub(slots[slot]);
                let candidate = (growth, room, Spot { slot, offset });
                let better =
                    |best: &(u64, u64, Spot)| (candidate.0, candidate.1) < (best.0, best.1);
                if chosen.as_ref().is_none_or(better) {
                    chosen = Some(candidate);
                }
            }
        }
        // Perhaps a buffer of its own rather than one that grows by as much.
        let alone = |growth: u64| growth > sizes[i] || growth == sizes[i] && prefer_new;
        let spot = match chosen {
            Some((growth, _, spot)) if !alone(growth) => spot,
            _ => {
                slots.push(0);
                members.push(Vec::new());
                Spot {
                    slot: slots.len() - 1,
                    offset: 0,
                }
            }
        };
        spots[i] = spot;
        slots[spot.slot] = slots[spot.slot].max(spot.offset + sizes[i]);
        members[spot.slot].push(i);
    }
    Memory { slots, spots }
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
