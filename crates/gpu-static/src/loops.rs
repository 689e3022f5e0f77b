//! Loops of machine code, found from jumps back, and what is in them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::assembly::{Block, Instruction, Memory};

/// What instructions are, counted. Hints to the scheduler do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions, all that follow too.
    pub instructions: usize,
    /// Multiply-adds; two in an instruction that computes two.
    pub multiply_adds: usize,
    /// Products of matrices.
    pub matrices: usize,
    /// Instructions for the vector units.
    pub vector: usize,
    /// Loads of buffers by bits of each invocation.
    pub loads: BTreeMap<u32, usize>,
    /// Stores to buffers.
    pub stores: BTreeMap<u32, usize>,
    /// Loads of workgroup memory.
    pub workgroup_loads: BTreeMap<u32, usize>,
    /// Stores to workgroup memory.
    pub workgroup_stores: BTreeMap<u32, usize>,
    /// Approximate reciprocals, of which divisions are made.
    pub divisions: usize,
    /// Jumps.
    pub branches: usize,
    /// Barriers.
    pub barriers: usize,
}

impl Counts {
    fn add(&mut self, instruction: &Instruction) {
        if instruction.is_hint() {
            return;
        }
        self.instructions += 1;
        self.multiply_adds += instruction.multiply_adds();
        self.matrices += usize::from(instruction.is_matrix());
        self.vector += usize::from(instruction.is_vector());
        self.divisions += usize::from(instruction.is_division());
        self.branches += usize::from(instruction.is_branch());
        self.barriers += usize::from(instruction.is_barrier());
        let Some(access) = instruction.access() else {
            return;
        };
        let counts = match (access.memory, access.is_store) {
            (Memory::Device, false) => &mut self.loads,
            (Memory::Device, true) => &mut self.stores,
            (Memory::Workgroup, false) => &mut self.workgroup_loads,
            (Memory::Workgroup, true) => &mut self.workgroup_stores,
            (Memory::Scalar, _) => return,
        };
        *counts.entry(access.bits).or_default() += 1;
    }

    fn of<'a>(instructions: impl Iterator<Item = &'a Instruction>) -> Self {
        let mut counts = Self::default();
        instructions.for_each(|instruction| counts.add(instruction));
        counts
    }
}

/// A loop.
#[derive(Clone, Debug)]
pub struct Loop {
    /// Its blocks, from the one that is jumped back to, to the last that jumps there.
    pub first: usize,
    /// The last block.
    pub last: usize,
    /// What is in it, with the loops inside counted once.
    pub counts: Counts,
}

/// All loops, outer ones before those inside. The compiler lays the blocks of a loop side by side.
pub fn loops(blocks: &[Block]) -> Vec<Loop> {
    let index: HashMap<&str, usize> = blocks
        .iter()
        .enumerate()
        .map(|(i, block)| (block.label.as_str(), i))
        .collect();
    let mut ends = BTreeMap::new();
    for (i, block) in blocks.iter().enumerate() {
        for target in block
            .instructions
            .iter()
            .filter_map(|it| it.target.as_deref())
        {
            if let Some(&first) = index.get(target).filter(|&&first| first <= i) {
                ends.insert(first, i);
            }
        }
    }
    let loops = ends.into_iter().map(|(first, last)| {
        let instructions = blocks[first..=last]
            .iter()
            .flat_map(|block| &block.instructions);
        let counts = Counts::of(instructions);
        Loop {
            first,
            last,
            counts,
        }
    });
    loops.collect()
}

/// What all of it is.
pub fn whole(blocks: &[Block]) -> Counts {
    Counts::of(blocks.iter().flat_map(|block| &block.instructions))
}

/// The loop in which an invocation spends its time: the innermost of those that hold most of the products. Where there
/// are none, the innermost one that loads; of several, the largest.
pub fn hottest(loops: &[Loop]) -> Option<&Loop> {
    let weights: [fn(&Counts) -> usize; 3] = [
        |counts| counts.matrices,
        |counts| counts.multiply_adds,
        |counts| counts.loads.values().sum(),
    ];
    for weight in weights {
        let most = loops.iter().map(|it| weight(&it.counts)).max().unwrap_or(0);
        if most == 0 {
            continue;
        }
        let is_inside = |inner: &Loop, outer: &Loop| {
            outer.first <= inner.first && inner.last <= outer.last && inner.first != outer.first
        };
        let heavy: Vec<_> = loops
            .iter()
            .filter(|it| 2 * weight(&it.counts) > most)
            .collect();
        let innermost = heavy
            .iter()
            .filter(|outer| !heavy.iter().any(|it| is_inside(it, outer)));
        return innermost.max_by_key(|it| weight(&it.counts)).copied();
    }
    None
}

/// The innermost loop around `inner`.
pub fn around<'a>(loops: &'a [Loop], inner: &Loop) -> Option<&'a Loop> {
    let outer = loops
        .iter()
        .filter(|it| it.first <= inner.first && inner.last <= it.last && it.first != inner.first);
    outer.max_by_key(|it| it.first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::parse;

    #[test]
    fn the_hottest_loop_is_the_innermost_with_products() {
        let blocks = parse(
            "BB0:\n v_rcp_f32 v0, v0\nBB1:\n s_cbranch_scc1 BB9\nBB2:\n v_fma_f32 v0, v1, v2, v3\n \
             v_fma_f32 v0, v1, v2, v3\n s_delay_alu 0\n ds_load_b128 v[0:3], v4\n s_barrier\n s_cbranch_scc1 BB2\n\
             BB3:\n buffer_load_b32 v0, v1, s[0:3], 0 offen\n s_branch BB3\nBB4:\n s_branch BB1\nBB9:\n s_endpgm\n",
        );
        let loops = loops(&blocks);
        assert_eq!(loops.len(), 3);
        let counts = &hottest(&loops).unwrap().counts;
        assert_eq!(
            (counts.instructions, counts.multiply_adds, counts.branches),
            (5, 2, 1)
        );
        assert_eq!(
            (
                counts.workgroup_loads[&128],
                counts.barriers,
                counts.divisions
            ),
            (1, 1, 0)
        );
        assert_eq!(whole(&blocks).divisions, 1);
        let around = around(&loops, hottest(&loops).unwrap()).unwrap();
        assert_eq!(blocks[around.first].label, "BB1");
    }
}
