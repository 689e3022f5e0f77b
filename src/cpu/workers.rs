//! The threads of a pass: the caller's goes through the steps, and others join in wherever a step has tasks for them.
//!
//! A pass never waits for threads that have not come: whoever runs it can do all tasks alone. So several sessions
//! can share a device, and each gets what threads are free: those that lead passes and those that help are together no
//! more than the device has.
//!
//! The tasks of a stage are in as many shares as there are threads. A thread takes those of its own share first, in
//! order, so that it finds in its cache what it has written in the stage before; then those of others.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::device::CpuDevice;
use super::kernel::part;

/// Loops without work before a thread looks for other work of its pool: some ten microseconds.
const SPINS: usize = 2000;
/// How long a thread waits for the next pass before it looks for other work of its pool.
const LINGER: Duration = Duration::from_micros(200);
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

/// Which threads join the one that leads a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helpers {
    /// Those of the device that are free.
    Free,
    /// None: passes that run at once are together faster with a thread each, which waits for no other.
    None,
}

/// On a cache line of its own.
#[repr(align(64))]
struct Padded<T>(T);

/// Whether a pass is over, in [`Team::gate`]. The thread that leads needs no seat there, so this is its bit.
const CLOSED: usize = 1;

/// What the threads of a plan's passes share. Kept between passes.
pub(super) struct Team {
    /// For each share, the current stage in the upper half, and the next of its tasks in the lower.
    next: Vec<Padded<AtomicU64>>,
    /// Tasks of the current stage that have ended.
    done: Padded<AtomicUsize>,
    /// Threads join only while it is open, and a pass ends only when all have left. Each has the bit of its number, so
    /// that no two have the same: numbers are places in the scratch memory.
    gate: Padded<AtomicUsize>,
    /// Threads that wait for the next pass.
    lingering: Padded<AtomicUsize>,
    has_panicked: AtomicBool,
    /// The stages of the current pass.
    stages: UnsafeCell<Option<*const dyn Stages>>,
}

// SAFETY: `stages` is written only while the gate is closed and nobody has joined, and read by those who have. What it
// points to is `Sync`.
unsafe impl Send for Team {}
// SAFETY: the same.
unsafe impl Sync for Team {}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Team").field(&self.next.len()).finish()
    }
}

impl Team {
    /// Of up to `threads` threads.
    pub fn new(threads: usize) -> Arc<Self> {
        let next = (0..threads.max(1)).map(|_| Padded(AtomicU64::new(ENDED << 32)));
        Arc::new(Self {
            next: next.collect(),
            done: Padded(AtomicUsize::new(0)),
            gate: Padded(AtomicUsize::new(CLOSED)),
            lingering: Padded(AtomicUsize::new(0)),
            has_panicked: AtomicBool::new(false),
            stages: UnsafeCell::new(None),
        })
    }

