//! Weights in the layouts that shaders want.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::norm::Folding;
use super::{DeviceContext, NodeContext, Read};
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::weights::Weights;

/// Reads parameters and lays them out as float32, four to an element.
type Pack = Box<dyn Fn(&Weights) -> Result<Vec<f32>> + Send + Sync>;

/// A buffer of weights, described but not yet made.
pub(crate) struct PackedWeight {
    /// Tells it from every other of the same graph, layout included.
    pub name: String,
    /// How it is stored. Small, sensitive things (biases, scales) stay float32.
    pub precision: Precision,
    /// float32 values before storing.
    pub len: usize,
    pack: Pack,
}

impl PackedWeight {
    pub fn bytes(&self) -> u64 {
        self.len as u64 / 4 * self.precision.element_bytes()
    }

    /// The values, `len` of them.
    pub fn pack(&self, weights: &Weights) -> Result<Vec<f32>> {
        let values = (self.pack)(weights)?;
        debug_assert_eq!(values.len(), self.len, "{}", self.name);
        Ok(values)
    }
}

impl fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.name, self.precision, self.len)
    }
}

impl NodeContext<'_> {
    /// A weight of this node. `layout` tells it from its other forms and parts.
    pub(super) fn weight(
        &self,
        layout: &str,
        len: usize,
        pack: impl Fn(&Weights, &str) -> Result<Vec<f32>> + Send + Sync + 'static,
    ) -> Read {
        let parameter = self.node.parameter_name("weight");
        Read::Weight(Arc::new(PackedWeight {
            name: format!("{parameter} {layout}{}", self.norm_suffix()),
            precision: self.device.precision,
            len,
            pack: Box::new(move |weights| pack(weights, &parameter)),
        }))
    }

    /// One float32 a channel, filled up to `len` with zeros; all zeros where the node has no such
    /// parameter.
    pub(super) fn per_channel(
        &self,
        suffix: &str,
        len: usize,
        values: impl Fn(&Weights) -> Result<Vec<f32>> + Send + Sync + 'static,
    ) -> Read {
        Read::Weight(Arc::new(PackedWeight {
            name: format!(
                "{} {len}{}",
                self.node.parameter_name(suffix),
                self.norm_suffix()
            ),
            precision: Precision::F32,
            len,
            pack: Box::new(move |weights| {
                let mut values = values(weights)?;
                values.resize(len, 0.0);
                Ok(values)
            }),
        }))
    }

    /// The bias, the norm folded in, or zeros.
    pub(super) fn bias(&self, folding: &Folding, len: usize) -> Read {
        let folding = folding.clone();
        self.per_channel("bias", len, move |weights| folding.bias(weights))
    }

    /// Tells weights with a norm folded in from the same without: plans for other shapes may have
    /// been optimized differently, and weights are shared by all of a session.
    fn norm_suffix(&self) -> String {
        let norm = self.node.fused.norm.as_ref();
        norm.map_or_else(String::new, |norm| format!(" with {}", norm.name))
    }
}

/// Splits `count` equal blocks of weights into runs that fit one binding each.
pub(super) fn split(
    device: &DeviceContext,
    what: &str,
    count: usize,
    block_bytes: u64,
) -> Result<Vec<Range<usize>>> {
    let limit = device.largest_binding();
    let rows = u64::from(device.limits.max_compute_workgroups_per_dimension);
    if block_bytes > limit {
        return Err(Error::Limit {
            what: format!("one block of the weights of '{what}'"),
            needed: block_bytes,
            unit: "bytes",
            device: device.name.clone(),
            limit,
            name: "max_storage_buffer_binding_size",
            advice: "use another device, or --backend cpu",
        });
    }
    // At least 1, since a block fits; and no more than a dimension of a dispatch holds.
    let run = (limit / block_bytes.max(1)).min(rows) as usize;
    Ok((0..count)
        .step_by(run)
        .map(|start| start..(start + run).min(count))
        .collect())
}
