//! Peak throughput of a device, measured with kernels that do nothing else. It gives a lower bound for the
//! time of a network.
//!
//! ```
//! use shadernet::gpu::{Gpu, GpuOptions, adapters};
//! use shadernet_bench::peak::Peak;
//!
//! if let Some(adapter) = adapters(None).first() {
//!     let gpu = Gpu::open(adapter, &GpuOptions::new())?;
//!     let peak = Peak::measure(&gpu)?;
//!     // No network with this many operations and bytes can be faster.
//!     println!("{} ms", 1e3 * peak.bound_seconds(3.6e9, 50e6));
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

mod cpu;
mod gpu;

use std::fmt;

use shadernet::cpu::CpuDevice;
use shadernet::error::Result;
use shadernet::gpu::Gpu;

/// Peak arithmetic and memory throughput of a device.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Peak {
    /// float32 operations per second. A fused multiply-add counts as two.
    pub operations_per_second: f64,
    /// Bytes read plus bytes written per second, with a working set larger than the caches: of a copy or of a
    /// kernel that only reads, whichever is faster.
    pub bytes_per_second: f64,
    /// The same with a working set that fits a cache near the cores. At least `bytes_per_second`.
    pub cached_bytes_per_second: f64,
}

impl Peak {
    /// Measures `gpu`, which should be idle. Takes a few seconds, on a software driver up to ten.
    ///
    /// # Errors
    /// [`shadernet::Error::Device`] if the device fails.
    pub fn measure(gpu: &Gpu) -> Result<Self> {
        gpu::measure(gpu)
    }

    /// Measures the CPU with all threads of `cpu` at once, which should be idle. Takes one to three seconds.
    ///
    /// ```
    /// use shadernet::cpu::CpuDevice;
    /// use shadernet_bench::peak::Peak;
    ///
    /// let peak = Peak::measure_cpu(&CpuDevice::default())?;
    /// assert!(peak.operations_per_second > 1e8);
    /// assert!(peak.cached_bytes_per_second >= peak.bytes_per_second);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`shadernet::Error::OutOfMemory`] where there is less memory than the measurement takes, 512 MiB.
    pub fn measure_cpu(cpu: &CpuDevice) -> Result<Self> {
        cpu::measure(cpu)
    }

    /// The higher value of each field of two measurements. If the device was busy during one of them, the
    /// other is nearer to the peak.
    pub fn max(self, other: Self) -> Self {
        Self {
            operations_per_second: self.operations_per_second.max(other.operations_per_second),
            bytes_per_second: self.bytes_per_second.max(other.bytes_per_second),
            cached_bytes_per_second: (self.cached_bytes_per_second)
                .max(other.cached_bytes_per_second),
        }
    }

    /// What limits a kernel that takes `seconds` for this many operations and bytes.
    pub fn bound(&self, operations: u64, bytes: u64, seconds: f64) -> Bound {
        let seconds = seconds.max(f64::MIN_POSITIVE);
        let share = |count: u64, peak: f64| count as f64 / peak / seconds;
        let arithmetic = share(operations, self.operations_per_second);
        let memory = match share(bytes, self.bytes_per_second) {
            // Faster than memory: the data came from a cache.
            share if share > 1.0 => (
                Bottleneck::Cache,
                bytes as f64 / self.cached_bytes_per_second / seconds,
            ),
            share => (Bottleneck::Memory, share),
        };
        let (nearest, utilization) = match memory {
            (_, share) if arithmetic > share => (Bottleneck::Arithmetic, arithmetic),
            memory => memory,
        };
        let bottleneck = match utilization < LATENCY_THRESHOLD {
            true => Bottleneck::Latency,
            false => nearest,
        };
        Bound {
            bottleneck,
            utilization,
        }
    }

    /// The minimum time for this many operations and bytes if arithmetic and memory traffic overlap fully.
    pub fn bound_seconds(&self, operations: f64, bytes: f64) -> f64 {
        (operations / self.operations_per_second).max(bytes / self.bytes_per_second)
    }
}

/// The peak that a kernel comes nearest to. Printed as `memory 85 %`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bound {
    /// What limits the kernel.
    pub bottleneck: Bottleneck,
    /// The fraction of the nearest peak that the kernel reaches; 1 is the peak itself.
    pub utilization: f64,
}

/// What limits a kernel's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bottleneck {
    /// Multiplications and additions.
    Arithmetic,
    /// Memory traffic.
    Memory,
    /// Cache traffic: the kernel moves more bytes than memory alone could deliver.
    Cache,
    /// The kernel reaches less than a quarter of every peak. It waits for something else: its launch, memory
    /// latency, or work that is not counted.
    Latency,
}

/// Below this utilization, neither arithmetic nor memory limits a kernel.
const LATENCY_THRESHOLD: f64 = 0.25;

impl Bottleneck {
    /// `arithmetic`, `memory`, `cache`, or `neither` for [`Bottleneck::Latency`].
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
        write!(
            f,
            "{} {:.0} %",
            self.bottleneck.name(),
            self.utilization * 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_seconds_is_the_larger_of_arithmetic_and_memory_time() {
        let peak = Peak {
            operations_per_second: 100.0,
            bytes_per_second: 10.0,
            cached_bytes_per_second: 40.0,
        };
        assert_eq!(peak.bound_seconds(300.0, 20.0), 3.0);
        assert_eq!(peak.bound_seconds(300.0, 50.0), 5.0);
    }

    #[test]
    fn the_bottleneck_is_the_peak_with_the_highest_utilization() {
        let peak = Peak {
            operations_per_second: 100.0,
            bytes_per_second: 10.0,
            cached_bytes_per_second: 40.0,
        };
        let bound = |operations, bytes, seconds| {
            let bound = peak.bound(operations, bytes, seconds);
            (bound.bottleneck, bound.utilization)
        };
        assert_eq!(bound(50, 4, 1.0), (Bottleneck::Arithmetic, 0.5));
        assert_eq!(bound(30, 4, 1.0), (Bottleneck::Memory, 0.4));
        assert_eq!(bound(30, 20, 1.0), (Bottleneck::Cache, 0.5));
        assert_eq!(bound(10, 1, 1.0), (Bottleneck::Latency, 0.1));
    }
}
