//! The threads of a pass: one goes through the steps, and the others join in wherever a step has tasks for them.
//!
//! A pass never waits for threads that have not come: whoever runs it can do all tasks alone. So several sessions
//! can share a pool, and each gets what threads are free.
//!
//! The tasks of a stage are in as many shares as there are threads. A thread takes those of its own share first, in
//! order, so that it finds in its cache what it has written in the stage before; then those of others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::kernel::part;

/// Loops without work before a thread looks for other work of its pool: some ten microseconds.
const SPINS: usize = 2000;
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

/// On a cache line of its own.
#[repr(align(64))]
struct Padded<T>(T);

struct Shared<'a, S> {
    stages: &'a S,
    /// For each share, the current stage in the upper half, and the next of its tasks in the lower.
    next: &'a [Padded<AtomicU64>],
    /// Tasks of the current stage that have ended.
    done: Padded<AtomicUsize>,
    has_panicked: AtomicBool,
    workers: AtomicUsize,
}

/// The shares of a pass, kept between passes.
#[derive(Default)]
pub(super) struct Shares(Vec<Padded<AtomicU64>>);

impl Shares {
    pub fn new(threads: usize) -> Self {
        Self(
            (0..threads.max(1))
                .map(|_| Padded(AtomicU64::new(0)))
                .collect(),
        )
    }
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shares").field(&self.0.len()).finish()
    }
}

/// Runs all stages, in order, on the pool's thread that calls this and as many others as there are further shares.
/// Returns whether all tasks ended without a panic.
pub(super) fn run<S: Stages>(stages: &S, shares: &Shares) -> bool {
    for next in &shares.0 {
        // Of the first stage, but no task that it has.
        next.0.store(NO_TASK, Ordering::Relaxed);
    }
    let shared = Shared {
        stages,
        next: &shares.0,
        done: Padded(AtomicUsize::new(0)),
        has_panicked: AtomicBool::new(false),
        workers: AtomicUsize::new(1),
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..shares.0.len() {
            scope.spawn(|_| shared.help());
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
            self.done.0.store(0, Ordering::Relaxed);
            self.publish(stage as u64);
            while self.take_task(0) {}
            while self.done.0.load(Ordering::Acquire) < tasks {
                std::hint::spin_loop();
            }
        }
        self.publish(ENDED);
    }

    fn publish(&self, stage: u64) {
        for next in self.next {
            next.0.store(stage << 32, Ordering::Release);
        }
    }

    /// Takes a task of the current stage and runs it. Returns whether there was one.
    fn take_task(&self, worker: usize) -> bool {
        let shares = self.next.len();
        for i in 0..shares {
            let share = (worker + i) % shares;
            if let Some((stage, task)) = self.claim(share) {
                self.guarded(stage, task, worker);
                self.done.0.fetch_add(1, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// The next task of a share, of whichever stage is current there.
    fn claim(&self, share: usize) -> Option<(usize, usize)> {
        let task_of = |next: u64| {
            let (stage, index) = (next >> 32, (next & u64::from(u32::MAX)) as usize);
            if stage == ENDED {
                return None;
            }
            let stage = stage as usize;
            let tasks = part(self.stages.tasks(stage), self.next.len(), share);
            (index < tasks.len()).then(|| (stage, tasks.start + index))
        };
        let next = &self.next[share].0;
        task_of(next.load(Ordering::Acquire))?;
        // Another thread may have taken it meanwhile, or the stage may be another one. The lower half never
        // overflows: each thread fails once per stage and share.
        task_of(next.fetch_add(1, Ordering::AcqRel))
    }

    /// Runs a task. A panic must not keep the others waiting.
    fn guarded(&self, stage: usize, task: usize, worker: usize) {
        let run = AssertUnwindSafe(|| self.stages.run(stage, task, worker));
        if catch_unwind(run).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
    }

    fn help(&self) {
        let worker = self.workers.fetch_add(1, Ordering::Relaxed);
        let mut idle = 0;
        while self.next[worker].0.load(Ordering::Acquire) >> 32 != ENDED {
            if self.take_task(worker) {
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
}
