//! Where networks run: a GPU, or the CPU twin.
//!
//! ```
//! use shadernet::device::{Device, DeviceOptions};
//!
//! // The best adapter, or the CPU twin where there is none; `warning` then says so.
//! let device = Device::open(&DeviceOptions::default())?;
//! println!("running on {device}");
//! if let Some(warning) = device.warning() {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::gpu::{self, Backend, CooperativeMatrices, Gpu, GpuOptions};

/// Which device to open. The default is the best adapter of the machine: discrete before
/// integrated before software, or what wgpu's environment variables name (`WGPU_BACKEND`,
/// `WGPU_ADAPTER_NAME`, `WGPU_POWER_PREF`).
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// The graphics API, or [`Backend::Cpu`] for the CPU twin.
    pub backend: Option<Backend>,
    /// A part of the adapter's name, in any case of letters.
    pub adapter: Option<String>,
    /// Keeps wgpu's bounds and loop checks in the shaders. Slower; for hunting errors in kernels.
    pub runtime_checks: bool,
    /// A folder in which pipelines are kept between processes, see
    /// [`GpuOptions::cache`]. None are kept without one.
    pub cache: Option<PathBuf>,
    /// Whether float16 convolutions may use cooperative matrices (tensor cores). Not, unless asked
    /// for: they are experimental in wgpu.
    pub cooperative_matrices: CooperativeMatrices,
}

/// An open device. Clones share it.
#[derive(Clone, Debug)]
pub enum Device {
    /// A GPU.
    Gpu(Gpu),
    /// The CPU twin: [`crate::reference`].
    Cpu {
        /// Why it runs in place of a GPU, where nobody asked for it.
        warning: Option<String>,
    },
}

impl Device {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where a backend or adapter was asked for, by `options` or the
    /// environment, and is not there; [`Error::Device`] where the driver refuses. Where nothing was
    /// asked for and there is no adapter, the answer is the CPU twin with a [`Self::warning`].
    pub fn open(options: &DeviceOptions) -> Result<Self> {
        if options.backend == Some(Backend::Cpu) {
            return match &options.adapter {
                None => Ok(Self::cpu()),
                Some(name) => Err(Error::NoAdapter(format!(
                    "the cpu backend has no adapters to choose '{name}' from; leave one of the two out"
                ))),
            };
        }
        match gpu::choose(options.backend, options.adapter.as_deref())? {
            Ok(adapter) => {
                let gpu = GpuOptions {
                    runtime_checks: options.runtime_checks,
                    cache: options.cache.clone(),
                    cooperative_matrices: options.cooperative_matrices,
                };
                let gpu = Gpu::open(&adapter, &gpu)?;
                Ok(Self::Gpu(gpu))
            }
            Err(reason) => {
                let warning = format!("running on the CPU: {reason}");
                tracing::warn!("{warning}");
                Ok(Self::Cpu {
                    warning: Some(warning),
                })
            }
        }
    }

    /// The CPU twin, asked for.
    pub fn cpu() -> Self {
        Self::Cpu { warning: None }
    }

    /// What the user should be told about the choice: that the CPU runs, why, and how to get an
    /// adapter.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Gpu(_) => None,
            Self::Cpu { warning } => warning.as_deref(),
        }
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Cpu { .. } => Backend::Cpu,
            Self::Gpu(gpu) => Self::backend_of(gpu.info()),
        }
    }

    /// The backend of an adapter.
    pub fn backend_of(info: &wgpu::AdapterInfo) -> Backend {
        match info.backend {
            wgpu::Backend::Gl => Backend::Gl,
            wgpu::Backend::Metal => Backend::Metal,
            wgpu::Backend::Dx12 => Backend::Dx12,
            // wgpu has no other native backend that runs shaders.
            _ => Backend::Vulkan,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { .. } => write!(f, "the CPU (reference implementation)"),
            Self::Gpu(gpu) => {
                let info = gpu.info();
                let software = if gpu::is_software(info) {
                    ", software"
                } else {
                    ""
                };
                write!(f, "{} ({}{software})", info.name, self.backend().name())
            }
        }
    }
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}
