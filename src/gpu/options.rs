//! Options of a device, and what to request from an adapter.

use std::path::PathBuf;

use super::{ComputeUnits, CooperativeMatrices, Gpu};

/// How a device is used.
///
/// ```
/// use shadernet::gpu::GpuOptions;
///
/// let options = GpuOptions::new().runtime_checks(true).cache("cache");
/// assert!(options.runtime_checks);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct GpuOptions {
    /// Keeps wgpu's bounds and loop checks in the shaders: slower, for finding errors in kernels.
    pub runtime_checks: bool,
    /// A folder for compiled pipelines, so that the next process need not compile them again: one file per
    /// adapter. The folder is created if needed. A file that cannot be used (truncated, damaged, of another
    /// adapter, driver or version) is ignored and replaced, and one that cannot be written is skipped; both
    /// are logged ([`tracing`]). Only wgpu's Vulkan backend has such a cache; other backends write nothing. A
    /// file is at most 64 MiB, and may be deleted at any time. The folder also keeps the number of compute units, see
    /// [`ComputeUnits::Measured`].
    pub cache: Option<PathBuf>,
    /// Whether cooperative matrices are used where the adapter supports them.
    pub cooperative_matrices: CooperativeMatrices,
    /// Where the number of compute units is from by which kernels are selected: measured by default, where there is a
    /// [`Self::cache`] to keep it in.
    pub compute_units: ComputeUnits,
    /// Selects kernels as for a discrete GPU even where the adapter computes on the CPU: for tests of the kernels that
    /// only GPUs select.
    pub as_discrete: bool,
}

impl GpuOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`Self::runtime_checks`].
    #[must_use]
    pub fn runtime_checks(mut self, checks: bool) -> Self {
        self.runtime_checks = checks;
        self
    }

    /// Sets [`Self::cache`].
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Sets [`Self::cooperative_matrices`].
    #[must_use]
    pub fn cooperative_matrices(mut self, matrices: CooperativeMatrices) -> Self {
        self.cooperative_matrices = matrices;
        self
    }

    /// Sets [`Self::compute_units`].
    #[must_use]
    pub fn compute_units(mut self, units: ComputeUnits) -> Self {
        self.compute_units = units;
        self
    }

    /// Sets [`Self::as_discrete`].
    #[must_use]
    pub fn as_discrete(mut self, discrete: bool) -> Self {
        self.as_discrete = discrete;
        self
    }
}

impl Gpu {
    /// The features that this crate uses, as far as `adapter` has them: for
    /// [`wgpu::DeviceDescriptor::required_features`]. None of them is required.
    ///
    /// `SUBGROUP` makes reductions and convolutions faster, `TIMESTAMP_QUERY` times steps on the device (for
    /// profiles, tuning and frame budgets), and [`GpuOptions::cache`] needs `PIPELINE_CACHE`.
    pub fn preferred_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        let preferred = wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        adapter.features() & preferred
    }

    /// The adapter's values for the limits that this crate benefits from, and for the others WebGPU's
    /// defaults as far as the adapter allows: for [`wgpu::DeviceDescriptor::required_limits`]. The defaults
    /// are enough for every network of the zoo; with larger bindings, fewer weights are split over several
    /// dispatches, and larger images and batches fit.
    pub fn preferred_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        let supported = adapter.limits();
        wgpu::Limits {
            max_buffer_size: supported.max_buffer_size,
            max_storage_buffer_binding_size: supported.max_storage_buffer_binding_size,
            ..wgpu::Limits::default().or_worse_values_from(&supported)
        }
    }
}
