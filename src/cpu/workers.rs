//! The threads of a pass: one goes through the steps, and the others join in wherever a step has tasks for them.
//!
//! A pass never waits for threads that have not come: whoever runs it can do all tasks alone. So several sessions
//! can share a pool, and each gets what threads are free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Loops without work before a thread looks for other work of its pool.
const SPINS: usize = 200;
/// The stage after the last.
const ENDED: u64 = u32::MAX as u64;

/// A task that no stage has.
const NO_TASK: u64 = u32::MAX as u64 / 2;

/// The stages of a pass: how many tasks each has, and what runs one.
pub(super) trait Stages: Sync {
    fn len(&self) -> usize;
    fn tasks(&self, stage: usize) -> usize;
    /// Runs a task on the thread `worker`, below the number of threads.
    fn run(&self, stage: usize, task: usize, worker: usize);
}

struct Shared<'a, S> {
    stages: &'a S,
    /// The current stage in the upper half, the next task in the lower.
    next: AtomicU64,
    /// Tasks of the current stage that have ended.
    done: AtomicU32,
    has_panicked: AtomicBool,
    workers: AtomicUsize,
}

/// Runs all stages, in order, on the pool's thread that calls this and up to `threads - 1` others. Returns whether all
/// tasks ended without a panic.
pub(super) fn run<S: Stages>(stages: &S, threads: usize) -> bool {
    let shared = Shared {
        stages,
        // Of the first stage, but no task that it has.
        next: AtomicU64::new(NO_TASK),
        done: AtomicU32::new(0),
        has_panicked: AtomicBool::new(false),
        workers: AtomicUsize::new(1),
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| shared.help(threads));
        }
        shared.lead();
    });
    !shared.has_panicked.load(Ordering::Relaxed)
}

impl<S: Stages> Shared<'_, S> {
    fn lead(&self) {
        for stage in 0..self.stages.len() {
            let tasks = self.stages.tasks(stage);
            if tasks == 1 {
                self.guarded(stage, 0, 0);
                continue;
            }
            self.done.store(0, Ordering::Relaxed);
            self.next.store((stage as u64) << 32, Ordering::Release);
            self.take_tasks(stage, tasks, 0);
            while (self.done.load(Ordering::Acquire) as usize) < tasks {
                std::hint::spin_loop();
            }
        }
        self.next.store(ENDED << 32, Ordering::Release);
    }

    /// Runs tasks of the stage until none is left.
    fn take_tasks(&self, stage: usize, tasks: usize, worker: usize) {
        loop {
            // The lower half never overflows: there is one failed attempt per thread and stage.
            let next = self.next.fetch_add(1, Ordering::AcqRel);
            let task = (next & u64::from(u32::MAX)) as usize;
            if (next >> 32) as usize != stage || task >= tasks {
                return;
            }
            self.guarded(stage, task, worker);
            self.done.fetch_add(1, Ordering::Release);
        }
    }

    /// Runs a task. A panic must not keep the others waiting.
    fn guarded(&self, stage: usize, task: usize, worker: usize) {
        let run = AssertUnwindSafe(|| self.stages.run(stage, task, worker));
        if catch_unwind(run).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
    }

    fn help(&self, threads: usize) {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        if worker >= threads {
            return;
        }
        let mut idle = 0;
        loop {
            let next = self.next.load(Ordering::Acquire);
            let stage = next >> 32;
            if stage == ENDED {
                return;
            }
            let tasks = self.stages.tasks(stage as usize);
            if tasks > 1 && ((next & u64::from(u32::MAX)) as usize) < tasks {
                self.take_any(worker);
                idle = 0;
                continue;
            }
            idle += 1;
            match idle < SPINS {
                true => std::hint::spin_loop(),
                // An operator without a fast kernel splits its work for the pool.
                false => {
                    if rayon::yield_now() != Some(rayon::Yield::Executed) {
                        std::thread::yield_now();
                    }
                }
            }
        }
    }

    /// Takes a task of whichever stage is current.
    fn take_any(&self, worker: usize) {
        let next = self.next.fetch_add(1, Ordering::AcqRel);
        let (stage, task) = (next >> 32, (next & u64::from(u32::MAX)) as usize);
        if stage == ENDED || task >= self.stages.tasks(stage as usize) {
            return;
        }
        self.guarded(stage as usize, task, worker);
        self.done.fetch_add(1, Ordering::Release);
    }
}
