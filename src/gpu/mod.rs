//! The GPU: an open device with its limits, shaders and pipelines.
//!
//! ```
//! // All adapters of the machine; none without drivers.
//! for adapter in shadernet::gpu::adapters(None) {
//!     println!("{} ({})", adapter.get_info().name, adapter.get_info().backend);
//! }
//! ```

mod adapter;
pub(crate) mod compute_units;
mod cooperative;
mod device_errors;
pub(crate) mod device_file;
mod download;
mod dx12_compiler;
#[cfg(feature = "internals")]
pub(crate) mod measurement_params;
mod options;
pub(crate) mod pipeline_file;
mod pipelines;
mod precision;
mod shaders;
mod submission;
mod tensor;
pub(crate) mod uniform;
mod warm_up;
mod watcher;

use std::sync::{Arc, Mutex};

pub(crate) use adapter::open_best;
pub use adapter::{Backend, adapter_kind, adapters, adapters_async, is_software};
pub use compute_units::{ComputeUnitCount, ComputeUnits};
pub(crate) use cooperative::{Cooperative, MatrixKind};
pub use cooperative::{CooperativeMatrices, MatrixCheck, MatrixShape};
pub(crate) use download::check_copy;
pub use download::{Download, Downloads, Received};
pub use dx12_compiler::ShaderCompiler;
pub use options::GpuOptions;
pub use pipelines::{CompiledPipelines, Pipeline, PipelineKey};
pub use shaders::*;
pub use shaders::{Bindings, Precision, SHADERS, Shader, WriteTarget};
pub(crate) use submission::{Submission, poll_once};
pub use tensor::GpuTensor;

use crate::error::{Error, Result};
use device_errors::DeviceErrors;
use pipeline_file::PipelineFile;
use tracing::Instrument;

/// An open GPU device. Clones share the device and its pipelines.
#[derive(Clone, Debug)]
pub struct Gpu {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    runtime_checks: bool,
    as_discrete: bool,
    unit_counter: compute_units::UnitCounter,
    shader_compiler: Option<ShaderCompiler>,
    /// How cooperative matrices may be multiplied, the best first.
    cooperative: Vec<Cooperative>,
    /// Whether the adapter offers cooperative matrices, even if the device was opened without.
    offers_cooperative: bool,
    /// See [`Gpu::matrix_verdict`].
    matrix_verdict: std::sync::OnceLock<Result<Cooperative, String>>,
    pipelines: pipelines::Cache,
    /// The pipeline cache on disk.
    pipeline_file: Option<PipelineFile>,
    device_errors: DeviceErrors,
    /// See [`Gpu::gl_lock`].
    gl_mutex: Arc<Mutex<()>>,
    watcher: watcher::Watcher,
    /// See [`Gpu::warning`].
    warning: std::sync::OnceLock<String>,
    /// The shader of [`Gpu::inject_fault`].
    #[cfg(feature = "fault-injection")]
    injected_fault: std::sync::OnceLock<String>,
}

impl Gpu {
    /// Opens `adapter` with all of its limits. Blocks; see [`Self::open_async`].
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub fn open(adapter: &wgpu::Adapter, options: &GpuOptions) -> Result<Self> {
        pollster::block_on(Self::open_async(adapter, options))
    }

