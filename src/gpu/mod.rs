//! The GPU: an open device with its limits, shaders and pipelines.
//!
//! ```
//! // Every adapter here, whatever it can do; none on a machine without drivers.
//! for adapter in shadernet::gpu::adapters(None) {
//!     println!("{} ({})", adapter.get_info().name, adapter.get_info().backend);
//! }
//! ```

mod adapter;
mod cooperative;
mod pipeline_file;
mod pipelines;
mod shaders;
mod warm_up;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

pub(crate) use adapter::choose;
pub use adapter::{Backend, adapters, is_software};
pub(crate) use cooperative::Cooperative;
pub use cooperative::CooperativeMatrices;
pub(crate) use pipelines::{Pipeline, PipelineKey};
pub(crate) use shaders::*;
pub use shaders::{Precision, SHADERS, Shader};

use crate::error::{Error, Result};
use pipeline_file::PipelineFile;

/// An open GPU device. Clones share it, its pipelines included.
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
    cooperative: Option<Cooperative>,
    pipelines: pipelines::Cache,
    /// Where pipelines are kept between processes.
    pipeline_file: Option<PipelineFile>,
    /// Why the device was lost, once it was.
    lost: Arc<OnceLock<String>>,
    /// The first error that no scope caught.
    uncaptured: Arc<Mutex<Option<String>>>,
    /// See [`Gpu::turn`].
    turns: Mutex<()>,
    /// See [`Gpu::sabotage`].
    sabotaged: OnceLock<String>,
}

