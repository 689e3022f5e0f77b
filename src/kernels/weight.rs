//! Weights in the layouts of the shaders.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

use super::norm::Folding;
use super::{DeviceContext, LoweringContext, Read};
use crate::error::{Error, Result};
use crate::gpu::Precision;
use crate::graph::Branch;
use crate::weights::Weights;

/// Reads parameters and packs the blocks of a range as float32, four to an element.
type Pack = Box<dyn Fn(&Weights, Range<usize>) -> Result<Vec<f32>> + Send + Sync>;

/// A buffer of weights before it exists.
pub(crate) struct PackedWeight {
    /// Unique among the weights of a graph: the parameter, its layout and what is folded into it.
    pub name: String,
    /// How it is stored. Biases and scales, which are small and sensitive, stay float32.
    pub precision: Precision,
    /// Number of values.
    pub len: usize,
    /// Blocks of equal size that can be packed separately, so that a large weight need not be in memory
    /// twice.
    blocks: usize,
    pack: Pack,
}

impl PackedWeight {
    pub fn bytes(&self) -> u64 {
        self.len as u64 / 4 * self.precision.element_bytes()
    }

    /// Ranges that cover all blocks in order, each of at most `bytes` on the device but of one block at
    /// least.
    pub fn parts(&self, bytes: u64) -> impl Iterator<Item = Range<usize>> {
        let run = (bytes / (self.bytes() / self.blocks as u64).max(1)).max(1) as usize;
        let blocks = self.blocks;
        (0..blocks)
            .step_by(run)
            .map(move |start| start..blocks.min(start.saturating_add(run)))
    }

    /// The number of values in some blocks.
    pub fn len_of(&self, blocks: &Range<usize>) -> usize {
        self.len / self.blocks * blocks.len()
    }

    /// The values of some blocks.
    pub fn pack(&self, weights: &Weights, blocks: Range<usize>) -> Result<Vec<f32>> {
        let len = self.len_of(&blocks);
        let values = (self.pack)(weights, blocks)?;
        debug_assert_eq!(values.len(), len, "{}", self.name);
        Ok(values)
    }
}

impl fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.name, self.precision, self.len)
    }
}

impl LoweringContext<'_> {
    /// A weight of this node. `layout` distinguishes it from its other layouts and parts.
    pub(super) fn weight(
        &self,
        layout: &str,
        len: usize,
        pack: impl Fn(&Weights, &str) -> Result<Vec<f32>> + Send + Sync + 'static,
    ) -> Read {
        let pack = move |weights: &Weights, name: &str, _: Range<usize>| pack(weights, name);
        self.weight_in_blocks(self.device.precision, layout, 1, len, pack)
    }

    /// As [`Self::weight`], stored with `precision`, in `blocks` blocks of `block_len` values; `pack`
    /// packs a range of them.
    pub(super) fn weight_in_blocks(
        &self,
        precision: Precision,
        layout: &str,
        blocks: usize,
        block_len: usize,
        pack: impl Fn(&Weights, &str, Range<usize>) -> Result<Vec<f32>> + Send + Sync + 'static,
    ) -> Read {
        let parameter = self.node.parameter_name("weight");
        Read::Weight(Arc::new(PackedWeight {
            name: format!("{parameter} {layout}{}", self.norm_suffix()),
            precision,
            len: blocks * block_len,
            // At least one, to divide by.
            blocks: blocks.max(1),
            pack: Box::new(move |weights, blocks| pack(weights, &parameter, blocks)),
        }))
    }

    /// One float32 per channel, padded to `len` with zeros.
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
            blocks: 1,
            pack: Box::new(move |weights, _| {
                let mut values = values(weights)?;
                values.resize(len, 0.0);
                Ok(values)
            }),
        }))
    }

    /// The bias with the norm folded in, or zeros.
    pub(super) fn bias(&self, folding: &Folding, len: usize) -> Read {
        if folding.has_no_bias() {
            return self.zeros(len);
        }
        let folding = folding.clone();
        self.per_channel("bias", len, move |weights| folding.bias(weights))
    }

    /// What is bound for a bias where there is none. Its name has no node: another node may read the same
    /// parameters with a bias.
    pub(super) fn zeros(&self, len: usize) -> Read {
        Read::Weight(Arc::new(PackedWeight {
            name: format!("zeros {len}"),
            precision: Precision::F32,
            len,
            blocks: 1,
            pack: Box::new(move |_, _| Ok(vec![0.0; len])),
        }))
    }

    /// Float32 numbers that follow from the node's settings, padded to whole elements with zeros. Their name is their
    /// content: the plans of a session share weights, and a node of the same name may have other settings for
    /// inputs of another shape.
    pub(super) fn table(&self, what: &str, mut values: Vec<f32>) -> Read {
        values.resize(values.len().next_multiple_of(4), 0.0);
        let mut hasher = DefaultHasher::new();
        hasher.write(bytemuck::cast_slice(&values));
        Read::Weight(Arc::new(PackedWeight {
            name: format!("{what} {} {:016x}", values.len(), hasher.finish()),
            precision: Precision::F32,
            len: values.len(),
            blocks: 1,
            pack: Box::new(move |_, _| Ok(values.clone())),
        }))
    }

    /// A part of the names of weights with a norm or branches folded in. The plans of a session share weights, and
    /// passes may have optimized them differently for other shapes.
    fn norm_suffix(&self) -> String {
        let norm = self.node.fused.norm.iter().map(|norm| norm.name.clone());
        let branches = self.node.fused.branches.iter().map(Branch::names);
        norm.chain(branches)
            .map(|names| format!(" with {names}"))
            .collect()
    }
}

