//! What kernels need to know of a device, and how they make dispatches for it.

use std::sync::Arc;

use super::{ConvAlgorithm, Dispatch, Read, SelectionReason, Target, Tuned, WORKGROUP};
use crate::error::{Error, Result};
use crate::gpu::{Cooperative, Gpu, PipelineKey, Precision, Shader};

/// What kernels need to know of the device.
#[derive(Clone, Debug)]
pub(crate) struct DeviceContext {
    pub name: String,
    pub limits: wgpu::Limits,
    pub precision: Precision,
    /// The most invocations that a subgroup may have, where shaders may use subgroups.
    pub largest_subgroup: Option<u32>,
    /// Invocations a subgroup, where shaders may use it and that is the same for all.
    pub subgroup_size: Option<u32>,
    /// Whether the device is the CPU in disguise, where workgroup memory is no faster than any.
    pub is_software: bool,
    /// What computes products of cooperative matrices of float16, where values are stored so.
    pub cooperative: Option<Cooperative>,
    /// The convolution kernel to use wherever it can be.
    pub prefer: Option<ConvAlgorithm>,
    /// What tuning has found, which the rule gives way to.
    pub tuned: Option<Arc<Tuned>>,
}

impl DeviceContext {
    /// A GPU of which nothing but its limits is known.
    pub fn assumed(limits: wgpu::Limits) -> Self {
        Self {
            name: "assumed".to_owned(),
            limits,
            precision: Precision::F32,
            largest_subgroup: None,
            subgroup_size: None,
            is_software: false,
            cooperative: None,
            prefer: None,
            tuned: None,
        }
    }

    /// An open device of which nothing but its limits matters.
    pub fn from_limits_of(gpu: &Gpu) -> Self {
        Self {
            name: gpu.info().name.clone(),
            ..Self::assumed(gpu.limits().clone())
        }
    }

    /// Whether tuning has found `kernel` to answer wrongly.
    pub(super) fn is_quarantined(&self, kernel: ConvAlgorithm) -> bool {
        (self.tuned.as_ref()).is_some_and(|tuned| tuned.quarantined.contains(&kernel))
    }

    /// The form of a shader with `#import reduction` to use.
    pub(super) fn reducing(
        &self,
        plain: &'static Shader,
        by_subgroups: &'static Shader,
    ) -> (&'static Shader, SelectionReason) {
        let why = SelectionReason::Team(self.largest_subgroup);
        match self.largest_subgroup {
            Some(_) => (by_subgroups, why),
            None => (plain, why),
        }
    }

    /// Workgroups for `count` teams of such a shader, as `shaders/shared/reduction_team.wgsl` has them: enough
    /// wherever subgroups are as large as they get.
    pub(super) fn teams(&self, count: u64) -> u64 {
        let members = self.largest_subgroup.map_or(WORKGROUP, u64::from);
        count.div_ceil((WORKGROUP / members).max(1))
    }

    pub(super) fn dispatch(
        &self,
        shader: &'static Shader,
        params: &impl bytemuck::Pod,
        reads: Vec<Read>,
        workgroups: [u32; 3],
    ) -> Dispatch {
        Dispatch {
            key: PipelineKey {
                shader,
                precision: self.precision,
                constants: Vec::new(),
            },
            target: Target::Output,
            params: bytemuck::bytes_of(params).to_vec(),
            reads,
            workgroups,
            operations: None,
            kernel: None,
            why: SelectionReason::Only,
        }
    }

    /// Workgroups for `count` invocations, folded over x and y as `flat_index` unfolds them.
    pub fn flat_grid(&self, what: &str, count: u64) -> Result<[u32; 3]> {
        let [x, y] = self.fold(what, count.div_ceil(WORKGROUP))?;
        Ok([x, y, 1])
    }

    /// `workgroups` as a product of two dimensions that holds at least as many.
    pub fn fold(&self, what: &str, workgroups: u64) -> Result<[u32; 2]> {
        let limit = u64::from(self.limits.max_compute_workgroups_per_dimension);
        let rows = workgroups.div_ceil(limit).max(1);
        if rows > limit {
            return Err(Error::Limit {
                what: what.to_owned(),
                needed: workgroups,
                unit: "workgroups",
                device: self.name.clone(),
                limit: limit * limit,
                name: "max_compute_workgroups_per_dimension",
                advice: "use a smaller image or batch",
            });
        }
        // Both are within the limit, a u32.
        Ok([workgroups.div_ceil(rows).max(1) as u32, rows as u32])
    }

    /// The most bytes that one binding may show.
    pub fn largest_binding(&self) -> u64 {
        self.binding_limit().0
    }

    /// That, and the name of the limit.
    pub fn binding_limit(&self) -> (u64, &'static str) {
        let limits = &self.limits;
        match limits.max_buffer_size < limits.max_storage_buffer_binding_size {
            true => (limits.max_buffer_size, "max_buffer_size"),
            false => (
                limits.max_storage_buffer_binding_size,
                "max_storage_buffer_binding_size",
            ),
        }
    }

    /// Whether `bytes` fit one binding.
    pub fn check_binding(&self, what: &str, bytes: u64, advice: &'static str) -> Result<()> {
        let (limit, name) = self.binding_limit();
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::Limit {
            what: what.to_owned(),
            needed: bytes,
            unit: "bytes",
            device: self.name.clone(),
            limit,
            name,
            advice,
        })
    }
}