impl Gpu {
    /// Opens `adapter` with all of its limits.
    ///
    /// `runtime_checks` keeps wgpu's bounds and loop checks in the shaders: slower, for hunting
    /// errors in kernels.
    ///
    /// With a folder `cache`, what the driver makes of the shaders is kept in a file there, one an
    /// adapter, so that the next process need not wait for it. The folder is made where there is none.
    /// A file that cannot be used is passed over and written anew, and one that cannot be written is
    /// none; either is told of in the log ([`tracing`]). Only wgpu's Vulkan backend has such a cache;
    /// with others, nothing is kept. A file is at most 64 MiB, and may be deleted at any time.
    ///
    /// `matrices` says whether cooperative matrices are to be used where the adapter has what they
    /// need.
    ///
    /// # Errors
    /// [`Error::Device`] where the driver refuses.
    pub fn open(
        adapter: &wgpu::Adapter,
        runtime_checks: bool,
        cache: Option<&Path>,
        matrices: CooperativeMatrices,
    ) -> Result<Self> {
        let info = adapter.get_info();
        let _span = tracing::debug_span!("open device", name = info.name).entered();
        // What kernels can make use of, as far as it is there.
        let mut wanted = wgpu::Features::SUBGROUP | wgpu::Features::TIMESTAMP_QUERY;
        if cache.is_some() {
            wanted |= wgpu::Features::PIPELINE_CACHE;
        }
        let is_offered = || {
            let matrices = adapter.cooperative_matrix_properties();
            cooperative::offered(adapter.features(), &info, &matrices)
        };
        let cooperative = match matrices {
            CooperativeMatrices::WhereOffered if is_offered() => Some(Cooperative::Offered),
            CooperativeMatrices::Emulated => Some(Cooperative::Emulated),
            _ => None,
        };
        let mut experimental_features = wgpu::ExperimentalFeatures::disabled();
        if cooperative == Some(Cooperative::Offered) {
            wanted |= cooperative::features();
            // SAFETY: whoever asked for cooperative matrices was told what wgpu says of them. The
            // one shader that uses them reads and writes within what the plan has sized.
            experimental_features = unsafe { wgpu::ExperimentalFeatures::enabled() };
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("shadernet"),
            experimental_features,
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
                Error::Device {
                    device: info.name.clone(),
                    context: "opening the device".to_owned(),
                    message: error.to_string(),
                }
            })?;
        let pipeline_file = cache.and_then(|folder| PipelineFile::open(&device, &info, folder));
        let gpu = Self::new(device, queue, runtime_checks, pipeline_file, cooperative);
        // The device is ours, so its events are too: a host's device keeps the host's handlers.
        let uncaptured = gpu.inner.uncaptured.clone();
        gpu.inner
            .device
            .on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
                tracing::error!("{error}");
                if let Ok(mut first) = uncaptured.lock() {
                    first.get_or_insert_with(|| error.to_string());
                }
            }));
        let lost = gpu.inner.lost.clone();
        gpu.inner
            .device
            .set_device_lost_callback(move |reason, message| {
                // Set once; a second loss adds nothing.
                let _ = lost.set(format!("{reason:?} {message}"));
            });
        Ok(gpu)
    }

    /// Takes a device that the caller opened. What it lacks in limits shows as [`Error::Limit`]
    /// where a network needs more. Cooperative matrices are used where it was opened with what they
    /// need: [`wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX`], `SHADER_F16` and `SUBGROUP`.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue, runtime_checks: bool) -> Self {
        let cooperative = Self::cooperative_of(&device);
        Self::new(device, queue, runtime_checks, None, cooperative)
    }

    /// Those of a device that someone else opened. It does not tell which matrices it has, but its
    /// adapter does.
    fn cooperative_of(device: &wgpu::Device) -> Option<Cooperative> {
        let (features, info) = (device.features(), device.adapter_info());
        if !features.contains(cooperative::features()) {
            return None;
        }
        let adapters = adapter::list(info.backend.into());
        let adapter = adapters.iter().find(|adapter| adapter.get_info() == info)?;
        let matrices = adapter.cooperative_matrix_properties();
        cooperative::offered(features, &info, &matrices).then_some(Cooperative::Offered)
    }

    fn new(
        device: wgpu::Device,
        queue: wgpu::Queue,
        runtime_checks: bool,
        pipeline_file: Option<PipelineFile>,
        cooperative: Option<Cooperative>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                info: device.adapter_info(),
                limits: device.limits(),
                runtime_checks,
                cooperative,
                pipelines: pipelines::Cache::default(),
                pipeline_file,
                lost: Arc::default(),
                uncaptured: Arc::default(),
                turns: Mutex::default(),
                sabotaged: OnceLock::new(),
                device,
                queue,
            }),
        }
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

    /// The device's limits.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.inner.limits
    }

    /// The most invocations that a subgroup may have, where shaders may use subgroups: where the device
    /// was opened with [`wgpu::Features::SUBGROUP`].
    pub(crate) fn largest_subgroup(&self) -> Option<u32> {
        let features = self.inner.device.features();
        (features.contains(wgpu::Features::SUBGROUP)).then_some(self.inner.info.subgroup_max_size)
    }

    /// Invocations a subgroup, where all are of one size.
    pub(crate) fn subgroup_size(&self) -> Option<u32> {
        let smallest = self.inner.info.subgroup_min_size;
        self.largest_subgroup().filter(|&size| size == smallest)
    }

    /// Whether the device can write down the time between dispatches.
    pub fn has_timestamps(&self) -> bool {
        let features = self.inner.device.features();
        features.contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// How products of cooperative matrices are computed, if they are.
    pub(crate) fn cooperative(&self) -> Option<Cooperative> {
        self.inner.cooperative
    }

    /// Whether one thread at a time may use the device: OpenGL's context is one for all, and wgpu
    /// panics in a thread that has waited for it for some seconds, as it must for a long pass.
    pub(crate) fn takes_turns(&self) -> bool {
        self.inner.info.backend == wgpu::Backend::Gl
    }

    /// Held by what uses the device for long, where that takes turns: others wait instead of
    /// panicking. Not to be taken again by who holds it.
    pub(crate) fn turn(&self) -> Option<std::sync::MutexGuard<'_, ()>> {
        // A thread that panicked while it held the turn left nothing half done here.
        let take = || self.inner.turns.lock().unwrap_or_else(|e| e.into_inner());
        self.takes_turns().then(take)
    }

    /// An [`Error::Device`] about this device.
    pub(crate) fn error(&self, context: &str, message: impl ToString) -> Error {
        Error::Device {
            device: self.inner.info.name.clone(),
            context: context.to_owned(),
            message: match self.inner.lost.get() {
                Some(reason) => format!("the device was lost: {reason}"),
                None => message.to_string(),
            },
        }
    }

    /// Runs `work`, and makes an error of anything that the device refused meanwhile.
    pub(crate) fn scoped<T>(&self, context: &str, work: impl FnOnce() -> T) -> Result<T> {
        let device = &self.inner.device;
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let answer = work();
        // Scopes are popped in reverse order; the futures are ready at once on native backends.
        let refused = [validation.pop(), internal.pop(), memory.pop()]
            .map(pollster::block_on)
            .into_iter()
            .flatten()
            .next();
        if let Some(error) = refused {
            return Err(self.error(context, error));
        }
        if let Some(reason) = self.inner.lost.get() {
            return Err(self.error(context, reason));
        }
        let uncaptured = self.inner.uncaptured.lock();
        match uncaptured.ok().and_then(|mut first| first.take()) {
            Some(message) => Err(self.error(context, message)),
            None => Ok(answer),
        }
    }

    /// A buffer of at least `bytes`.
    pub(crate) fn buffer(
        &self,
        label: &str,
        bytes: u64,
        usage: wgpu::BufferUsages,
        mapped_at_creation: bool,
    ) -> wgpu::Buffer {
        self.inner.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            // Bindings may not be empty, and sizes are multiples of 4.
            size: bytes.max(16).next_multiple_of(16),
            usage,
            mapped_at_creation,
        })
    }

    /// The pipelines for `keys`, those not made before made on several threads.
    pub(crate) fn pipelines(&self, keys: &[PipelineKey]) -> Result<Vec<Pipeline>> {
        self.inner.pipelines.get(self, keys)
    }

    /// Breaks the shader called `shader` from now on, where it was not used before: what it stores is
    /// too large by a quarter. For tests that see whether it is found out.
    #[doc(hidden)]
    pub fn sabotage(&self, shader: &str) {
        // The first counts.
        let _ = self.inner.sabotaged.set(shader.to_owned());
    }

    /// Whether wgpu's own checks stay in the shaders.
    pub fn runtime_checks(&self) -> bool {
        self.inner.runtime_checks
    }
}