/// Splits `count` equal blocks of weights into ranges that fit one binding each.
///
/// # Errors
/// [`Error::Limit`] where one block does not fit.
pub(super) fn split(
    device: &DeviceContext,
    what: &str,
    count: usize,
    block_bytes: u64,
) -> Result<Vec<Range<usize>>> {
    let (limit, limit_name) = device.binding_limit();
    let rows = u64::from(device.limits.max_compute_workgroups_per_dimension);
    if block_bytes > limit {
        return Err(Error::Limit {
            what: format!("one block of the weights of '{what}'"),
            needed: block_bytes,
            unit: "bytes",
            device: device.name.clone(),
            limit,
            name: limit_name,
            advice: "use another device, or the CPU",
        });
    }
    // At least 1, since a block fits, and no more than a dimension of a dispatch holds.
    let run = (limit / block_bytes.max(1)).min(rows) as usize;
    Ok((0..count)
        .step_by(run)
        .map(|start| start..(start + run).min(count))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Conv2d, GraphBuilder, Linear};
    use crate::passes::PassOptions;
    use crate::plan::Plan;
    use crate::tensor::Shape;

    #[test]
    fn parts_together_are_the_whole() {
        let mut b = GraphBuilder::new("parts");
        let x = b.image_input("input", 6);
        let x = b.conv2d("dense", x, Conv2d::new(6, 56, 3));
        let x = b.conv2d("groups", x, Conv2d::new(56, 80, 1).groups(2));
        let x = b.flatten("flatten", x);
        let x = b.linear("linear", x, Linear::new(720, 37));
        b.output(x);
        let graph = b.build().unwrap();
        let weights = Weights::generated(&graph, 1.0);
        let device = DeviceContext::assumed(wgpu::Limits::default());
        let plan = Plan::new(
            &graph,
            &[Shape::from([1, 6, 5, 5])],
            &PassOptions::default(),
            &device,
        )
        .unwrap();
        let mut taken_apart = 0;
        for weight in plan.weights() {
            let whole = weight.pack(&weights, 0..weight.blocks).unwrap();
            assert_eq!(whole.len(), weight.len);
            // A block at a time, some, and all at once.
            for bytes in [0, 3 * 64 * 9 * 8, u64::MAX] {
                let parts: Vec<Range<usize>> = weight.parts(bytes).collect();
                taken_apart += usize::from(parts.len() > 1);
                let packed = parts.into_iter().map(|part| {
                    let values = weight.pack(&weights, part.clone()).unwrap();
                    assert_eq!(values.len(), weight.len_of(&part));
                    values
                });
                assert_eq!(packed.flatten().collect::<Vec<_>>(), whole, "{weight:?}");
            }
        }
        assert!(taken_apart >= 3, "{taken_apart}");
    }
}
