//! What a step costs on paper.

use crate::gpu::Precision;
use crate::kernels::{Dispatch, Read, Target, TensorView};

/// Arithmetic and memory traffic of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepCost {
    /// Multiplications and additions, a pair counted as two, of convolutions and fully connected
    /// layers: those that the kernel does, which are fewer than the layer's in Winograd's.
    pub operations: u64,
    /// Bytes of what it reads and writes, each counted once however often it is touched.
    pub bytes: u64,
}

/// Sizes of what a node's dispatches read and write, in bytes.
pub(super) struct Traffic<'a> {
    pub inputs: &'a [u64],
    pub scratch: &'a [u64],
    pub output: u64,
}

/// Bytes of a value, without gaps.
pub(super) fn value_bytes(map: &TensorView, precision: Precision) -> u64 {
    u64::from(map.pixels) * u64::from(map.groups) * precision.element_bytes()
}

/// The costs of a node's dispatches. `operations` are the node's; dispatches that do not tell of
/// their own share them, and share writing the output.
pub(super) fn costs(dispatches: &[Dispatch], operations: u64, traffic: &Traffic) -> Vec<StepCost> {
    let silent = dispatches.iter().filter(|d| d.operations.is_none()).count();
    let is_last = |d: &&Dispatch| d.target == Target::Output;
    let writers = dispatches.iter().filter(is_last).count();
    (dispatches.iter())
        .map(|dispatch| {
            let read = |read: &Read| match read {
                Read::Input(i) => traffic.inputs[*i],
                Read::Scratch(i) => traffic.scratch[*i],
                Read::Weight(weight) => weight.bytes(),
            };
            let written = match dispatch.target {
                Target::Output => traffic.output / writers.max(1) as u64,
                Target::Scratch(i) => traffic.scratch[i],
            };
            let own = dispatch.operations;
            StepCost {
                operations: own.unwrap_or_else(|| operations / silent.max(1) as u64),
                bytes: written + dispatch.reads.iter().map(read).sum::<u64>(),
            }
        })
        .collect()
}
