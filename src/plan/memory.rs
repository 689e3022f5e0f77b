//! Assigns values to few buffers by their lifetimes, all of which are known in advance.
//!
//! There are several buffers instead of one arena: WebGPU forbids that a dispatch reads and writes the
//! same buffer, even in disjoint ranges. Within a buffer, values that are alive at once lie side by side.
//!
//! Finding the least memory is NP-hard. Requests are placed one after another. The order, and hints at
//! the buffers, are then changed at random, and changes are kept where they need no more memory, or
//! little more. The random numbers are the same each time, so two runs give the same result. Networks with
//! thousands of values are not searched.

mod in_order;
mod placing;

use crate::graph::{Lifetime, peak};
use placing::{Placing, Problem};

/// Offsets are multiples of it, as the elements of values are.
const ALIGNMENT: u64 = 16;
/// Changes tried at most. There are fewer where there are many requests, so that planning takes
/// milliseconds.
const TRIES: usize = 600;
/// Pairs of requests that all tries together may examine.
const PAIRS: usize = 4_000_000;

/// Memory for one value.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub bytes: u64,
    pub lifetime: Lifetime,
    /// The requests that must be in another buffer: those that a step reads where this is written, and
    /// those that are written where this is read.
    pub conflicts: Vec<usize>,
}

/// Where a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allocation {
    pub slot: usize,
    pub offset: u64,
}

/// The memory for all requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Bytes of each buffer.
    pub slots: Vec<u64>,
    /// One per request.
    pub allocations: Vec<Allocation>,
    /// Bytes that values take; the rest is for workspaces.
    pub value_bytes: u64,
}

impl Memory {
    pub fn bytes(&self) -> u64 {
        self.slots.iter().sum()
    }
}

/// Bytes of the largest set of requests that are alive at once: no assignment needs less.
pub(super) fn lower_bound(requests: &[Request]) -> u64 {
    peak(
        requests
            .iter()
            .map(|request| (request.lifetime, request.bytes)),
    )
}

/// Whether the least memory is searched for: all pairs of as many requests can be examined.
pub(super) fn is_searched(requests: usize) -> bool {
    requests.saturating_mul(requests) <= PAIRS
}

/// A small assignment of `requests` to buffers of at most `largest` bytes each. The first `values` of
/// them are values. The others are workspaces: they are placed where values leave room, and else add
/// memory.
pub(super) fn assign(requests: &[Request], values: usize, largest: u64) -> Memory {
    if !is_searched(requests.len()) {
        return in_order::assign(requests, values, largest);
    }
    let problem = Problem::new(requests, largest);
    let enough = lower_bound(&requests[..values]) / 100 * 101;
    let best = assign_values(&problem, values, enough);
    let mut placing = Placing::new(&problem);
    placing.replay(&(0..values).collect::<Vec<_>>(), &best.allocations);
    let value_bytes = placing.bytes();
    for i in problem.by_size(values..requests.len()) {
        placing.place(i, None);
    }
    Memory {
        slots: placing.slot_bytes().collect(),
        allocations: placing.allocations,
        value_bytes,
    }
}

/// One order of placement, the buffers that are hinted at, and the result.
#[derive(Clone)]
struct Attempt {
    order: Vec<usize>,
    /// For each request, the buffer that it goes to if possible.
    hints: Vec<Option<usize>>,
    allocations: Vec<Allocation>,
    slots: usize,
    bytes: u64,
}

