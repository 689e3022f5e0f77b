//! Weights on the device, in the layouts that steps want; each layout uploaded once a session.

use std::collections::HashMap;
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;

use crate::error::Result;
use crate::gpu::{Gpu, Precision};
use crate::kernels::PackedWeight;
use crate::weights::Weights;

/// wgpu keeps what was written in staging memory until a submit: submitting now and then keeps
/// that bounded.
const STAGING_BYTES: u64 = 64 << 20;

pub(super) struct ResidentWeights {
    source: Arc<Weights>,
    buffers: HashMap<String, wgpu::Buffer>,
}

impl ResidentWeights {
    pub fn new(source: Arc<Weights>) -> Self {
        Self {
            source,
            buffers: HashMap::new(),
        }
    }

    /// Uploads those of `wanted` that are not there yet.
    pub fn upload<'a>(
        &mut self,
        gpu: &Gpu,
        wanted: impl Iterator<Item = &'a Arc<PackedWeight>>,
    ) -> Result<()> {
        let mut staged = 0;
        for weight in wanted {
            if self.buffers.contains_key(&weight.name) {
                continue;
            }
            let values = weight.pack(&self.source)?;
            let buffer = gpu.scoped("uploading weights", || write(gpu, weight, &values))??;
            self.buffers.insert(weight.name.clone(), buffer);
            staged += weight.bytes();
            if staged >= STAGING_BYTES {
                flush(gpu)?;
                staged = 0;
            }
        }
        flush(gpu)
    }

    /// The buffer of a weight that was uploaded.
    pub fn buffer(&self, weight: &PackedWeight) -> Option<&wgpu::Buffer> {
        self.buffers.get(&weight.name)
    }
}

fn write(gpu: &Gpu, weight: &PackedWeight, values: &[f32]) -> Result<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::STORAGE;
    let buffer = gpu.buffer(&weight.name, weight.bytes(), usage, true);
    let mut halves;
    let bytes: &[u8] = match weight.precision {
        Precision::F32 => bytemuck::cast_slice(values),
        Precision::F16 => {
            halves = vec![half::f16::ZERO; values.len()];
            halves.convert_from_f32_slice(values);
            bytemuck::cast_slice(&halves)
        }
    };
    if !bytes.is_empty() {
        let mut view = buffer
            .get_mapped_range_mut(..bytes.len() as u64)
            .map_err(|error| gpu.error("uploading weights", error))?;
        view.copy_from_slice(bytes);
    }
    buffer.unmap();
    Ok(buffer)
}

fn flush(gpu: &Gpu) -> Result<()> {
    gpu.scoped("uploading weights", || gpu.queue().submit([]))?;
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .map_err(|error| gpu.error("uploading weights", error))?;
    Ok(())
}
