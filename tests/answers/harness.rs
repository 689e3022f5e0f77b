//! Tensors to devices, and answers back.

use shadernet::device::Device;
use shadernet::gpu::{Gpu, GpuTensor};
use shadernet::tensor::Tensor;
use shadernet::wgpu::{self, BufferUsages, TextureFormat, TextureUsages};

use crate::devices::devices;

/// Every GPU of the tests, by name.
pub fn gpus() -> impl Iterator<Item = (&'static str, &'static Gpu)> {
    devices().iter().filter_map(|(name, device)| match device {
        Device::Gpu(gpu) => Some((name.as_str(), gpu)),
        Device::Cpu { .. } => None,
    })
}

/// Numbers between -1 and 1, the same each time.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f32 {
        let step = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = step.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn tensor<const N: usize>(&mut self, shape: [usize; N]) -> Tensor {
        Tensor::from_fn(shape, |_| self.next())
    }
}

pub fn buffer(gpu: &Gpu, bytes: &[u8], usage: BufferUsages) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: (bytes.len() as u64).next_multiple_of(4),
        usage: usage | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, bytes);
    buffer
}

/// A tensor that begins `offset` bytes into its buffer, with NaN before and after.
pub fn upload(gpu: &Gpu, tensor: &Tensor, offset: u64) -> GpuTensor {
    let around = vec![0xff; offset as usize];
    let data: Vec<u8> = tensor.data().iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = [&around, &data[..], &around].concat();
    GpuTensor {
        buffer: buffer(gpu, &bytes, BufferUsages::STORAGE),
        offset,
        shape: tensor.shape().clone(),
    }
}

/// What `record` makes of an encoder that is submitted then.
pub fn submitted<T>(gpu: &Gpu, record: impl FnOnce(&mut wgpu::CommandEncoder) -> T) -> T {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let answer = record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    answer
}

/// A copy of a buffer that can be read when the encoder was submitted.
pub fn download(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    buffer: &wgpu::Buffer,
) -> wgpu::Buffer {
    let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    staging
}

pub fn bytes_of(gpu: &Gpu, staging: &wgpu::Buffer) -> Vec<u8> {
    staging.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .unwrap();
    staging.get_mapped_range(..).unwrap().to_vec()
}

/// The bytes of a buffer.
pub fn read(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let staging = submitted(gpu, |encoder| download(gpu, encoder, buffer));
    bytes_of(gpu, &staging)
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

pub fn texture(
    gpu: &Gpu,
    [width, height]: [u32; 2],
    format: TextureFormat,
    usage: TextureUsages,
) -> wgpu::Texture {
    gpu.device().create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

/// The texels of a texture of four bytes each, row by row.
pub fn texels(gpu: &Gpu, texture: &wgpu::Texture) -> Vec<[u8; 4]> {
    let size = texture.size();
    // Rows of copies are multiples of 256 bytes.
    let row = (4 * size.width).next_multiple_of(256);
    let bytes = vec![0; (row * size.height) as usize];
    let copy = buffer(gpu, &bytes, BufferUsages::COPY_SRC);
    submitted(gpu, |encoder| {
        let to = wgpu::TexelCopyBufferInfo {
            buffer: &copy,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(row),
                rows_per_image: None,
            },
        };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), to, size);
    });
    let bytes = read(gpu, &copy);
    let rows = bytes.chunks(row as usize);
    rows.flat_map(|row| row.as_chunks::<4>().0[..size.width as usize].to_vec())
        .collect()
}
