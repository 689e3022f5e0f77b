//! How long values are needed.

use super::{Graph, Node, Storage, ValueId};

/// The nodes between which memory is in use, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The first node that writes it.
    pub first: usize,
    /// The last that reads it; beyond all nodes where it is kept.
    pub last: usize,
}

impl Lifetime {
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The node in whose memory the value of node `i` lies.
pub(crate) fn root<'a>(
    mut i: usize,
    node: impl Fn(usize) -> &'a Node,
    is_rename: impl Fn(usize) -> bool,
) -> usize {
    loop {
        let found = node(i);
        i = match found.fused.storage {
            Storage::ConcatSlice { of, .. } => of.index(),
            Storage::View => found.inputs[0].index(),
            Storage::Owned if is_rename(i) => found.inputs[0].index(),
            Storage::Owned => return i,
        };
    }
}

impl Graph {
    /// For every value with memory of its own, how long that is in use, by it and by those that lie
    /// in it; `roots` has for each value the one in whose memory it lies. Values in `kept` are
    /// needed to the end.
    pub(crate) fn lifetimes(&self, roots: &[usize], kept: &[ValueId]) -> Vec<Option<Lifetime>> {
        let mut lifetimes: Vec<Option<Lifetime>> = vec![None; roots.len()];
        for (i, last) in self.last_uses(kept).into_iter().enumerate() {
            let lifetime = lifetimes[roots[i]].get_or_insert(Lifetime { first: i, last });
            lifetime.last = lifetime.last.max(last);
        }
        lifetimes
    }
}

/// The most that is alive at once.
pub(crate) fn peak(values: impl Iterator<Item = (Lifetime, u64)>) -> u64 {
    let values: Vec<(Lifetime, u64)> = values.collect();
    let alive = |now: usize| -> u64 {
        let at = Lifetime {
            first: now,
            last: now,
        };
        let alive = values.iter().filter(|(lifetime, _)| lifetime.overlaps(at));
        alive.map(|(_, size)| size).sum()
    };
    // What is alive grows only where something begins.
    let beginnings = values.iter().map(|(lifetime, _)| lifetime.first);
    beginnings.map(alive).max().unwrap_or(0)
}
