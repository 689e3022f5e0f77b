//! Where networks run: a GPU, the CPU, or the reference backend.
//!
//! ```
//! use shadernet::device::{Device, DeviceOptions};
//!
//! // The best GPU. Where there is none, the CPU, with a warning.
//! let device = Device::open(&DeviceOptions::default())?;
//! println!("running on {device}");
//! if let Some(warning) = device.warning() {
//!     eprintln!("{warning}");
//! }
//! # Ok::<(), shadernet::Error>(())
//! ```

use std::fmt;

use crate::cpu::{CpuDevice, CpuOptions};
use crate::error::{Error, Result};
use crate::gpu::{self, Backend, Gpu, GpuOptions};
use crate::printable;

/// Which device to open, and how. The default is the best GPU of the machine, discrete before integrated before
/// virtual (`WGPU_POWER_PREF=low` puts integrated first), and the CPU where there is none. A software adapter, which
/// computes on the CPU more slowly than the CPU backend, is opened only where it is asked for: by its backend or
/// name, here or in wgpu's environment variables (`WGPU_BACKEND`, `WGPU_ADAPTER_NAME`).
///
/// ```
/// use shadernet::device::{Device, DeviceOptions};
/// use shadernet::gpu::Backend;
///
/// let device = Device::open(&DeviceOptions::new().backend(Backend::Cpu))?;
/// assert_eq!(device.backend(), Backend::Cpu);
/// # Ok::<(), shadernet::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeviceOptions {
    /// The graphics API, [`Backend::Cpu`] or [`Backend::Reference`].
    pub backend: Option<Backend>,
    /// A part of the adapter's name. Case does not matter.
    pub adapter: Option<String>,
    /// How the device is used, where it is a GPU.
    pub gpu: GpuOptions,
    /// How the device is used, where it is the CPU.
    pub cpu: CpuOptions,
}

impl DeviceOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::backend`].
    #[must_use]
    pub fn backend(mut self, backend: impl Into<Option<Backend>>) -> Self {
        self.backend = backend.into();
        self
    }

    /// Sets [`Self::adapter`].
    #[must_use]
    pub fn adapter(mut self, name: impl Into<String>) -> Self {
        self.adapter = Some(name.into());
        self
    }

    /// Sets [`Self::gpu`].
    #[must_use]
    pub fn gpu(mut self, options: GpuOptions) -> Self {
        self.gpu = options;
        self
    }

    /// Sets [`Self::cpu`].
    #[must_use]
    pub fn cpu(mut self, options: CpuOptions) -> Self {
        self.cpu = options;
        self
    }
}

/// An open device. Clones share it.
#[derive(Clone, Debug)]
pub enum Device {
    /// A GPU.
    Gpu(Gpu),
    /// The CPU.
    Cpu(CpuDevice),
    /// The reference backend, [`crate::reference`]: plain loops on the CPU, which the others are compared with.
    Reference,
}

impl Device {
    /// Opens a device. Blocks; see [`Self::open_async`].
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where `options` or the environment request a backend or adapter that does not
    /// exist; [`Error::Device`] where its driver refuses; those of [`CpuDevice::new`] where the CPU is opened. Where no
    /// adapter is requested by name and the best cannot be opened, this returns the next best with a
    /// [`Self::warning`]; where nothing in particular is requested and no GPU can be opened, the CPU with a warning.
    pub fn open(options: &DeviceOptions) -> Result<Self> {
        pollster::block_on(Self::open_async(options))
    }

    /// As [`Self::open`], without blocking.
    ///
    /// ```
    /// use shadernet::device::{Device, DeviceOptions};
    ///
    /// async fn print_device() -> shadernet::Result<()> {
    ///     let device = Device::open_async(&DeviceOptions::new()).await?;
    ///     println!("running on {device}");
    ///     Ok(())
    /// }
    /// # pollster::block_on(print_device())?;
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_async(options: &DeviceOptions) -> Result<Self> {
        if let Some(backend @ (Backend::Cpu | Backend::Reference)) = options.backend {
            if let Some(name) = &options.adapter {
                return Err(Error::NoAdapter(format!(
                    "the {} backend has no adapters, but '{name}' was requested; leave one of the two out",
                    backend.name()
                )));
            }
            return match backend {
                Backend::Reference => Ok(Self::Reference),
                _ => Ok(Self::Cpu(CpuDevice::new(&options.cpu)?)),
            };
        }
        let adapter = options.adapter.as_deref();
        match gpu::open_best(options.backend, adapter, &options.gpu).await? {
            Ok(gpu) => Ok(Self::Gpu(gpu)),
            Err(reason) => {
                let cpu = CpuDevice::new(&options.cpu)?;
                let warning = format!("running on the CPU ({}): {reason}", cpu.threads_text());
                tracing::warn!("{warning}");
                Ok(Self::Cpu(cpu.with_warning(warning)))
            }
        }
    }

    /// The CPU with the default options, without a warning.
    pub fn cpu() -> Self {
        Self::Cpu(CpuDevice::default())
    }

    /// The reference backend.
    pub fn reference() -> Self {
        Self::Reference
    }

    /// What the user should know about the choice of device: that the CPU or another adapter than the best runs,
    /// why, and what to do.
    pub fn warning(&self) -> Option<&str> {
        match self {
            Self::Gpu(gpu) => gpu.warning(),
            Self::Cpu(cpu) => cpu.warning(),
            Self::Reference => None,
        }
    }

    /// The backend.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Cpu(_) => Backend::Cpu,
            Self::Reference => Backend::Reference,
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
            Self::Cpu(cpu) => cpu.fmt(f),
            Self::Reference => write!(f, "the reference backend on the CPU"),
            Self::Gpu(gpu) => {
                let info = gpu.info();
                let software = if gpu::is_software(info) {
                    ", software"
                } else {
                    ""
                };
                let (name, backend) = (printable::name(&info.name), self.backend().name());
                write!(f, "{name} ({backend}{software})")
            }
        }
    }
}

impl From<CpuDevice> for Device {
    fn from(cpu: CpuDevice) -> Self {
        Self::Cpu(cpu)
    }
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}
