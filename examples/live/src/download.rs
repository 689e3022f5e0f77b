//! A few bytes from the GPU, without waiting for them.

use std::sync::{Arc, OnceLock};

use shadernet::gpu::Gpu;
use shadernet::wgpu;

pub struct Download {
    buffer: wgpu::Buffer,
    mapped: Arc<OnceLock<bool>>,
}

impl Download {
    pub fn new(gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, source: &wgpu::Buffer, bytes: u64) -> Self {
        let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: Some("download"),
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(source, 0, &buffer, 0, bytes);
        Self { buffer, mapped: Arc::default() }
    }

    pub fn receive(self) -> impl Future<Output = shadernet::Result<Vec<u8>>> + Send {
        let mapped = self.mapped.clone();
        self.buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = mapped.set(result.is_ok());
        });
        std::future::poll_fn(move |_| match self.mapped.get() {
            None => std::task::Poll::Pending,
            Some(_) => std::task::Poll::Ready(Ok(self.buffer.get_mapped_range(..).map(|view| view.to_vec()).unwrap_or_default())),
        })
    }
}
