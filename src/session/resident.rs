//! Weights on the device, packed in the layouts that the steps read. Each layout is uploaded once per session.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::options::{LoadProgress, Loading};
use super::staging::Ring;
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::PackedWeight;
use crate::weights::Weights;

/// The size of a batch. All threads pack one batch while the device copies the one before.
const BATCH_BYTES: u64 = 4 << 20;
/// Weights that can be split are packed in parts of this size, so that all threads have work.
const PART_BYTES: u64 = 1 << 20;

/// The packed weights of a session on the device.
#[derive(Default)]
pub(crate) struct ResidentWeights {
    buffers: HashMap<String, wgpu::Buffer>,
}

/// Blocks of a weight, packed by one thread.
struct Part<'a> {
    weight: &'a PackedWeight,
    blocks: Range<usize>,
}

impl ResidentWeights {
    /// Bytes of all buffers.
    pub fn bytes(&self) -> u64 {
        self.buffers.values().map(wgpu::Buffer::size).sum()
    }

    /// Uploads those of `required` that are not on the device yet, packed from `source`.
    pub fn upload<'a>(
        &mut self,
        gpu: &Gpu,
        source: &Weights,
        required: impl Iterator<Item = &'a Arc<PackedWeight>>,
        progress: Option<&LoadProgress>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let new: Vec<&PackedWeight> = required
            .map(Arc::as_ref)
            .filter(|weight| !self.buffers.contains_key(&weight.name))
            .filter(|weight| seen.insert(weight.name.as_str()))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let bytes: u64 = new.iter().map(|weight| weight.bytes()).sum();
        let _span = tracing::debug_span!("upload", weights = new.len(), bytes).entered();
        let report = |completed| {
            if let Some(progress) = progress {
                let total = bytes;
                progress.report(Loading::Weights { completed, total });
            }
        };
        let buffers = fill(gpu, source, &new, &report)?;
        let names = new.iter().map(|weight| weight.name.clone());
        self.buffers.extend(names.zip(buffers));
        Ok(())
    }

    /// Drops all weights but those of these names.
    pub fn retain(&mut self, names: &HashSet<&str>) {
        self.buffers.retain(|name, _| names.contains(name.as_str()));
    }

    /// The buffer of a weight that was uploaded.
    pub fn buffer(&self, weight: &PackedWeight) -> Option<&wgpu::Buffer> {
        self.buffers.get(&weight.name)
    }
}

/// Buffers with the packed `weights`. Calls `report` with the number of completed bytes.
fn fill(
    gpu: &Gpu,
    source: &Weights,
    weights: &[&PackedWeight],
    report: &dyn Fn(u64),
) -> Result<Vec<wgpu::Buffer>> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let mut buffers = Vec::with_capacity(weights.len());
    let mut parts = Vec::new();
    for &weight in weights {
        let make = || gpu.buffer(&weight.name, weight.bytes(), usage, false);
        buffers.push(gpu.with_error_scopes("making buffers for weights", make)?);
        let blocks = weight.parts(PART_BYTES);
        parts.extend(blocks.map(|blocks| Part { weight, blocks }));
    }
    let mut ring = Ring::new(gpu)?;
    let mut rest = &parts[..];
    // The index of the buffer that is being filled, and how many of its bytes are.
    let (mut current, mut filled) = (0, 0);
    let mut completed = 0;
    while !rest.is_empty() {
        let batch;
        (batch, rest) = rest.split_at(batch_len(rest));
        let packed: Vec<Vec<f32>> = batch
            .par_iter()
            .map(|part| part.weight.pack(source, part.blocks.clone()))
            .collect::<Result<_>>()?;
        // `packed` now holds what was read from the file.
        source.release_pages();
        for (part, values) in batch.iter().zip(packed) {
            if part.blocks.start == 0 && !std::ptr::eq(part.weight, weights[current]) {
                (current, filled) = (current + 1, 0);
            }
            let written = ring.write(&buffers[current], filled, part.weight.precision, &values)?;
            filled += written;
            completed += written;
        }
        report(completed);
    }
    ring.finish()?;
    Ok(buffers)
}

/// How many of `parts` make a batch: at least one.
fn batch_len(parts: &[Part]) -> usize {
    let mut bytes = 0;
    let fits = parts.iter().take_while(|part| {
        // Packed as float32; converted when written.
        bytes += part.weight.len_of(&part.blocks) as u64 * 4;
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}