    /// As [`Self::open`], without blocking. An example is at [`adapters_async`].
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_async(adapter: &wgpu::Adapter, options: &GpuOptions) -> Result<Self> {
        let info = adapter.get_info();
        let span = tracing::debug_span!("open device", name = info.name);
        let mut required = Self::preferred_features(adapter);
        if options.cache.is_none() {
            required.remove(wgpu::Features::PIPELINE_CACHE);
        }
        let matrices = options.cooperative_matrices;
        let cooperative = matrices.select(adapter, adapter.features());
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if cooperative.iter().any(|it| it.kind == MatrixKind::Native) {
            required |= cooperative::features();
            // SAFETY: the caller has asked for cooperative matrices, whose documentation repeats wgpu's
            // warning. The shaders that use them stay within the buffers that the plan has sized.
            experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        }
        #[cfg_attr(not(feature = "fault-injection"), expect(unused_mut))]
        let mut required_limits = adapter.limits();
        #[cfg(feature = "fault-injection")]
        adapter::crash_opening_for_tests(&info);
        #[cfg(feature = "fault-injection")]
        if is_refused_for_tests(&info) {
            required_limits.max_bind_groups = u32::MAX;
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("shadernet"),
            experimental_features,
            required_features: required,
            required_limits,
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let opening = adapter.request_device(&descriptor).instrument(span);
        let (device, queue) = opening.await.map_err(|error| Error::Device {
            device: info.name.clone(),
            context: "opening the device".to_owned(),
            source: error.into(),
        })?;
        let errors = DeviceErrors::with_callbacks(&device);
        Ok(Self::new(
            adapter,
            device,
            queue,
            options,
            cooperative,
            errors,
        ))
    }

    /// Wraps a device that the host opened on `adapter`, with [`GpuOptions::default`].
    ///
    /// The kernels are selected by what the device supports: without
    /// [`SUBGROUP`](wgpu::Features::SUBGROUP) reductions go through workgroup memory, without
    /// [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY) steps are timed by the host's clock, and
    /// weights beyond its binding limit are split over dispatches. WebGPU's default limits and no
    /// features are enough for every network of the zoo; [`Self::preferred_features`] and
    /// [`Self::preferred_limits`] return what this crate benefits from beyond that. What the device cannot
    /// do is an [`Error::Limit`] when a session is made.
    ///
    /// The device's events stay the host's: neither its uncaptured-error handler nor its device-lost
    /// callback is replaced. Errors of this crate's own calls are caught in error scopes and
    /// returned, and a lost device is noticed without the callback.
    ///
    /// ```
    /// use shadernet::gpu::{Gpu, adapters};
    ///
    /// let Some(adapter) = adapters(None).into_iter().next() else { return };
    /// let descriptor = shadernet::wgpu::DeviceDescriptor {
    ///     required_features: Gpu::preferred_features(&adapter),
    ///     required_limits: Gpu::preferred_limits(&adapter),
    ///     ..Default::default()
    /// };
    /// let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    /// let gpu = Gpu::from_wgpu(&adapter, device, queue);
    /// assert_eq!(gpu.info().name, adapter.get_info().name);
    /// ```
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self::from_wgpu_with(adapter, device, queue, &GpuOptions::default())
    }

    /// As [`Self::from_wgpu`], with options. [`GpuOptions::cache`] is used where the device was opened with
    /// [`wgpu::Features::PIPELINE_CACHE`], and cooperative matrices where it was opened with
    /// [`wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX`], `SHADER_F16` and `SUBGROUP`.
    pub fn from_wgpu_with(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: &GpuOptions,
    ) -> Self {
        let matrices = options.cooperative_matrices;
        let cooperative = matrices.select(adapter, device.features());
        let errors = DeviceErrors::default();
        Self::new(adapter, device, queue, options, cooperative, errors)
    }

    fn new(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: &GpuOptions,
        cooperative: Vec<Cooperative>,
        device_errors: DeviceErrors,
    ) -> Self {
        let info = adapter.get_info();
        let folder = options.cache.as_deref();
        Self {
            inner: Arc::new(Inner {
                limits: device.limits(),
                runtime_checks: options.runtime_checks,
                as_discrete: options.as_discrete,
                unit_counter: compute_units::UnitCounter::new(options.compute_units, &info, folder),
                shader_compiler: ShaderCompiler::of(adapter),
                cooperative,
                offers_cooperative: cooperative::offers(adapter, adapter.features()),
                matrix_verdict: std::sync::OnceLock::new(),
                pipelines: pipelines::Cache::default(),
                pipeline_file: folder.and_then(|f| PipelineFile::open(&device, &info, f)),
                device_errors,
                gl_mutex: Arc::default(),
                watcher: watcher::Watcher::default(),
                warning: std::sync::OnceLock::new(),
                #[cfg(feature = "fault-injection")]
                injected_fault: std::sync::OnceLock::new(),
                info,
                device,
                queue,
            }),
        }
    }

    /// What the user should know about the choice of adapter: that a better one cannot be opened, and why.
    pub fn warning(&self) -> Option<&str> {
        self.inner.warning.get().map(String::as_str)
    }

    fn warn(&self, warning: String) {
        tracing::warn!("{warning}");
        let _ = self.inner.warning.set(warning);
    }

