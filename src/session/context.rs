//! A device as kernels and plans see it, with the options of a session.

use std::sync::Arc;

use super::{SessionOptions, matrix_check};
use crate::cpu::{self, CpuDevice};
use crate::error::Result;
use crate::gpu::{ComputeUnitCount, Cooperative, Gpu, MatrixKind, MatrixShape, Precision};
use crate::graph::Graph;
use crate::kernels::{DeviceClass, DeviceContext, max_loop_iterations};
use crate::plan::PlanReport;
use crate::tensor::Shape;

impl DeviceContext {
    /// An open device. Its cooperative matrices are left out where they are wrong.
    pub(super) fn from_gpu(gpu: &Gpu, options: &SessionOptions) -> Self {
        Self {
            cooperative: matrix_check::usable(gpu, options.precision).unwrap_or_default(),
            ..Self::without_matrices(gpu, options)
        }
    }

    /// An open device, as if it had no cooperative matrices.
    pub(super) fn without_matrices(gpu: &Gpu, options: &SessionOptions) -> Self {
        Self {
            name: gpu.info().name.clone(),
            largest_subgroup: gpu.largest_subgroup(),
            subgroup_size: gpu.subgroup_size(),
            max_loop_iterations: max_loop_iterations(gpu.info()),
            class: class_of(gpu),
            compute_units: gpu.compute_units().number().into(),
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
        let class = DeviceClass::from_adapter(&info);
        Self {
            max_loop_iterations: max_loop_iterations(&info),
            class,
            compute_units: class.costs().compute_units.into(),
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

fn class_of(gpu: &Gpu) -> DeviceClass {
    match gpu.as_discrete() {
        true => DeviceClass::Discrete,
        false => DeviceClass::from_adapter(gpu.info()),
    }
}

impl Gpu {
    /// The number of compute units by which sessions select kernels. The first call on a device in hardware may measure
    /// it, and blocks meanwhile: see [`ComputeUnits::Measured`](crate::gpu::ComputeUnits::Measured). Sessions and plans
    /// make that call. On a software adapter, nothing depends on the number.
    ///
    /// ```
    /// use shadernet::gpu::{ComputeUnitCount, ComputeUnits, Gpu, GpuOptions, adapters};
    ///
    /// # let Some(adapter) = adapters(None).into_iter().next() else { return Ok(()) };
    /// let options = GpuOptions::new().compute_units(ComputeUnits::Assumed);
    /// let gpu = Gpu::open(&adapter, &options)?;
    /// assert!(matches!(gpu.compute_units(), ComputeUnitCount::Assumed(_)));
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn compute_units(&self) -> ComputeUnitCount {
        let assumed = || ComputeUnitCount::Assumed(class_of(self).costs().compute_units);
        self.known_compute_units().unwrap_or_else(assumed)
    }
}

impl PlanReport {
    /// Plans for an open device, as a session with these options would run there. In float16, the first plan or
    /// session of a device with cooperative matrices checks them there (see [`Gpu::check_cooperative_matrices`]).
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]). Limits that the
    /// network exceeds are no errors: they are in [`Self::broken`].
    pub fn from_gpu(
        gpu: &Gpu,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        let device = DeviceContext::from_gpu(gpu, options);
        Self::new(&device, graph, shapes, &options.passes)
    }

    /// Plans for an adapter with all its limits, without opening it. Tuning and cooperative matrices are
    /// not considered.
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
        Self::new(&device, graph, shapes, &options.passes)
    }

    /// Plans for the CPU, as a session with these options would run there.
    ///
    /// ```
    /// use shadernet::cpu::CpuDevice;
    /// use shadernet::plan::PlanReport;
    /// use shadernet::session::SessionOptions;
    /// use shadernet::zoo::{self, ZooOptions};
    ///
    /// let architecture = zoo::find("resnet18")?;
    /// let graph = architecture.build(&ZooOptions::default())?;
    /// let shapes = architecture.input_shapes(1, &ZooOptions::default());
    /// let cpu = CpuDevice::default();
    /// let plan = PlanReport::from_cpu(&cpu, &graph, &shapes, &SessionOptions::default())?;
    /// assert!(plan.steps.iter().any(|step| step.shader == "winograd 4x4"));
    /// assert_eq!(plan.fallbacks().count(), 0);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::from_gpu`], and where a value has more elements than 32 bits count ([`crate::Error::Limit`]).
    pub fn from_cpu(
        cpu: &CpuDevice,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        cpu::report(cpu, graph, shapes, &options.passes)
    }

    /// Plans for a GPU of which only the limits are known: without subgroups and tuning.
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
        Self::new(&device, graph, shapes, &options.passes)
    }

    /// As [`Self::assumed`], for a GPU of which more is known.
    ///
    /// # Errors
    /// As [`Self::from_gpu`].
    pub fn assumed_gpu(
        gpu: AssumedGpu,
        graph: &Graph,
        shapes: &[Shape],
        options: &SessionOptions,
    ) -> Result<Self> {
        let mut device = DeviceContext::from_limits(gpu.limits, options);
        if options.precision == Precision::F16 {
            device.cooperative = gpu.matrices.map(|shape| Cooperative {
                shape,
                kind: MatrixKind::Native,
            });
        }
        device.compute_units = gpu.compute_units.unwrap_or(device.compute_units);
        Self::new(&device, graph, shapes, &options.passes)
    }
}

/// A GPU that is planned for without being there.
#[derive(Clone, Debug, Default)]
pub struct AssumedGpu {
    /// Its limits.
    pub limits: wgpu::Limits,
    /// The shape of its cooperative matrices, if it has any. They are of float16.
    pub matrices: Option<MatrixShape>,
    /// Its compute units; by default, those of a mid-range GPU with memory of its own.
    pub compute_units: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ConvAlgorithm;
    use crate::zoo::{self, ZooOptions};

    #[test]
    fn kernels_are_selected_by_the_number_of_compute_units() {
        let architecture = zoo::find("resnet18").unwrap();
        let graph = architecture.build(&ZooOptions::default()).unwrap();
        let shapes = architecture.input_shapes(1, &ZooOptions::default());
        let kernels = |plan: PlanReport| -> Vec<Option<ConvAlgorithm>> {
            plan.steps.iter().map(|step| step.kernel).collect()
        };
        let options = SessionOptions::default();
        let planned = |compute_units: u64| {
            let device = DeviceContext {
                compute_units,
                ..DeviceContext::assumed(wgpu::Limits::default())
            };
            kernels(PlanReport::new(&device, &graph, &shapes, &options.passes).unwrap())
        };
        assert_ne!(planned(8), planned(128));
        // Of a device of which only the limits are known, that of its class.
        let limits = wgpu::Limits::default();
        let assumed = PlanReport::assumed(limits, &graph, &shapes, &options).unwrap();
        assert_eq!(kernels(assumed), planned(60));
    }
}
