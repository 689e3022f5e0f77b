//! What a device can do at most, measured with kernels that do nothing else: the bounds that a
//! network's time is held to.
//!
//! ```
//! use shadernet::device::{Device, DeviceOptions};
//! use shadernet_bench::peak::Peak;
//!
//! if let Device::Gpu(gpu) = Device::open(&DeviceOptions::default())? {
//!     let peak = Peak::measure(&gpu)?;
//!     // No network of so many operations and bytes can be faster than this.
//!     println!("{} ms", 1e3 * peak.bound_seconds(3.6e9, 50e6));
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use wgpu::BufferUsages;

use shadernet::error::Result;
use shadernet::gpu::{Gpu, Precision, Shader};
use shadernet::internals::{
    PEAK_FMA, PEAK_MEMORY, PeakFmaParams, PeakMemoryParams, Pipeline, PipelineKey,
};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// float32 operations a second, a multiplication and an addition counted as two.
    pub operations_per_second: f64,
    /// Bytes a second, each that is read and each that is written counted, of more than caches hold: of
    /// a copy, or of a kernel that only reads where that is more.
    pub bytes_per_second: f64,
    /// The same of as little as a cache near the cores holds, over and over; no less than the other.
    pub cached_bytes_per_second: f64,
}

/// Invocations of a workgroup, as `shared/grid.wgsl` has them.
const WORKGROUP: u32 = 64;
/// Elements that an invocation of `peak_memory.wgsl` copies or reads: which is faster depends on the
/// device. The last is a multiple of the others.
const EACH: [u32; 3] = [4, 8, 32];
/// Workgroups in a row of a dispatch; more are folded into rows.
const ROW: u32 = 32_768;
/// Copied at once where the device binds so much: more than caches hold.
const MOST_COPIED: u64 = 512 << 20;
/// Touched again and again: what a cache of any device holds, a power of two.
const CACHED: u64 = 1 << 20;
/// Enough for the largest GPU to have something to do everywhere.
const INVOCATIONS: u32 = 1 << 20;
/// Of `peak_fma.wgsl`: a dispatch is long enough for its start not to show, and short enough for no
/// driver to lose patience.
const TURNS: u32 = 32;
const OPERATIONS_A_TURN: u32 = 8 * 32 * 2;
/// As many dispatches are timed at once as take so long, the best of so many times; of several kernels each
/// so often to see which is fastest.
const LONG_ENOUGH: Duration = Duration::from_millis(100);
const TIMES: usize = 5;
const LOOKS: usize = 2;

impl Peak {
    /// Measures `gpu`, which should have nothing else to do: for a few seconds, on a software driver for up to
    /// ten.
    ///
    /// # Errors
    /// [`shadernet::Error::Device`] where the device fails.
    pub fn measure(gpu: &Gpu) -> Result<Self> {
        let limits = gpu.limits();
        let element = Precision::F32.element_bytes();
        let most = limits.max_storage_buffer_binding_size;
        let most_elements = MOST_COPIED.min(most).min(limits.max_buffer_size) / element;
        let whole = u64::from(WORKGROUP * EACH[EACH.len() - 1]);
        let most_elements = most_elements / whole * whole;
        let buffers = buffers(gpu, most_elements)?;
        // What a copy moves, or a kernel that only reads, whichever is more.
        let moved = |mask: u32| -> Result<f64> {
            let params = PeakMemoryParams {
                elements: most_elements as u32,
                mask,
            };
            let mut fastest: Option<(f64, Kernel, f64)> = None;
            for (each, is_copy) in EACH
                .into_iter()
                .flat_map(|each| [(each, true), (each, false)])
            {
                let constants = vec![("COPY", u32::from(is_copy)), ("EACH", each)];
                let invocations = most_elements.div_ceil(u64::from(each));
                let kernel =
                    Kernel::new(gpu, &PEAK_MEMORY, constants, &buffers, invocations, &params)?;
                let touched = most_elements * if is_copy { 2 } else { 1 };
                let bytes = (touched * element) as f64;
                let rate = bytes / kernel.seconds(LOOKS)?;
                if fastest.as_ref().is_none_or(|(most, ..)| rate > *most) {
                    fastest = Some((rate, kernel, bytes));
                }
            }
            // Only that is worth a closer look.
            match fastest {
                Some((rate, kernel, bytes)) => Ok(rate.max(bytes / kernel.seconds(TIMES)?)),
                None => Ok(0.0),
            }
        };
        let bytes_per_second = moved(u32::MAX)?;
        let cached_bytes_per_second = moved((CACHED / element) as u32 - 1)?.max(bytes_per_second);

        let all = u64::from(INVOCATIONS);
        let params = PeakFmaParams {
            turns: TURNS,
            elements: INVOCATIONS,
            factor: 0.5,
            term: 0.5,
        };
        let own = self::buffers(gpu, all)?;
        let kernel = Kernel::new(gpu, &PEAK_FMA, Vec::new(), &own, all, &params)?;
        let seconds = kernel.seconds(TIMES)?;
        let operations = f64::from(INVOCATIONS) * f64::from(TURNS * OPERATIONS_A_TURN);
        Ok(Self {
            operations_per_second: operations / seconds,
            bytes_per_second,
            cached_bytes_per_second,
        })
    }