/// The best assignment found for the first `count` requests, or the first of at most `enough` bytes.
fn assign_values(problem: &Problem, count: usize, enough: u64) -> Attempt {
    let mut placing = Placing::new(problem);
    let by_size = problem.by_size(0..count);
    let by_breadth = problem.by_breadth(count);
    let no_hints = vec![None; count];
    let two_coloring = problem.two_coloring(count);
    let mut attempt = |order: &[usize], hints: &[Option<usize>]| {
        placing.place_all(order, hints, 0, &[], u64::MAX);
        Attempt {
            order: order.to_vec(),
            hints: hints.to_vec(),
            allocations: placing.allocations.clone(),
            slots: placing.slot_bytes().count(),
            bytes: placing.bytes(),
        }
    };
    let mut now = attempt(&by_size, &no_hints);
    for (order, hints) in [
        (&by_breadth, &no_hints),
        (&by_size, &two_coloring),
        (&by_breadth, &two_coloring),
    ] {
        let other = attempt(order, hints);
        if other.bytes < now.bytes {
            now = other;
        }
    }
    let mut best = now.clone();
    let mut random = SplitMix64(0);
    let mut order = Vec::with_capacity(count);
    let mut hints = Vec::with_capacity(count);
    for _ in 0..TRIES.min(PAIRS / (count * count).max(1)) {
        // One percent more is not worth a search.
        if best.bytes <= enough {
            break;
        }
        order.clone_from(&now.order);
        hints.clone_from(&now.hints);
        let position = random.below(count);
        // Placements before the change stay as they are.
        let unchanged = if random.below(2) == 0 {
            let request = order.remove(position);
            let other = random.below(count);
            order.insert(other, request);
            position.min(other)
        } else {
            let slot = random.below(now.slots + 1);
            hints[position] = (slot < now.slots).then_some(slot);
            order.iter().position(|&i| i == position).unwrap_or(0)
        };
        // Equally good changes are kept, and sometimes those that are a little worse: they lead to
        // assignments that no improvement reaches.
        let allowed = match random.below(6) {
            0 => best.bytes / 100 * 104,
            _ => 0,
        };
        let most = now.bytes.max(allowed);
        if placing.place_all(&order, &hints, unchanged, &now.allocations, most) {
            std::mem::swap(&mut now.order, &mut order);
            std::mem::swap(&mut now.hints, &mut hints);
            now.allocations.clone_from(&placing.allocations);
            now.slots = placing.slot_bytes().count();
            now.bytes = placing.bytes();
            if now.bytes < best.bytes {
                best.clone_from(&now);
            }
        }
    }
    best
}

/// Pseudorandom numbers (splitmix64), the same each time.
struct SplitMix64(u64);

impl SplitMix64 {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) as usize % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests of random sizes and lifetimes, some of which conflict.
    fn some_requests(random: &mut SplitMix64) -> Vec<Request> {
        let count = random.below(30) + 1;
        let mut requests: Vec<Request> = (0..count)
            .map(|_| {
                let first = random.below(20);
                Request {
                    bytes: random.below(5000) as u64,
                    lifetime: Lifetime {
                        first,
                        last: first + random.below(8),
                    },
                    conflicts: Vec::new(),
                }
            })
            .collect();
        for _ in 0..random.below(2 * count) {
            let (a, b) = (random.below(count), random.below(count));
            if a != b {
                requests[a].conflicts.push(b);
                requests[b].conflicts.push(a);
            }
        }
        requests
    }

    #[test]
    fn live_requests_do_not_overlap() {
        let mut random = SplitMix64(2026);
        for round in 0..100 {
            let requests = some_requests(&mut random);
            let largest = 8000;
            let memory = match round % 2 {
                0 => assign(&requests, requests.len() / 2, largest),
                _ => in_order::assign(&requests, requests.len() / 2, largest),
            };
            assert!(memory.slots.iter().all(|bytes| *bytes <= largest));
            for (i, a) in requests.iter().enumerate() {
                let allocation = memory.allocations[i];
                assert!(allocation.offset.is_multiple_of(ALIGNMENT));
                assert!(allocation.offset + a.bytes <= memory.slots[allocation.slot]);
                for (j, b) in requests.iter().enumerate().filter(|(j, _)| *j != i) {
                    let other = memory.allocations[j];
                    assert!(other.slot != allocation.slot || !a.conflicts.contains(&j));
                    let is_disjoint = allocation.offset + a.bytes <= other.offset
                        || other.offset + b.bytes <= allocation.offset;
                    let alive_at_once = a.lifetime.overlaps(b.lifetime);
                    assert!(other.slot != allocation.slot || is_disjoint || !alive_at_once);
                }
            }
        }
        assert_eq!(assign(&[], 0, 1).slots, [] as [u64; 0]);
    }

    /// Two buffers are enough for a chain, of whatever length.
    #[test]
    fn long_chains_take_two_buffers() {
        let chain = |count: usize| {
            let request = |i: usize| Request {
                bytes: 1000 + i as u64 % 7,
                lifetime: Lifetime {
                    first: i,
                    last: i + 1,
                },
                conflicts: (i.saturating_sub(1)..count.min(i + 2))
                    .filter(|other| *other != i)
                    .collect(),
            };
            (0..count).map(request).collect::<Vec<_>>()
        };
        for count in [100, 100_000] {
            let memory = assign(&chain(count), count, 1 << 20);
            assert_eq!(memory.slots, [1008, 1008], "{count}");
        }
    }
}
