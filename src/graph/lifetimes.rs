//! Lifetimes: how long the memory of each value is needed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Graph, Node, Op, Storage, ValueId};

/// The first and last node during which a value's memory is in use, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The first node that writes it.
    pub first: usize,
    /// The last node that reads it, or `usize::MAX` if it is kept to the end.
    pub last: usize,
}

impl Lifetime {
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Where the values of nodes are stored.
pub(crate) struct Places {
    /// For every node, the one that owns the memory in which its value is.
    pub roots: Vec<usize>,
    /// For every node, how many channels of that memory come before those of its value.
    pub channels: Vec<usize>,
}

impl Places {
    pub fn new(nodes: &[Node], is_rename: impl Fn(usize) -> bool) -> Self {
        let all = follow_all(nodes.len(), |i| {
            let node = &nodes[i];
            match (node.fused.storage, &node.op) {
                (Storage::ConcatSlice { of, channel }, _) => Some((of.index(), channel)),
                (Storage::View, Op::SliceChannels(slice)) => {
                    Some((node.inputs[0].index(), slice.start))
                }
                (Storage::View, _) => Some((node.inputs[0].index(), 0)),
                (Storage::Owned, _) => is_rename(i).then(|| (node.inputs[0].index(), 0)),
            }
        });
        let (roots, channels) = all.into_iter().unzip();
        Self { roots, channels }
    }
}

/// For each of `count` indices, the end of the path along `next`, and the sum of what its steps add. Every index is
/// visited once.
fn follow_all(count: usize, next: impl Fn(usize) -> Option<(usize, usize)>) -> Vec<(usize, usize)> {
    let mut known: Vec<Option<(usize, usize)>> = vec![None; count];
    let mut path = Vec::new();
    for start in 0..count {
        let mut i = start;
        let (end, mut sum) = loop {
            if let Some(known) = known[i] {
                break known;
            }
            match next(i) {
                Some((next, more)) => {
                    path.push((i, more));
                    i = next;
                }
                None => {
                    known[i] = Some((i, 0));
                    break (i, 0);
                }
            }
        };
        for (i, more) in path.drain(..).rev() {
            sum += more;
            known[i] = Some((end, sum));
        }
    }
    known.into_iter().flatten().collect()
}

impl Graph {
    /// The lifetime of the memory of every value that owns memory, including its use by values stored
    /// within it. `roots` are those of [`Places`]. Values in `kept` are needed to the end.
    pub(crate) fn lifetimes(&self, roots: &[usize], kept: &[ValueId]) -> Vec<Option<Lifetime>> {
        let mut lifetimes: Vec<Option<Lifetime>> = vec![None; roots.len()];
        for (i, last) in self.last_uses(kept).into_iter().enumerate() {
            let lifetime = lifetimes[roots[i]].get_or_insert(Lifetime { first: i, last });
            lifetime.last = lifetime.last.max(last);
        }
        lifetimes
    }
}

/// The largest sum of sizes of values that are alive at the same node; saturates.
pub(crate) fn peak(values: impl Iterator<Item = (Lifetime, u64)>) -> u64 {
    let mut values: Vec<(Lifetime, u64)> = values.collect();
    values.sort_unstable_by_key(|(lifetime, _)| lifetime.first);
    // Those that are alive, the first to end on top.
    let mut alive = BinaryHeap::new();
    let (mut bytes, mut peak) = (0_u128, 0);
    for (lifetime, size) in values {
        while let Some(&Reverse((last, ended))) = alive.peek() {
            if last >= lifetime.first {
                break;
            }
            alive.pop();
            bytes -= u128::from(ended);
        }
        alive.push(Reverse((lifetime.last, size)));
        bytes += u128::from(size);
        // The sum grows only where a lifetime begins.
        peak = peak.max(bytes);
    }
    u64::try_from(peak).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_the_fullest_node() {
        let values = [
            (0, 2, 5),
            (1, 1, 7),
            (2, 4, 3),
            (3, usize::MAX, 4),
            (4, 4, 6),
            (5, 5, 1),
        ];
        let values = values.map(|(first, last, size)| (Lifetime { first, last }, size));
        let alive = |now: usize| -> u64 {
            let alive = values
                .iter()
                .filter(|(l, _)| l.first <= now && now <= l.last);
            alive.map(|(_, size)| size).sum()
        };
        assert_eq!(peak(values.into_iter()), (0..6).map(alive).max().unwrap());
        assert_eq!(peak(values.into_iter()), 13);
        assert_eq!(peak(std::iter::empty()), 0);
        let huge = [(values[0].0, u64::MAX); 2];
        assert_eq!(peak(huge.into_iter()), u64::MAX);
    }

    #[test]
    fn places_are_those_of_each_value() {
        // 0 is stored in 2, which is stored in 4; 1 is a name of 0, and 3 of 1.
        let next = [
            Some((2, 8)),
            Some((0, 0)),
            Some((4, 16)),
            Some((1, 4)),
            None,
            None,
        ];
        let expected = [(4, 24), (4, 24), (4, 16), (4, 28), (4, 0), (5, 0)];
        assert_eq!(follow_all(6, |i| next[i]), expected);
    }
}
