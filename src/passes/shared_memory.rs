//! Which values of a draft share memory.

use super::draft::Draft;
use crate::graph::{Op, Storage, ValueId};

/// Groups of values in the same memory. WebGPU forbids that a dispatch reads and writes the same buffer, even
/// if the elements read and written do not overlap.
pub(super) struct SharedMemory {
    /// For each value, its group.
    group: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl SharedMemory {
    /// The groups of `draft` before anything is stored in another value's memory.
    pub fn new(draft: &Draft) -> Self {
        let indices = draft.indices();
        let count = indices.last().map_or(0, |last| last + 1);
        let mut this = Self {
            group: (0..count).collect(),
            members: vec![Vec::new(); count],
        };
        for i in indices {
            // What shares its input's memory comes after its input.
            if draft.is_rename(i) {
                this.group[i] = this.group[draft.node(i).inputs[0].index()];
            }
            this.members[this.group[i]].push(i);
        }
        for i in draft.indices() {
            if let Some(other) = place_of(draft, i, draft.node(i).fused.storage) {
                this.merge(this.group[i], this.group[other]);
            }
        }
        this
    }

    /// Stores value `i` as `storage` says, or returns the reason why it cannot be.
    pub fn store(&mut self, draft: &mut Draft, i: usize, storage: Storage) -> Result<(), String> {
        let Some(other) = place_of(draft, i, storage) else {
            return Ok(());
        };
        let (own, other) = (self.group[i], self.group[other]);
        if let Some(node) = self.conflict(draft, i, storage, [own, other]) {
            let name = &draft.node(node).name;
            return Err(format!("'{name}' would read and write the same memory"));
        }
        draft.fused_mut(i).storage = storage;
        self.merge(own, other);
        Ok(())
    }

    /// The first node that would read one of two groups and write the other, with `storage` for value `i`.
    fn conflict(
        &self,
        draft: &Draft,
        i: usize,
        storage: Storage,
        [a, b]: [usize; 2],
    ) -> Option<usize> {
        let storage_of = |value: usize| match value == i {
            true => storage,
            false => draft.node(value).fused.storage,
        };
        let writes = |node: usize| storage_of(node) != Storage::View && !draft.is_rename(node);
        let reads = |node: usize, value: usize| {
            let is_in_place = matches!(draft.node(node).op, Op::Concat(_))
                && matches!(storage_of(value), Storage::ConcatSlice { of, .. } if of.index() == node);
            let values_read = draft.node(node).values_read();
            let is_read = values_read.iter().any(|read| read.index() == value);
            is_read && !is_in_place
        };
        // It is enough to look from the smaller group to the larger one.
        let (small, large) = match self.members[a].len() <= self.members[b].len() {
            true => (a, b),
            false => (b, a),
        };
        let mut first: Option<usize> = None;
        let mut found = |node: usize| first = Some(first.map_or(node, |first| first.min(node)));
        for &member in &self.members[small] {
            for reader in draft.readers(ValueId::new(member)) {
                if self.group[reader] == large && writes(reader) && reads(reader, member) {
                    found(reader);
                }
            }
            let inputs = draft.node(member).inputs.iter().map(|input| input.index());
            let mut inputs = inputs.filter(|input| self.group[*input] == large);
            if writes(member) && inputs.any(|input| reads(member, input)) {
                found(member);
            }
        }
        first
    }

    /// Makes one group of two.
    fn merge(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        let (small, large) = match self.members[a].len() <= self.members[b].len() {
            true => (a, b),
            false => (b, a),
        };
        let moved = std::mem::take(&mut self.members[small]);
        for &member in &moved {
            self.group[member] = large;
        }
        self.members[large].extend(moved);
    }
}

/// The value in whose memory value `i` is with `storage`, if that is not its own.
fn place_of(draft: &Draft, i: usize, storage: Storage) -> Option<usize> {
    match storage {
        Storage::Owned => None,
        Storage::ConcatSlice { of, .. } => Some(of.index()),
        Storage::View => Some(draft.node(i).inputs[0].index()),
    }
}
