//! How a device is used, and what to ask an adapter for.

use std::path::PathBuf;

use super::{CooperativeMatrices, Gpu};

/// How a device is used.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Keeps wgpu's bounds and loop checks in the shaders: slower, for hunting errors in kernels.
    pub runtime_checks: bool,
    /// A folder in which what the driver makes of the shaders is kept in a file, one an adapter, so
    /// that the next process need not wait for it. The folder is made where there is none. A file that
    /// cannot be used (cut short, damaged, of another adapter, driver or version) is passed over and
    /// written anew, and one that cannot be written is none; either is told of in the log
    /// ([`tracing`]). Only wgpu's Vulkan backend has such a cache; with others, nothing is kept. A file
    /// is at most 64 MiB, and may be deleted at any time.
    pub cache: Option<PathBuf>,
    /// Whether cooperative matrices are to be used where the adapter has what they need.
    pub cooperative_matrices: CooperativeMatrices,
}

impl Gpu {
    /// The features that make a difference here, as far as `adapter` has them: for
    /// [`wgpu::DeviceDescriptor::required_features`]. None of them is needed.
    ///
    /// `SUBGROUP` makes reductions and convolutions faster, `TIMESTAMP_QUERY` times steps on the
    /// device (for profiles, tuning and frame budgets), and `PIPELINE_CACHE` is what
    /// [`GpuOptions::cache`] takes.
    pub fn preferred_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        let wanted = wgpu::Features::SUBGROUP
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE;
        adapter.features() & wanted
    }

    /// The limits that make a difference here, as `adapter` has them, and WebGPU's defaults for all
    /// others, as far as it has those: for [`wgpu::DeviceDescriptor::required_limits`]. The defaults
    /// are enough for every network of the zoo; with larger bindings, fewer weights are split over
    /// several dispatches, and larger images and batches fit.
    pub fn preferred_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        let offered = adapter.limits();
        wgpu::Limits {
            max_buffer_size: offered.max_buffer_size,
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..wgpu::Limits::default().or_worse_values_from(&offered)
        }
    }
}
