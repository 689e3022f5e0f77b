//! A host's own textures and buffers, and reading them back.
// Each test file is a crate of its own and uses some of this.
#![allow(dead_code)]

use image::RgbImage;
use shadernet::gpu::{Gpu, GpuTensor};
use shadernet::wgpu::{self, BufferUsages, TextureFormat, TextureUsages};

/// Usages of a texture that is written and then read by a network.
pub const INPUT_USAGES: TextureUsages =
    TextureUsages::TEXTURE_BINDING.union(TextureUsages::COPY_DST);

/// A plain texture of one level.
pub fn descriptor(
    [width, height]: [u32; 2],
    format: TextureFormat,
    usage: TextureUsages,
) -> wgpu::TextureDescriptor<'static> {
    wgpu::TextureDescriptor {
        label: Some("host's"),
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
    }
}

pub fn texture(
    gpu: &Gpu,
    size: [u32; 2],
    format: TextureFormat,
    usage: TextureUsages,
) -> wgpu::Texture {
    gpu.device()
        .create_texture(&descriptor(size, format, usage))
}

/// Writes the texels of one level.
pub fn write(gpu: &Gpu, texture: &wgpu::Texture, level: u32, texels: &[u8]) {
    let at = wgpu::TexelCopyTextureInfo {
        mip_level: level,
        ..texture.as_image_copy()
    };
    let size = texture.size().mip_level_size(level, texture.dimension());
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(texels.len() as u32 / size.height),
        rows_per_image: None,
    };
    gpu.queue().write_texture(at, texels, layout, size);
}

/// A view of a texture with an image's pixels.
pub fn image_view(gpu: &Gpu, image: &RgbImage) -> wgpu::TextureView {
    let size = image.dimensions().into();
    let texture = texture(gpu, size, TextureFormat::Rgba8Unorm, INPUT_USAGES);
    let texels = image
        .pixels()
        .flat_map(|&image::Rgb([r, g, b])| [r, g, b, 255]);
    write(gpu, &texture, 0, &texels.collect::<Vec<_>>());
    texture.create_view(&Default::default())
}

/// A buffer that begins with `bytes`.
pub fn buffer(gpu: &Gpu, bytes: &[u8], usage: BufferUsages) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("host's"),
        size: (bytes.len() as u64).next_multiple_of(4),
        usage: usage | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, bytes);
    buffer
}

/// Records commands by `record`, submits them and returns its result.
pub fn submitted<T>(gpu: &Gpu, record: impl FnOnce(&mut wgpu::CommandEncoder) -> T) -> T {
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let result = record(&mut encoder);
    gpu.queue().submit([encoder.finish()]);
    result
}

/// A copy of a buffer that can be read once the encoder is submitted.
pub fn download(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    buffer: &wgpu::Buffer,
) -> wgpu::Buffer {
    let staging = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("staging"),
        size: buffer.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, None);
    staging
}

/// The bytes of such a copy.
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

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// The numbers of a tensor.
pub fn values(gpu: &Gpu, tensor: &GpuTensor) -> Vec<f32> {
    let bytes = read(gpu, &tensor.buffer);
    floats(&bytes[tensor.offset as usize..][..tensor.bytes() as usize])
}

/// The texels of a texture of four bytes each, row by row.
pub fn texels(gpu: &Gpu, texture: &wgpu::Texture) -> Vec<[u8; 4]> {
    let size = texture.size();
    let row = (4 * size.width).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
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
