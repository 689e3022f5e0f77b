//! What a session's options make of a device: what kernels and plans are to know of it.

use std::sync::Arc;

use super::SessionOptions;
use crate::error::Result;
use crate::gpu::{Gpu, Precision, is_software};
use crate::graph::Graph;
use crate::kernels::DeviceContext;
use crate::plan::PlanReport;
use crate::tensor::Shape;

impl DeviceContext {
    /// An open device.
    pub(super) fn from_gpu(gpu: &Gpu, options: &SessionOptions) -> Self {
        Self {
            name: gpu.info().name.clone(),
            largest_subgroup: gpu.largest_subgroup(),
            subgroup_size: gpu.subgroup_size(),
            is_software: is_software(gpu.info()),
            cooperative: gpu
                .cooperative()
                .filter(|_| options.precision == Precision::F16),
            tuned: (options.tuning.as_ref())
                .filter(|tuning| tuning.fits(gpu).is_ok())
                .map(|tuning| Arc::new(tuning.tuned())),
            ..Self::from_limits(gpu.limits().clone(), options)
        }
    }

    /// An adapter that need not be open.
    fn from_adapter(adapter: &wgpu::Adapter, options: &SessionOptions) -> Self {
        let info = adapter.get_info();
        let has_subgroups = adapter.features().contains(wgpu::Features::SUBGROUP);
        let largest_subgroup = has_subgroups.then_some(info.subgroup_max_size);
        Self {
            is_software: is_software(&info),
            subgroup_size: largest_subgroup.filter(|&size| size == info.subgroup_min_size),
            largest_subgroup,
            name: info.name,
            ..Self::from_limits(adapter.limits(), options)
        }
    }

    fn from_limits(limits: wgpu::Limits, options: &SessionOptions) -> Self {
        Self {
            precision: options.precision,
            prefer: options.prefer,
            ..Self::assumed(limits)
        }
    }
}

impl PlanReport {
    /// For an open device, as a session with these options would run there.
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]); limits are no
    /// errors, but [`Self::broken`].
    pub fn from_gpu(
        gpu: &Gpu,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        let device = DeviceContext::from_gpu(gpu, options);
        Self::of(&device, graph, shapes, &options.passes)
    }

    /// For an adapter with all its limits, without opening it: tuning and cooperative matrices are
    /// left out.
    ///
    /// # Errors
    /// As [`Self::from_gpu`].
    pub fn from_adapter(
        adapter: &wgpu::Adapter,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        let device = DeviceContext::from_adapter(adapter, options);
        Self::of(&device, graph, shapes, &options.passes)
    }

    /// For a GPU of which nothing but its limits is known: it has no subgroups and no tuning.
    ///
    /// # Errors
    /// As [`Self::from_gpu`].
    pub fn assumed(
        limits: wgpu::Limits,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        let device = DeviceContext::from_limits(limits, options);
        Self::of(&device, graph, shapes, &options.passes)
    }
}
