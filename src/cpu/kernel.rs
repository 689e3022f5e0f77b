//! What computes a step: tasks that threads share.

use std::fmt::Debug;

use super::map::Map;

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

/// Tasks per thread at most: enough for threads to end at the same time.
pub(super) const TASKS_PER_THREAD: usize = 8;

/// Tasks for the rows of a value.
pub(super) fn row_tasks(output: &Map, threads: usize) -> usize {
    (output.batch * output.height).clamp(1, threads * TASKS_PER_THREAD)
}

/// Tasks for the pixels of a value, of `least` floats or more: fewer are not worth a second thread.
pub(super) fn pixel_tasks(output: &Map, least: usize, threads: usize) -> usize {
    let tasks = (output.pixels() * output.channels).div_ceil(least);
    match threads {
        1 => 1,
        _ => tasks
            .min(threads * TASKS_PER_THREAD)
            .min(output.pixels())
            .max(1),
    }
}

/// Items in blocks as equal as possible, of a certain length at most: the first few are one longer.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    pub count: usize,
    each: usize,
    longer: usize,
}

impl Blocks {
    #[inline(always)]
    pub fn new(items: usize, most: usize) -> Self {
        let count = items.div_ceil(most);
        Self {
            count,
            each: items / count.max(1),
            longer: items % count.max(1),
        }
    }

    /// The length of a block. No division: it is asked for in inner loops.
    #[inline(always)]
    pub fn len(&self, block: usize) -> usize {
        self.each + usize::from(block < self.longer)
    }
}

/// `count` split into `parts` ranges whose lengths differ by one at most: the one of index `i`.
pub(super) fn part(count: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    let parts = parts.max(1);
    count * i / parts..count * (i + 1) / parts
}
