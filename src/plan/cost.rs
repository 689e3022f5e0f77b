//! The arithmetic and memory traffic of a step.

use crate::gpu::Precision;
use crate::kernels::{Dispatch, Read, Target, TensorView};

/// Arithmetic and memory traffic of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepCost {
    /// Multiplications and additions, a pair counted as two, of convolutions and fully connected
    /// layers: those of the kernel, which for Winograd's convolution are fewer than the layer's.
    pub operations: u64,
    /// Bytes that it reads and writes, each counted once however often it is accessed.
    pub bytes: u64,
}

/// The bytes of a step one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Of each of the dispatch's reads.
    pub read: Vec<u64>,
    pub written: u64,
}

impl Traffic {
    /// The cost of a step that has this traffic.
    pub fn cost(&self, operations: u64) -> StepCost {
        StepCost {
            operations,
            bytes: self.written + self.read.iter().sum::<u64>(),
        }
    }
}

/// Sizes of what a node's dispatches read and write, in bytes.
pub(super) struct NodeTraffic<'a> {
    pub inputs: &'a [u64],
    pub workspace: &'a [u64],
    pub output: u64,
}

/// Bytes of a value, without gaps.
pub(super) fn value_bytes(view: &TensorView, precision: Precision) -> u64 {
    u64::from(view.pixels) * u64::from(view.c4) * precision.element_bytes()
}

/// The costs of a node's dispatches, and what their bytes are of. `operations` are the node's. Dispatches without a
/// number of their own share them equally, as those that write the output share its bytes.
pub(super) fn costs(
    dispatches: &[Dispatch],
    operations: u64,
    traffic: &NodeTraffic,
) -> Vec<(StepCost, Traffic)> {
    let sharing = dispatches.iter().filter(|d| d.operations.is_none()).count();
    let is_last = |d: &&Dispatch| d.target == Target::Output;
    let writers = dispatches.iter().filter(is_last).count();
    (dispatches.iter())
        .map(|dispatch| {
            let read = |read: &Read| match read {
                Read::Input(i) => traffic.inputs[*i] / dispatch.parts,
                Read::Workspace(i) => traffic.workspace[*i],
                Read::Weight(weight) => weight.bytes(),
            };
            let written = match dispatch.target {
                Target::Output => traffic.output / writers.max(1) as u64,
                Target::Workspace(i) => traffic.workspace[i],
            };
            let traffic = Traffic {
                read: dispatch.reads.iter().map(read).collect(),
                written,
            };
            let own = dispatch.operations;
            let operations = own.unwrap_or_else(|| operations / sharing.max(1) as u64);
            (traffic.cost(operations), traffic)
        })
        .collect()
}
