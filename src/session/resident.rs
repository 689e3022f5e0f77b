//! Weights on the device, in the layouts that steps want; each layout uploaded once a session.

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

/// So much is packed at a time, on all threads, while the device copies what was packed before.
const BATCH_BYTES: u64 = 4 << 20;
/// A weight that can be taken apart is, into parts of this: small enough to go round the threads.
const PART_BYTES: u64 = 1 << 20;

pub(crate) struct ResidentWeights {
    source: Arc<Weights>,
    buffers: HashMap<String, wgpu::Buffer>,
}

/// Blocks of a weight that are packed by one thread.
struct Part<'a> {
    weight: &'a PackedWeight,
    blocks: Range<usize>,
}

impl ResidentWeights {
    pub fn new(source: Arc<Weights>) -> Self {
        Self {
            source,
            buffers: HashMap::new(),
        }
    }

    /// Bytes of all that are there.
    pub fn bytes(&self) -> u64 {
        self.buffers.values().map(wgpu::Buffer::size).sum()
    }

    /// Uploads those of `wanted` that are not there yet.
    pub fn upload<'a>(
        &mut self,
        gpu: &Gpu,
        wanted: impl Iterator<Item = &'a Arc<PackedWeight>>,
        progress: Option<&LoadProgress>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        let new: Vec<&PackedWeight> = wanted
            .map(Arc::as_ref)
            .filter(|weight| !self.buffers.contains_key(&weight.name))
            .filter(|weight| seen.insert(weight.name.as_str()))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let bytes: u64 = new.iter().map(|weight| weight.bytes()).sum();
        let _span = tracing::debug_span!("upload", weights = new.len(), bytes).entered();
        let tell = |done| {
            if let Some(progress) = progress {
                progress.tell(Loading::Weights {
                    completed: done,
                    total: bytes,
                });
            }
        };
        let buffers = self.fill(gpu, &new, &tell)?;
        let names = new.iter().map(|weight| weight.name.clone());
        self.buffers.extend(names.zip(buffers));
        Ok(())
    }

    /// The weights as they are in the file.
    pub fn source(&self) -> &Arc<Weights> {
        &self.source
    }

    /// Buffers with the values of `weights`. `tell` is told of the bytes that are done.
    fn fill(
        &self,
        gpu: &Gpu,
        weights: &[&PackedWeight],
        tell: &dyn Fn(u64),
    ) -> Result<Vec<wgpu::Buffer>> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let mut buffers = Vec::with_capacity(weights.len());
        let mut parts = Vec::new();
        for &weight in weights {
            let make = || gpu.buffer(&weight.name, weight.bytes(), usage, false);
            buffers.push(gpu.with_error_scopes("making room for weights", make)?);
            let blocks = weight.parts(PART_BYTES);
            parts.extend(blocks.map(|blocks| Part { weight, blocks }));
        }
        let mut ring = Ring::new(gpu)?;
        let mut rest = &parts[..];
        // The buffer that is being filled, and how far it is.
        let (mut at, mut filled) = (0, 0);
        let mut done = 0;
        while !rest.is_empty() {
            let batch;
            (batch, rest) = rest.split_at(batch_len(rest));
            let packed: Vec<Vec<f32>> = batch
                .par_iter()
                .map(|part| part.weight.pack(&self.source, part.blocks.clone()))
                .collect::<Result<_>>()?;
            // What was read of the file is in `packed` now.
            self.source.release_pages();
            for (part, values) in batch.iter().zip(packed) {
                if part.blocks.start == 0 && !std::ptr::eq(part.weight, weights[at]) {
                    (at, filled) = (at + 1, 0);
                }
                let written = ring.write(&buffers[at], filled, part.weight.precision, &values)?;
                filled += written;
                done += written;
            }
            tell(done);
        }
        ring.finish()?;
        Ok(buffers)
    }

    /// Lets go of all weights but those of these names.
    pub fn keep(&mut self, names: &HashSet<&str>) {
        self.buffers.retain(|name, _| names.contains(name.as_str()));
    }

    /// The buffer of a weight that was uploaded.
    pub fn buffer(&self, weight: &PackedWeight) -> Option<&wgpu::Buffer> {
        self.buffers.get(&weight.name)
    }
}

/// How many of `parts`, one at least, make a batch.
fn batch_len(parts: &[Part]) -> usize {
    let mut bytes = 0;
    let fits = parts.iter().take_while(|part| {
        // float32 until it is written.
        bytes += part.weight.len_of(&part.blocks) as u64 * 4;
        bytes <= BATCH_BYTES
    });
    fits.count().max(1)
}
