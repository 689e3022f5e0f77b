//! What computes a step: tasks that threads share.

use std::fmt::Debug;

/// Where the values of a step are while it runs. Each pointer is to the first element of a [`Map`](super::map::Map)
/// of the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub inputs: &'a [*const f32],
    pub output: *mut f32,
}

/// Memory that a task may use, aligned to a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scratch {
    /// The thread's own: [`Kernel::scratch`] floats of undefined content.
    pub own: *mut f32,
    /// The step's: [`Kernel::shared_scratch`] floats, in which a stage finds what the one before has written.
    pub shared: *mut f32,
}

/// Computes a node, or a part of it. Results do not depend on which thread runs a task.
pub(super) trait Kernel: Debug + Send + Sync {
    /// The tasks of each stage. A stage begins when all tasks of the one before have ended.
    fn stages(&self) -> &[usize];

    /// Floats that each thread needs.
    fn scratch(&self) -> usize {
        0
    }

    /// Floats that the threads share.
    fn shared_scratch(&self) -> usize {
        0
    }

    /// Runs a task of a stage.
    ///
    /// # Safety
    /// `values` must point to memory of the sizes that the kernel was made for. Nothing else may write what it
    /// reads or access what it writes, apart from the other tasks of the stage.
    unsafe fn run(&self, values: &Values, stage: usize, task: usize, scratch: Scratch);
}

/// `count` split into `parts` ranges whose lengths differ by one at most: the one of index `i`.
pub(super) fn part(count: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    let parts = parts.max(1);
    count * i / parts..count * (i + 1) / parts
}
