//! What kernel selection and lowering need to know about a device.

use std::sync::Arc;

use super::cost_table::DeviceClass;
use super::loop_iterations::{self, max_loop_iterations};
use super::{ConvAlgorithm, Dispatch, Read, SelectionReason, Target, Tuned, WORKGROUP};
use crate::error::{Error, Result};
use crate::gpu::{Cooperative, Gpu, PipelineKey, Precision, Shader};

/// A device, as far as the selection and lowering of kernels depend on it, with the options of a
/// session that select kernels.
#[derive(Clone, Debug)]
pub(crate) struct DeviceContext {
    pub name: String,
    pub limits: wgpu::Limits,
    pub precision: Precision,
    /// The largest subgroup, in invocations, where shaders may use subgroups.
    pub largest_subgroup: Option<u32>,
    /// Invocations per subgroup, where shaders may use subgroups and all have the same size.
    pub subgroup_size: Option<u32>,
    /// The most loop iterations of an invocation, where the driver has a limit.
    pub max_loop_iterations: Option<u64>,
    /// Selects the table of costs.
    pub class: DeviceClass,
    /// Compute units: those of the class, unless the device's own are known.
    pub compute_units: u64,
    /// How float16 cooperative matrices are multiplied, where they can be used and values are float16.
    pub cooperative: Option<Cooperative>,
    /// The convolution algorithm to use wherever it is possible.
    pub prefer: Option<ConvAlgorithm>,
    /// What tuning has found, which takes precedence over the heuristic.
    pub tuned: Option<Arc<Tuned>>,
}

impl DeviceContext {
    /// A GPU of which only the limits are known.
    pub fn assumed(limits: wgpu::Limits) -> Self {
        Self {
            name: "assumed".to_owned(),
            limits,
            precision: Precision::F32,
            largest_subgroup: None,
            subgroup_size: None,
            max_loop_iterations: None,
            class: DeviceClass::Discrete,
            compute_units: DeviceClass::Discrete.costs().compute_units.into(),
            cooperative: None,
            prefer: None,
            tuned: None,
        }
    }

    /// An open device of which only the limits matter.
    pub fn from_limits_of(gpu: &Gpu) -> Self {
        Self {
            name: gpu.info().name.clone(),
            max_loop_iterations: max_loop_iterations(gpu.info()),
            ..Self::assumed(gpu.limits().clone())
        }
    }

    /// Whether tuning found a wrong result of `algorithm`.
    pub(super) fn is_quarantined(&self, algorithm: ConvAlgorithm) -> bool {
        (self.tuned.as_ref()).is_some_and(|tuned| tuned.quarantined.contains(&algorithm))
    }

    /// A dispatch that writes the node's output, with the most loop iterations of an invocation.
    pub(super) fn dispatch(
        &self,
        shader: &'static Shader,
        params: &impl bytemuck::Pod,
        reads: Vec<Read>,
        workgroups: [u32; 3],
        loop_iterations: u64,
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
            loop_iterations,
            operations: None,
            parts: 1,
            products: None,
            taps: 1,
            algorithm: None,
            reason: SelectionReason::Only,
        }
    }

    /// Workgroups for `count` invocations, in x and y as `flat_index` of the shaders reads them.
    pub fn flat_grid(&self, what: &str, count: u64) -> Result<[u32; 3]> {
        let [x, y] = self.fold(what, count.div_ceil(WORKGROUP))?;
        Ok([x, y, 1])
    }

    /// Two dimensions whose product is at least `workgroups`.
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

    /// Checks that the driver runs loops of an invocation to their end.
    ///
    /// # Errors
    /// [`Error::Limit`] where it does not.
    pub fn check_loops(&self, what: &str, iterations: u64) -> Result<()> {
        loop_iterations::check(what, iterations, &self.name, self.max_loop_iterations)
    }

    /// The most bytes that one binding may have.
    pub fn largest_binding(&self) -> u64 {
        self.binding_limit().0
    }

    /// The same, with the name of the limit.
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

    /// Checks that `bytes` fit one binding. `what` and `advice` are for the error's message.
    ///
    /// # Errors
    /// [`Error::Limit`] where they do not.
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