    /// The higher of two measurements, bound by bound: a device that something else held up once did
    /// more the other time.
    pub fn max(self, other: Self) -> Self {
        Self {
            operations_per_second: self.operations_per_second.max(other.operations_per_second),
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
            cached_bytes_per_second: (self.cached_bytes_per_second)
                .max(other.cached_bytes_per_second),
        }
    }

    /// What bounds a kernel of so many operations and bytes that took so many seconds.
    pub fn bound(&self, operations: u64, bytes: u64, seconds: f64) -> Bound {
        let seconds = seconds.max(f64::MIN_POSITIVE);
        let share = |count: u64, peak: f64| count as f64 / peak / seconds;
        let arithmetic = share(operations, self.operations_per_second);
        let memory = match share(bytes, self.bytes_per_second) {
            // More than memory gives: it came from a cache.
            share if share > 1.0 => (
                Bottleneck::Cache,
                bytes as f64 / self.cached_bytes_per_second / seconds,
            ),
            share => (Bottleneck::Memory, share),
        };
        let (limit, reached) = match memory {
            (_, share) if arithmetic > share => (Bottleneck::Arithmetic, arithmetic),
            nearer => nearer,
        };
        let limit = match reached < FAR {
            true => Bottleneck::Latency,
            false => limit,
        };
        Bound { limit, reached }
    }

    /// The least time for so many operations and bytes, done at the same time.
    pub fn bound_seconds(&self, operations: f64, bytes: f64) -> f64 {
        (operations / self.operations_per_second).max(bytes / self.bytes_per_second)
    }
}

/// Which of a device's peaks a kernel comes nearest to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// Which.
    pub limit: Bottleneck,
    /// How much of it is reached: 1 is all.
    pub reached: f64,
}

/// What may take a kernel's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Multiplying and adding.
    Arithmetic,
    /// Reading and writing memory.
    Memory,
    /// The same in a cache: it is faster than memory is.
    Cache,
    /// Less than a quarter of any of them is reached. The kernel waits for something else: its start,
    /// latency, or work that is not counted.
    Latency,
}

/// Below this share of the peaks something else takes the time.
const FAR: f64 = 0.25;

impl Bottleneck {
    /// `arithmetic`, `memory`, `cache` or `neither`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arithmetic => "arithmetic",
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Latency => "neither",
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.0} %", self.limit.name(), self.reached * 100.0)
    }
}