    /// The wgpu device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// The adapter's name, driver and type.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.inner.info
    }

    /// What compiles shaders on Direct3D 12; `None` on other backends.
    pub fn shader_compiler(&self) -> Option<ShaderCompiler> {
        self.inner.shader_compiler
    }

    /// The device's limits.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    /// The maximum subgroup size; `None` where the device was opened without [`wgpu::Features::SUBGROUP`],
    /// so that shaders cannot use subgroups.
    pub(crate) fn largest_subgroup(&self) -> Option<u32> {
        let features = self.inner.device.features();
        (features.contains(wgpu::Features::SUBGROUP)).then_some(self.inner.info.subgroup_max_size)
    }

    /// The subgroup size, where all subgroups have the same.
    pub(crate) fn subgroup_size(&self) -> Option<u32> {
        let smallest = self.inner.info.subgroup_min_size;
        self.largest_subgroup().filter(|&size| size == smallest)
    }

    /// Whether the device can write timestamps between passes.
    pub fn has_timestamps(&self) -> bool {
        let features = self.inner.device.features();
        features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// How products of cooperative matrices may be computed, the best first; empty where they are not used.
    pub(crate) fn cooperative(&self) -> &[Cooperative] {
        &self.inner.cooperative
    }

    /// Whether the adapter offers cooperative matrices, even if the device was opened without.
    pub(crate) fn offers_cooperative(&self) -> bool {
        self.inner.offers_cooperative
    }

    /// What `check` has found of the device's cooperative matrices. It runs once; more often where threads ask for the
    /// first time together, since no lock may be held while work is shared among threads.
    pub(crate) fn matrix_verdict(
        &self,
        check: impl FnOnce() -> Result<Cooperative, String>,
    ) -> Result<Cooperative, String> {
        let verdict = &self.inner.matrix_verdict;
        if let Some(known) = verdict.get() {
            return known.clone();
        }
        let found = check();
        verdict.get_or_init(|| found).clone()
    }

    /// The size of a buffer for `bytes` bytes: bindings must not be empty, and shaders read elements of 16
    /// bytes.
    pub(crate) fn buffer_size(bytes: u64) -> u64 {
        bytes.max(16).next_multiple_of(16)
    }

    /// A buffer with `content`, mapped at creation, so that no copy has to be submitted. Call it within
    /// [`Self::with_error_scopes`].
    pub(crate) fn filled(
        &self,
        label: &str,
        content: &[u8],
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer> {
        let bytes = content.len() as u64;
        let buffer = self.buffer(label, bytes, usage, true);
        let mut view =
            (buffer.get_mapped_range_mut(..bytes)).map_err(|error| self.error(label, error))?;
        view.copy_from_slice(content);
        drop(view);
        buffer.unmap();
        Ok(buffer)
    }

    /// A buffer of at least `bytes`.
    #[doc(hidden)]
    pub fn buffer(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
        mapped_at_creation: bool,
    ) -> wgpu::Buffer {
        self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: Self::buffer_size(bytes),
            usage,
            mapped_at_creation,
        })
    }

    /// The pipelines for `keys`. New ones are compiled on several threads.
    #[doc(hidden)]
    pub fn pipelines(&self, keys: &[PipelineKey]) -> Result<Vec<Pipeline>> {
        self.pipelines_with_progress(keys, &|_, _| ())
    }

    /// As [`Self::pipelines`]. Calls `report` with how many new pipelines are completed, and their total.
    pub(crate) fn pipelines_with_progress(
        &self,
        keys: &[PipelineKey],
        report: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Pipeline>> {
        self.inner.pipelines.get(self, keys, report)
    }

    /// What compiling pipelines has cost on this device so far. Sessions share pipelines: one that finds all of its
    /// own compiles none.
    pub fn compiled_pipelines(&self) -> CompiledPipelines {
        self.inner.pipelines.compiled()
    }

    /// Whether compiled pipelines are kept in a file for the next process, see [`GpuOptions::cache`]. Where they are
    /// not, each process compiles them again. wgpu has such a cache on Vulkan only.
    pub fn has_pipeline_cache(&self) -> bool {
        self.inner.pipeline_file.is_some()
    }

    /// Makes the shader called `shader` store values that are too large by a quarter. Affects only pipelines
    /// that are made afterwards, and only the first call counts. For tests that a wrong result is found.
    #[cfg(feature = "fault-injection")]
    #[doc(hidden)]
    pub fn inject_fault(&self, shader: &str) {
        let _ = self.inner.injected_fault.set(shader.to_owned());
    }

    /// See [`GpuOptions::as_discrete`].
    pub(crate) fn as_discrete(&self) -> bool {
        self.inner.as_discrete
    }

    /// Whether wgpu's bounds and loop checks stay in the shaders.
    pub fn runtime_checks(&self) -> bool {
        self.inner.runtime_checks
    }
}

/// Whether tests want the driver to refuse an adapter: `SHADERNET_TEST_REFUSE` has backends as wgpu names them,
/// separated by commas. More is then requested than any driver has.
#[cfg(feature = "fault-injection")]
fn is_refused_for_tests(info: &wgpu::AdapterInfo) -> bool {
    let refused = std::env::var("SHADERNET_TEST_REFUSE").unwrap_or_default();
    refused.split(',').any(|name| name == info.backend.to_str())
}
