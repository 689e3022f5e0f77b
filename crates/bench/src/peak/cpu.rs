//! Peaks of the CPU, with the instructions that its kernels use, on all threads at once.

use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use shadernet::cpu::CpuDevice;
use shadernet::error::Result;
use shadernet::internals::check_memory;
use shadernet::rayon;

use super::Peak;

/// Multiply-adds without a dependency: enough to hide their latency, and as many as there are registers for.
const CHAINS: usize = match cfg!(target_arch = "aarch64") {
    true => 24,
    false => 12,
};
/// Vectors that the loops over memory move in one iteration.
const UNROLLED: usize = 8;
/// Working set of all threads: larger than the caches of most.
const MEMORY_BYTES: usize = 512 << 20;
/// Working set of a thread in a cache: more than the first holds, and less than the second.
const CACHED_BYTES: usize = 128 << 10;
/// Work is repeated until it takes this long: the start of the threads is a small part of it.
const MIN_DURATION: Duration = Duration::from_millis(20);
/// The best of this many counts, as other processes only make it slower.
const REPETITIONS: usize = 6;

/// See [`Peak::measure_cpu`].
pub(super) fn measure(cpu: &CpuDevice) -> Result<Peak> {
    check_memory("measuring the throughput of memory", MEMORY_BYTES as u64)?;
    let threads = cpu.threads();
    let operations_per_second = rate(cpu, |iterations| {
        let work = Arithmetic { iterations };
        let multiply_adds = iterations * CHAINS * work.dispatch();
        2.0 * multiply_adds as f64
    });
    Ok(cpu.install(|| {
        let buffers: Vec<Mutex<Vec<f32>>> = (0..threads).map(|_| Mutex::default()).collect();
        let throughput = |bytes: usize| {
            // By the thread that uses it, so that it lies in the memory next to that.
            rayon::broadcast(|thread| *lock(&buffers[thread.index()]) = vec![1.0; bytes / 4]);
            let pass = |is_copy: bool| {
                rate(cpu, |iterations| {
                    let index = rayon::current_thread_index().unwrap_or(0);
                    let mut values = lock(&buffers[index]);
                    let work = Traffic {
                        values: &mut values,
                        iterations,
                        is_copy,
                    };
                    (iterations * work.dispatch() * 4) as f64
                })
            };
            pass(false).max(pass(true))
        };
        let cached_bytes_per_second = throughput(CACHED_BYTES);
        let bytes_per_second = throughput(MEMORY_BYTES / threads);
        Peak {
            operations_per_second,
            bytes_per_second,
            cached_bytes_per_second: cached_bytes_per_second.max(bytes_per_second),
        }
    }))
}

/// What all threads of `cpu` do in a second, where each does `work` with as many iterations as take
/// [`MIN_DURATION`]. `work` returns how much that was.
fn rate(cpu: &CpuDevice, work: impl Fn(usize) -> f64 + Sync) -> f64 {
    cpu.install(|| {
        let run = |iterations: usize| {
            let start = Instant::now();
            let done: f64 = rayon::broadcast(|_| work(iterations)).iter().sum();
            (done, start.elapsed())
        };
        let mut iterations = 1;
        let (mut done, mut duration) = run(iterations);
        while duration < MIN_DURATION {
            iterations *= 2;
            (done, duration) = run(iterations);
        }
        let repeated = (1..REPETITIONS).map(|_| run(iterations));
        let best = std::iter::once((done, duration)).chain(repeated);
        let rates = best.map(|(done, duration)| done / duration.as_secs_f64());
        rates.fold(0.0, f64::max)
    })
}

fn lock(buffer: &Mutex<Vec<f32>>) -> MutexGuard<'_, Vec<f32>> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Multiplies and adds in registers. Returns the floats of a vector.
struct Arithmetic {
    iterations: usize,
}

impl SimdOp for Arithmetic {
    type Output = usize;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> usize {
        let ops = isa.f32();
        let (factor, term) = (ops.splat(black_box(0.5)), ops.splat(black_box(0.5)));
        let mut chains = [ops.zero(); CHAINS];
        for _ in 0..self.iterations {
            for chain in &mut chains {
                *chain = ops.mul_add(*chain, factor, term);
            }
        }
        black_box(chains);
        ops.len()
    }
}

/// Reads the values, or copies the first half to the second. Returns the floats read and written by an iteration.
struct Traffic<'a> {
    values: &'a mut [f32],
    iterations: usize,
    is_copy: bool,
}

impl SimdOp for Traffic<'_> {
    type Output = usize;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> usize {
        let ops = isa.f32();
        let step = UNROLLED * ops.len();
        let len = self.values.len() / (2 * step) * (2 * step);
        for _ in 0..self.iterations {
            let (from, to) = self.values[..len].split_at_mut(len / 2);
            let mut sums = [ops.zero(); UNROLLED];
            match self.is_copy {
                true => {
                    for (from, to) in from.chunks_exact(step).zip(to.chunks_exact_mut(step)) {
                        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
                        for i in (0..UNROLLED).map(|i| i * ops.len()) {
                            // SAFETY: both have as many vectors.
                            unsafe { ops.store_ptr(ops.load_ptr(from.add(i)), to.add(i)) };
                        }
                    }
                }
                false => {
                    for chunk in self.values[..len].chunks_exact(step) {
                        let chunk = chunk.as_ptr();
                        for (i, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: a chunk has as many vectors.
                            *sum = ops.add(*sum, unsafe { ops.load_ptr(chunk.add(i * ops.len())) });
                        }
                    }
                }
            }
            black_box(sums);
            black_box(&mut *self.values);
        }
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadernet::cpu::CpuOptions;

    #[test]
    fn all_threads_are_measured_within_seconds() {
        let cpu = CpuDevice::new(&CpuOptions::new().threads(2)).unwrap();
        let start = Instant::now();
        let peak = measure(&cpu).unwrap();
        // 3 s on a machine that does nothing else.
        assert!(start.elapsed() < Duration::from_secs(15));
        for rate in [peak.operations_per_second, peak.bytes_per_second] {
            assert!(rate.is_finite() && rate > 1e8, "{peak:?}");
        }
        assert!(peak.cached_bytes_per_second >= peak.bytes_per_second);
    }
}
