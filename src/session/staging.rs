//! The ring of staging buffers for uploading weights.
//!
//! wgpu makes a staging buffer of the same size for a buffer that is mapped at creation, and one per call for
//! `Queue::write_buffer`: either would double the memory that loading weights takes.

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use wgpu::{BufferUsages, MapMode};

use crate::error::Result;
use crate::gpu::{Gpu, Precision, Submission};

/// The size of a staging buffer, and their number: one is filled while the device reads the other.
const BYTES: usize = 4 << 20;
const BUFFERS: usize = 2;
/// How many numbers are converted to float16 at a time, on the stack.
const HALVES: usize = 4096;

const CONTEXT: &str = "uploading weights";

/// See the [module](self).
pub(super) struct Ring<'a> {
    gpu: &'a Gpu,
    staging: Vec<Staging>,
    /// The index of the buffer that is being filled, and how many of its bytes are.
    current: usize,
    filled: usize,
    /// Copies from the current buffer.
    copies: wgpu::CommandEncoder,
}

struct Staging {
    buffer: wgpu::Buffer,
    /// The submission that reads it, until it is mapped again.
    busy: Option<Arc<Submission<()>>>,
}

impl<'a> Ring<'a> {
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        gpu.with_error_scopes(CONTEXT, || Self {
            gpu,
            staging: (0..BUFFERS)
                .map(|_| Staging {
                    buffer: gpu.buffer(
                        "staging",
                        BYTES as u64,
                        BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
                        true,
                    ),
                    busy: None,
                })
                .collect(),
            current: 0,
            filled: 0,
            copies: gpu.device().create_command_encoder(&Default::default()),
        })
    }

    /// Writes `values`, stored with `precision`, to `buffer` from byte `offset` on, and returns the number of
    /// bytes. The number of values is a multiple of four, so that copies have wgpu's alignment.
    pub fn write(
        &mut self,
        buffer: &wgpu::Buffer,
        offset: u64,
        precision: Precision,
        values: &[f32],
    ) -> Result<u64> {
        let size = match precision {
            Precision::F32 => 4,
            Precision::F16 => 2,
        };
        let mut rest = values;
        let mut written = 0;
        while !rest.is_empty() {
            if self.filled == BYTES {
                self.submit()?;
            }
            let (now, later) = rest.split_at(rest.len().min((BYTES - self.filled) / size));
            let bytes = now.len() * size;
            self.fill(precision, now, bytes)?;
            self.copies.copy_buffer_to_buffer(
                &self.staging[self.current].buffer,
                self.filled as u64,
                buffer,
                offset + written,
                bytes as u64,
            );
            self.filled += bytes;
            written += bytes as u64;
            rest = later;
        }
        Ok(written)
    }

    /// Appends `values` to the current buffer, which is mapped.
    fn fill(&self, precision: Precision, values: &[f32], bytes: usize) -> Result<()> {
        let range = self.filled as u64..(self.filled + bytes) as u64;
        let mut view = (self.staging[self.current].buffer)
            .get_mapped_range_mut(range)
            .map_err(|error| self.gpu.error(CONTEXT, error))?;
        match precision {
            Precision::F32 => view.copy_from_slice(bytemuck::cast_slice(values)),
            Precision::F16 => {
                let mut halves = [f16::ZERO; HALVES];
                let mut at = 0;
                for values in values.chunks(HALVES) {
                    let halves = &mut halves[..values.len()];
                    halves.convert_from_f32_slice(values);
                    let halves: &[u8] = bytemuck::cast_slice(halves);
                    view.slice(at..at + halves.len()).copy_from_slice(halves);
                    at += halves.len();
                }
            }
        }
        Ok(())
    }

    /// Submits the copies from the current buffer, and waits until the next one can be written.
    fn submit(&mut self) -> Result<()> {
        let device = self.gpu.device();
        let staging = &mut self.staging[self.current];
        let busy = self.gpu.with_error_scopes(CONTEXT, || {
            staging.buffer.unmap();
            let next = device.create_command_encoder(&Default::default());
            let copies = std::mem::replace(&mut self.copies, next);
            let submission = self.gpu.queue().submit([copies.finish()]);
            let submission = Arc::new(Submission::new(Some(submission), 1));
            let mapped = submission.clone();
            staging.buffer.map_async(MapMode::Write, .., move |result| {
                mapped.mapped(result.is_ok());
            });
            submission
        })?;
        staging.busy = Some(busy);
        self.current = (self.current + 1) % BUFFERS;
        self.filled = 0;
        let Some(submission) = self.staging[self.current].busy.take() else {
            return Ok(());
        };
        submission.wait(self.gpu)?;
        match submission.has_failed() {
            true => Err(self.gpu.error(CONTEXT, "a staging buffer was not mapped")),
            false => Ok(()),
        }
    }

    /// Submits the remaining copies. Later submissions see all of the data.
    pub fn finish(self) -> Result<()> {
        if self.filled > 0 {
            self.gpu.with_error_scopes(CONTEXT, || {
                self.staging[self.current].buffer.unmap();
                self.gpu.queue().submit([self.copies.finish()])
            })?;
        }
        Ok(())
    }
}