    /// Runs all stages, in order, on the calling thread and those of `device` that are free. The caller must not run
    /// another pass of this team meanwhile. Returns whether all tasks ended without a panic.
    pub fn run(
        self: &Arc<Self>,
        stages: &mut (dyn Stages + '_),
        device: &CpuDevice,
        helpers: Helpers,
    ) -> bool {
        for next in &self.next {
            // Of the first stage, but no task that it has.
            next.0.store(NO_TASK, Ordering::Relaxed);
        }
        self.has_panicked.store(false, Ordering::Relaxed);
        let stages: &dyn Stages = stages;
        // SAFETY: nobody has joined. The pointer is used only until the gate is closed and all have left, which is
        // before this returns, so the lifetime does not matter.
        unsafe {
            let stages: *const (dyn Stages + '_) = stages;
            *self.stages.get() = Some(std::mem::transmute::<
                *const (dyn Stages + '_),
                *const (dyn Stages + 'static),
            >(stages));
        }
        self.gate.0.store(0, Ordering::SeqCst);
        let active = device.active();
        let busy = active.fetch_add(1, Ordering::Relaxed);
        // Where the threads are busy with other passes, more would only take turns with them.
        let free = match helpers {
            Helpers::Free => self.next.len().saturating_sub(busy + 1),
            Helpers::None => 0,
        };
        let lingering = self.lingering.0.load(Ordering::SeqCst);
        for _ in lingering.min(free)..free {
            let (team, device_threads) = (self.clone(), device.clone());
            device.spawn(move || team.help(&device_threads));
        }
        self.lead(stages);
        self.gate.0.fetch_or(CLOSED, Ordering::AcqRel);
        while self.gate.0.load(Ordering::Acquire) != CLOSED {
            std::hint::spin_loop();
        }
        active.fetch_sub(1, Ordering::Relaxed);
        !self.has_panicked.load(Ordering::Relaxed)
    }

    fn lead(&self, stages: &dyn Stages) {
        for stage in 0..stages.len() {
            let tasks = stages.tasks(stage);
            if tasks == 1 {
                self.guarded(stages, stage, 0, 0);
                continue;
            }
            self.done.0.store(0, Ordering::Relaxed);
            self.publish(stage as u64);
            while self.take_task(stages, 0) {}
            let mut idle = 0;
            while self.done.0.load(Ordering::Acquire) < tasks {
                idle += 1;
                match idle < SPINS {
                    true => std::hint::spin_loop(),
                    // The other may need this core to end its task.
                    false => std::thread::yield_now(),
                }
            }
        }
        self.publish(ENDED);
    }

    fn publish(&self, stage: u64) {
        for next in &self.next {
            next.0.store(stage << 32, Ordering::Release);
        }
    }

    /// Takes a task of the current stage and runs it. Returns whether there was one.
    fn take_task(&self, stages: &dyn Stages, worker: usize) -> bool {
        let shares = self.next.len();
        for i in 0..shares {
            let share = (worker + i) % shares;
            if let Some((stage, task)) = self.claim(stages, share) {
                self.guarded(stages, stage, task, worker);
                self.done.0.fetch_add(1, Ordering::Release);
                return true;
            }
        }
        false
    }

    /// The next task of a share, of whichever stage is current there.
    fn claim(&self, stages: &dyn Stages, share: usize) -> Option<(usize, usize)> {
        let task_of = |next: u64| {
            let (stage, index) = (next >> 32, (next & u64::from(u32::MAX)) as usize);
            if stage == ENDED {
                return None;
            }
            let stage = stage as usize;
            let tasks = part(stages.tasks(stage), self.next.len(), share);
            (index < tasks.len()).then(|| (stage, tasks.start + index))
        };
        let next = &self.next[share].0;
        task_of(next.load(Ordering::Acquire))?;
        // Another thread may have taken it meanwhile, or the stage may be another one. The lower half never
        // overflows: each thread fails once per stage and share.
        task_of(next.fetch_add(1, Ordering::AcqRel))
    }

    /// Runs a task. A panic must not keep the others waiting.
    fn guarded(&self, stages: &dyn Stages, stage: usize, task: usize, worker: usize) {
        let run = AssertUnwindSafe(|| stages.run(stage, task, worker));
        if catch_unwind(run).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
    }

    /// Joins the current pass, which may be a later one than that which asked for help. Returns the thread's number;
    /// `None` where no pass needs it.
    fn join(&self) -> Option<usize> {
        let gate = &self.gate.0;
        // The lowest that is free. The thread that leads is number 0.
        let free = |gate: usize| (gate | CLOSED).trailing_ones() as usize;
        let seats = self.next.len().min(usize::BITS as usize);
        let joined = gate.fetch_update(Ordering::AcqRel, Ordering::Acquire, |gate| {
            let is_needed = gate & CLOSED == 0 && free(gate) < seats;
            is_needed.then(|| gate | 1 << free(gate))
        });
        joined.ok().map(free)
    }

    /// Helps with the current pass and those that soon follow.
    fn help(&self, device: &CpuDevice) {
        while self.help_once(device) {
            // Waking a thread takes as long as a small layer.
            self.lingering.0.fetch_add(1, Ordering::SeqCst);
            let end = Instant::now() + LINGER;
            while self.gate.0.load(Ordering::SeqCst) & CLOSED != 0 && Instant::now() < end {
                // Other work of the pool comes first.
                if rayon::yield_now() == Some(rayon::Yield::Executed) {
                    break;
                }
                std::hint::spin_loop();
            }
            self.lingering.0.fetch_sub(1, Ordering::SeqCst);
            // A pass that begins now has either seen this thread linger, and is found open here, or asks for another.
        }
    }

    /// Helps with the current pass. Returns whether there was one, and it is over.
    fn help_once(&self, device: &CpuDevice) -> bool {
        let Some(worker) = self.join() else {
            return false;
        };
        let active = device.active();
        active.fetch_add(1, Ordering::Relaxed);
        // SAFETY: it was written before the gate was opened, and the pass does not end before this thread has left.
        let stages = unsafe { *self.stages.get() };
        // SAFETY: the same.
        let is_over =
            stages.is_some_and(|stages| self.help_with(unsafe { &*stages }, worker, active));
        active.fetch_sub(1, Ordering::Relaxed);
        self.leave(worker);
        is_over
    }

    fn leave(&self, worker: usize) {
        self.gate.0.fetch_and(!(1 << worker), Ordering::AcqRel);
    }

    /// Takes tasks until the pass is over. Returns false where this thread leaves before.
    fn help_with(&self, stages: &dyn Stages, worker: usize, active: &AtomicUsize) -> bool {
        let mut idle = 0;
        while self.next[worker].0.load(Ordering::Acquire) >> 32 != ENDED {
            if self.take_task(stages, worker) {
                idle = 0;
                // Another pass has begun: its own thread is enough.
                if active.load(Ordering::Relaxed) > self.next.len() {
                    return false;
                }
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
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number is a place in the scratch memory: that of a thread that stays is not given to one that comes later.
    #[test]
    fn threads_in_a_pass_have_different_numbers() {
        let team = Team::new(4);
        assert_eq!(team.join(), None, "no pass is open");
        team.gate.0.store(0, Ordering::SeqCst);
        assert_eq!([team.join(), team.join()], [Some(1), Some(2)]);
        team.leave(1);
        assert_eq!([team.join(), team.join()], [Some(1), Some(3)]);
        assert_eq!(team.join(), None, "there are as many as the device has");
        team.gate.0.fetch_or(CLOSED, Ordering::SeqCst);
        team.leave(2);
        assert_eq!(team.join(), None, "the pass is over");
    }
}
