//! Images, textures with the same pixels, and their preprocessing.

use std::sync::{Mutex, MutexGuard};

use half::f16;
use image::{Rgb, RgbImage};
use shadernet::device::Device;
use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput};
use shadernet::vision::{CropMode, Interpolation, Preprocessing};
use shadernet::wgpu::{self, BufferUsages, TextureFormat};

use crate::devices::devices;
use crate::host::{
    self, INPUT_USAGES, buffer, bytes_of, download, floats, submitted, texture, write,
};

/// All supported formats.
pub const FORMATS: [TextureFormat; 6] = [
    TextureFormat::Rgba8Unorm,
    TextureFormat::Rgba8UnormSrgb,
    TextureFormat::Bgra8Unorm,
    TextureFormat::Bgra8UnormSrgb,
    TextureFormat::Rgba16Float,
    TextureFormat::R8Unorm,
];

pub const CROP_MODES: [CropMode; 4] = [
    CropMode::Center,
    CropMode::Squash,
    CropMode::Border,
    CropMode::Letterbox,
];

pub const INTERPOLATIONS: [Interpolation; 7] = [
    Interpolation::Nearest,
    Interpolation::Box,
    Interpolation::Bilinear,
    Interpolation::Hamming,
    Interpolation::Bicubic,
    Interpolation::Lanczos,
    Interpolation::Darknet,
];

/// Every GPU, for one test at a time, because OpenGL times out if threads wait for each other for long.
pub fn gpus() -> (MutexGuard<'static, ()>, Vec<(&'static str, &'static Gpu)>) {
    static ONE: Mutex<()> = Mutex::new(());
    let lock = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let gpu = |(name, device): &'static (String, Device)| match device {
        Device::Gpu(gpu) => (name.as_str(), gpu),
        _ => panic!("{name} is not a GPU"),
    };
    (lock, devices().iter().map(gpu).collect())
}

pub fn preprocessing(input_size: [usize; 3]) -> Preprocessing {
    let channels = input_size[0];
    Preprocessing {
        input_size,
        mean: vec![0.485, 0.456, 0.406][..channels].to_vec(),
        std: vec![0.229, 0.224, 0.225][..channels].to_vec(),
        ..Preprocessing::default()
    }
}

/// Pseudorandom pixels of all byte values.
pub fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 0x9e37_79b9_u32 ^ (width << 16) ^ height;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    RgbImage::from_fn(width, height, |_, _| Rgb([byte(), byte(), byte()]))
}

/// The image that a texture of `format` with these pixels represents.
pub fn as_represented(image: &RgbImage, format: TextureFormat) -> RgbImage {
    let mut represented = image.clone();
    if format == TextureFormat::R8Unorm {
        for pixel in represented.pixels_mut() {
            pixel.0 = [pixel.0[0]; 3];
        }
    }
    represented
}

/// The linear light that sRGB encodes as a byte.
pub fn to_linear(byte: u8) -> f32 {
    let value = f32::from(byte) / 255.0;
    match value <= 0.04045 {
        true => value / 12.92,
        false => ((value + 0.055) / 1.055).powf(2.4),
    }
}

pub fn texels(image: &RgbImage, format: TextureFormat) -> Vec<u8> {
    let texel = |&Rgb([r, g, b]): &Rgb<u8>| match format {
        TextureFormat::R8Unorm => vec![r],
        // Alpha is ignored.
        TextureFormat::Bgra8Unorm | TextureFormat::Bgra8UnormSrgb => vec![b, g, r, g ^ r],
        TextureFormat::Rgba16Float => {
            let texel = [to_linear(r), to_linear(g), to_linear(b), f32::NAN];
            texel
                .iter()
                .flat_map(|&v| f16::from_f32(v).to_le_bytes())
                .collect()
        }
        _ => vec![r, g, b, g ^ r],
    };
    image.pixels().flat_map(texel).collect()
}

/// A view of a texture with an image's pixels.
pub fn view(gpu: &Gpu, image: &RgbImage, format: TextureFormat) -> wgpu::TextureView {
    let texture = texture(gpu, image.dimensions().into(), format, INPUT_USAGES);
    write(gpu, &texture, 0, &texels(image, format));
    texture.create_view(&Default::default())
}

/// A buffer of this many elements, all of them 7.
pub fn target(gpu: &Gpu, elements: usize) -> wgpu::Buffer {
    let sevens = 7.0_f32.to_le_bytes().repeat(elements);
    buffer(gpu, &sevens, BufferUsages::STORAGE | BufferUsages::COPY_SRC)
}

pub fn read(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<f32> {
    floats(&host::read(gpu, buffer))
}

/// Preprocesses a batch and reads the result.
pub fn preprocessed(
    gpu: &Gpu,
    preprocessor: &mut Preprocessor,
    inputs: &[TextureInput],
    elements: usize,
) -> Vec<f32> {
    let target = target(gpu, elements);
    submitted(gpu, |encoder| preprocessor.encode(encoder, inputs, &target)).unwrap();
    read(gpu, &target)
}

/// The result for each input by itself, all in one submission.
pub fn each_preprocessed(
    gpu: &Gpu,
    preprocessor: &mut Preprocessor,
    inputs: &[TextureInput],
    elements: &[usize],
) -> Vec<Vec<f32>> {
    let copies: Vec<_> = submitted(gpu, |encoder| {
        let encode = |(&input, &elements)| {
            let target = target(gpu, elements);
            preprocessor.encode(encoder, &[input], &target).unwrap();
            download(gpu, encoder, &target)
        };
        inputs.iter().zip(elements).map(encode).collect()
    });
    let read = |copy| floats(&bytes_of(gpu, copy));
    copies.iter().map(read).collect()
}

/// Asserts that both have the same bits. The message shows the first difference.
pub fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let pairs = found.iter().zip(expected).enumerate();
    let differing: Vec<_> = pairs
        .filter(|(_, (f, e))| f.to_bits() != e.to_bits())
        .collect();
    if let Some((i, (f, e))) = differing.first() {
        let (count, total) = (differing.len(), found.len());
        panic!("{what}: {count} of {total} differ, the first at {i}: {f}, expected {e}");
    }
}
