//! The CPU as a device: its name, and the threads that compute.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use sysinfo::{CpuRefreshKind, System};

use crate::error::{CPU, Error, Result};
use crate::printable;

/// How the CPU is used.
///
/// ```
/// use shadernet::cpu::CpuOptions;
///
/// let options = CpuOptions::new().threads(2);
/// assert_eq!(options.threads, Some(2));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CpuOptions {
    /// How many threads compute, in a pool of the device's own, started when it is opened. Where `None`, rayon's
    /// global pool computes, which has a thread for each core that the process may use
    /// ([`std::thread::available_parallelism`]), unless the host or `RAYON_NUM_THREADS` has set another number.
    pub threads: Option<usize>,
    /// The host's pool. [`Self::threads`] is ignored where it is given.
    pub pool: Option<Arc<rayon::ThreadPool>>,
}

impl CpuOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::threads`].
    #[must_use]
    pub fn threads(mut self, threads: impl Into<Option<usize>>) -> Self {
        self.threads = threads.into();
        self
    }

    /// Sets [`Self::pool`].
    #[must_use]
    pub fn pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }
}

/// The CPU, and the threads that compute on it. Clones share the threads. The default is rayon's global pool.
#[derive(Clone, Debug, Default)]
pub struct CpuDevice {
    /// `None` for rayon's global pool.
    pool: Option<Arc<rayon::ThreadPool>>,
    /// How many threads compute passes now; `None` for those of the global pool.
    active: Option<Arc<AtomicUsize>>,
    /// Why the CPU runs in place of a GPU.
    warning: Option<String>,
}

impl CpuDevice {
    /// Starts the threads that `options` ask for.
    ///
    /// # Errors
    /// [`Error::Inputs`] for a number of threads that is zero or beyond what rayon can have, [`Error::Device`] where
    /// the system refuses to start them.
    pub fn new(options: &CpuOptions) -> Result<Self> {
        let pool = match (&options.pool, options.threads) {
            (Some(pool), _) => Some(pool.clone()),
            (None, Some(threads)) => Some(Arc::new(start(threads)?)),
            (None, None) => None,
        };
        Ok(Self {
            active: pool.as_ref().map(|_| Arc::default()),
            pool,
            warning: None,
        })
    }

    /// The device with what the user should know about its choice.
    pub(crate) fn with_warning(self, warning: String) -> Self {
        Self {
            warning: Some(warning),
            ..self
        }
    }

    /// How many threads compute.
    pub fn threads(&self) -> usize {
        match &self.pool {
            Some(pool) => pool.current_num_threads(),
            None => rayon::current_num_threads(),
        }
    }

    /// `1 thread`, `8 threads`.
    pub(crate) fn threads_text(&self) -> String {
        match self.threads() {
            1 => "1 thread".to_owned(),
            threads => format!("{threads} threads"),
        }
    }

    /// The name of the processor, as the system reports it; empty where it reports none. It is the same for all
    /// devices of a machine, and is read at the first call.
    pub fn name(&self) -> &'static str {
        static NAME: OnceLock<String> = OnceLock::new();
        NAME.get_or_init(read_name)
    }

    /// Why the CPU runs in place of a GPU; `None` where it was requested.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Calls `compute` on a thread of the device and waits for it. What it does in parallel with rayon, the device's
    /// threads do.
    ///
    /// ```
    /// let cpu = shadernet::cpu::CpuDevice::default();
    /// assert_eq!(cpu.install(|| 6 * 7), 42);
    /// ```
    pub fn install<R: Send>(&self, compute: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(compute),
            // A scope enters the global pool once, and not at every parallel loop. Where the calling thread is of
            // another pool, rayon computes in that one.
            None => rayon::scope(|_| compute()),
        }
    }

    /// How many threads compute passes now.
    pub(crate) fn active(&self) -> &AtomicUsize {
        static GLOBAL: AtomicUsize = AtomicUsize::new(0);
        self.active.as_deref().unwrap_or(&GLOBAL)
    }

    /// Calls `compute` on a thread of the device, without waiting.
    pub(crate) fn spawn(&self, compute: impl FnOnce() + Send + 'static) {
        match &self.pool {
            Some(pool) => pool.spawn(compute),
            None => rayon::spawn(compute),
        }
    }
}

/// `the CPU (AMD EPYC 7763 64-Core Processor, 8 threads)`.
impl fmt::Display for CpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.threads_text();
        match printable::name(self.name()) {
            name if name.is_empty() => write!(f, "{CPU} ({threads})"),
            name => write!(f, "{CPU} ({name}, {threads})"),
        }
    }
}

fn start(threads: usize) -> Result<rayon::ThreadPool> {
    // rayon would take zero for its default, and start fewer than asked for beyond its maximum.
    let max = rayon::max_num_threads();
    if !(1..=max).contains(&threads) {
        return Err(Error::Inputs(format!(
            "the CPU computes with 1 to {max} threads, but {threads} were requested; leave the number out for one \
             per core"
        )));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|index| format!("shadernet {index}"))
        .build()
        .map_err(|error| Error::Device {
            device: CPU.to_owned(),
            context: format!("starting {threads} threads"),
            source: error.into(),
        })
}

fn read_name() -> String {
    let Ok(mut system) = System::new() else {
        return String::new();
    };
    system.refresh_cpu_list(CpuRefreshKind::nothing());
    let name = system.cpus().first().map(|cpu| cpu.brand().trim());
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_those_asked_for() {
        let cpu = CpuDevice::new(&CpuOptions::new().threads(3)).unwrap();
        assert_eq!(cpu.threads(), 3);
        assert_eq!(cpu.install(rayon::current_num_threads), 3);
        let (sender, receiver) = std::sync::mpsc::channel();
        cpu.spawn(move || sender.send(rayon::current_num_threads()).unwrap());
        assert_eq!(receiver.recv(), Ok(3));
        let text = cpu.to_string();
        assert!(
            text.starts_with("the CPU (") && text.ends_with("3 threads)"),
            "{text}"
        );

        let one = CpuDevice::new(&CpuOptions::new().threads(1)).unwrap();
        assert!(one.to_string().ends_with("1 thread)"), "{one}");
        assert_eq!(CpuDevice::default().threads(), rayon::current_num_threads());
    }

    #[test]
    fn a_hosts_pool_comes_before_a_number() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let pool = Arc::new(pool.unwrap());
        let cpu = CpuDevice::new(&CpuOptions::new().threads(5).pool(pool.clone())).unwrap();
        assert_eq!(cpu.threads(), 2);
        // Of the device and its clone, none remains.
        let clone = cpu.clone();
        drop((cpu, clone));
        assert_eq!(Arc::strong_count(&pool), 1);
    }

    #[test]
    fn impossible_numbers_of_threads_are_errors() {
        for threads in [0, usize::MAX] {
            let error = CpuDevice::new(&CpuOptions::new().threads(threads)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("computes with 1 to "), "{text}");
            assert!(
                text.contains(&format!("but {threads} were requested")),
                "{text}"
            );
        }
    }
}
