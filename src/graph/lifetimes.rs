//! Lifetimes: how long the memory of each value is needed.

use super::{Graph, Node, Storage, ValueId};

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

/// The node that owns the memory in which the value of node `i` is stored.
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
    /// The lifetime of the memory of every value that owns memory, including its use by values stored
    /// within it. `roots` is the [`root`] of each value. Values in `kept` are needed to the end.
    pub(crate) fn lifetimes(&self, roots: &[usize], kept: &[ValueId]) -> Vec<Option<Lifetime>> {
        let mut lifetimes: Vec<Option<Lifetime>> = vec![None; roots.len()];
        for (i, last) in self.last_uses(kept).into_iter().enumerate() {
            let lifetime = lifetimes[roots[i]].get_or_insert(Lifetime { first: i, last });
            lifetime.last = lifetime.last.max(last);
        }
        lifetimes
    }
}

/// The largest sum of sizes of values that are alive at the same node.
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
    // The sum grows only where a lifetime begins.
    let beginnings = values.iter().map(|(lifetime, _)| lifetime.first);
    beginnings.map(alive).max().unwrap_or(0)
}