/// An input and an output of so many elements. wgpu fills both with zeros before they are used first.
fn buffers(gpu: &Gpu, elements: u64) -> Result<[wgpu::Buffer; 2]> {
    let bytes = elements * Precision::F32.element_bytes();
    gpu.with_error_scopes("making buffers", || {
        ["input", "output"].map(|label| gpu.buffer(label, bytes, BufferUsages::STORAGE, false))
    })
}

/// A kernel with its buffers.
struct Kernel<'a> {
    gpu: &'a Gpu,
    pipeline: Pipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

impl<'a> Kernel<'a> {
    /// `shader` with what it reads and what it writes, and so many invocations.
    fn new(
        gpu: &'a Gpu,
        shader: &'static Shader,
        constants: Vec<(&'static str, u32)>,
        buffers: &[wgpu::Buffer; 2],
        invocations: u64,
        params: &impl bytemuck::Pod,
    ) -> Result<Self> {
        let key = PipelineKey {
            shader,
            precision: Precision::F32,
            constants,
        };
        let pipeline = gpu.pipelines(&[key])?.swap_remove(0);
        // Both have been bounded to 32 bits by the limits of the device, or are constants.
        let workgroups = invocations.div_ceil(u64::from(WORKGROUP)) as u32;
        let bind_group = gpu.with_error_scopes("making buffers", || {
            let usage = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
            let uniform = gpu.buffer("peak", 16, usage, false);
            gpu.queue()
                .write_buffer(&uniform, 0, bytemuck::bytes_of(params));
            let all = [&uniform].into_iter().chain(buffers);
            pipeline.bind_group(gpu, shader.name, all.map(wgpu::Buffer::as_entire_binding))
        })?;
        Ok(Self {
            gpu,
            pipeline,
            bind_group,
            workgroups: [workgroups.min(ROW), workgroups.div_ceil(ROW)],
        })
    }

    /// What one dispatch takes, the best of so many times.
    fn seconds(&self, times: usize) -> Result<f64> {
        self.run(1)?;
        let mut dispatches = 1;
        let mut best = self.run(dispatches)?;
        while best < LONG_ENOUGH {
            dispatches *= 2;
            best = self.run(dispatches)?;
        }
        for _ in 1..times {
            best = best.min(self.run(dispatches)?);
        }
        Ok(best.as_secs_f64() / f64::from(dispatches))
    }

    fn run(&self, dispatches: u32) -> Result<Duration> {
        let gpu = self.gpu;
        let start = Instant::now();
        gpu.with_error_scopes("measuring its peak", || {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline.pipeline);
            pass.set_bind_group(0, &self.bind_group, &[]);
            let [x, y] = self.workgroups;
            for _ in 0..dispatches {
                pass.dispatch_workgroups(x, y, 1);
            }
            drop(pass);
            gpu.queue().submit([encoder.finish()]);
            gpu.device().poll(wgpu::PollType::wait_indefinitely())
        })?
        .map_err(|error| gpu.error("measuring its peak", error))?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_the_two_bounds_counts() {
        let peak = Peak {
            operations_per_second: 100.0,
            bytes_per_second: 10.0,
            cached_bytes_per_second: 40.0,
        };
        assert_eq!(peak.bound_seconds(300.0, 20.0), 3.0);
        assert_eq!(peak.bound_seconds(300.0, 50.0), 5.0);
    }

    #[test]
    fn the_nearest_peak_is_the_bound() {
        let peak = Peak {
            operations_per_second: 100.0,
            bytes_per_second: 10.0,
            cached_bytes_per_second: 40.0,
        };
        let bound = |operations, bytes, seconds| {
            let Bound { limit, reached } = peak.bound(operations, bytes, seconds);
            (limit, reached)
        };
        assert_eq!(bound(50, 4, 1.0), (Bottleneck::Arithmetic, 0.5));
        assert_eq!(bound(30, 4, 1.0), (Bottleneck::Memory, 0.4));
        assert_eq!(bound(30, 20, 1.0), (Bottleneck::Cache, 0.5));
        assert_eq!(bound(10, 1, 1.0), (Bottleneck::Latency, 0.1));
    }
}
