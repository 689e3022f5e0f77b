//! The ring of staging buffers that weights go through to the device.
//!
//! A buffer that is mapped when it is made has a staging buffer of its own size behind it, and
//! `Queue::write_buffer` makes one a call: with either, loading weights would take their size twice.

use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use wgpu::{BufferUsages, MapMode};

use crate::error::Result;
use crate::gpu::{Gpu, Precision, Submission};

/// Bytes of a staging buffer, and how many there are: one is filled while the device reads another.
const BYTES: usize = 4 << 20;
const BUFFERS: usize = 2;
/// So many numbers become float16 at a time, on the stack.
const HALVES: usize = 4096;

const CONTEXT: &str = "uploading weights";

/// See the module.
pub(super) struct Ring<'a> {
    gpu: &'a Gpu,
    staging: Vec<Staging>,
    /// The one that is being filled, and how far.
    current: usize,
    filled: usize,
    copies: wgpu::CommandEncoder,
}

struct Staging {
    buffer: wgpu::Buffer,
    /// On its way through the submission that reads it, until it is mapped again.
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

    /// Writes `values`, stored with `precision`, to `buffer` from byte `offset` on, and answers how
    /// many bytes they took. They come as elements of four, so that copies are as aligned as wgpu
    /// asks.
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
                self.send()?;
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

    /// Puts `values` into the current buffer, mapped, where it is filled up to.
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

    /// Submits the copies from the current buffer, and waits until the next may be written.
    fn send(&mut self) -> Result<()> {
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

    /// Submits what is left. What runs on the device afterwards finds all of it there.
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
