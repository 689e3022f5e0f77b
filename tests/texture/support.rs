//! Textures made of pictures, and what becomes of them.

use std::sync::{Mutex, MutexGuard};

use half::f16;
use image::{Rgb, RgbImage};
use shadernet::device::Device;
use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput};
use shadernet::vision::{CropMode, Interpolation, Preprocessing};
use shadernet::wgpu::{self, BufferUsages, TextureFormat};

use crate::devices::devices;
use crate::host::{self, SHOWN, buffer, bytes_of, download, floats, submitted, texture, write};

/// All formats that are taken.
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

pub const INTERPOLATIONS: [Interpolation; 6] = [
    Interpolation::Nearest,
    Interpolation::Box,
    Interpolation::Bilinear,
    Interpolation::Hamming,
    Interpolation::Bicubic,
    Interpolation::Lanczos,
];

/// Every device, one test at a time: OpenGL's threads must not wait for each other for long.
pub fn gpus() -> (MutexGuard<'static, ()>, Vec<(&'static str, &'static Gpu)>) {
    static ONE: Mutex<()> = Mutex::new(());
    let turn = ONE.lock().unwrap_or_else(|e| e.into_inner());
    let gpu = |(name, device): &'static (String, Device)| match device {
        Device::Gpu(gpu) => (name.as_str(), gpu),
        Device::Cpu { .. } => panic!("{name} is no GPU"),
    };
    (turn, devices().iter().map(gpu).collect())
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

/// Pixels without pattern, all bytes among them.
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

/// The picture that a network is shown by a texture of `format` with these pixels.
pub fn as_shown(picture: &RgbImage, format: TextureFormat) -> RgbImage {
    let mut shown = picture.clone();
    if format == TextureFormat::R8Unorm {
        for pixel in shown.pixels_mut() {
            pixel.0 = [pixel.0[0]; 3];
        }
    }
    shown
}

/// The linear light that sRGB encodes as a byte.
pub fn to_linear(byte: u8) -> f32 {
    let value = f32::from(byte) / 255.0;
    match value <= 0.04045 {
        true => value / 12.92,
        false => ((value + 0.055) / 1.055).powf(2.4),
    }
}

pub fn texels(picture: &RgbImage, format: TextureFormat) -> Vec<u8> {
    let texel = |&Rgb([r, g, b]): &Rgb<u8>| match format {
        TextureFormat::R8Unorm => vec![r],
        // Alpha is not looked at.
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
    picture.pixels().flat_map(texel).collect()
}

/// A view of a texture with a picture's pixels.
pub fn view(gpu: &Gpu, picture: &RgbImage, format: TextureFormat) -> wgpu::TextureView {
    let texture = texture(gpu, picture.dimensions().into(), format, SHOWN);
    write(gpu, &texture, 0, &texels(picture, format));
    texture.create_view(&Default::default())
}

/// A buffer for so many elements, all of them 7.
pub fn target(gpu: &Gpu, elements: usize) -> wgpu::Buffer {
    let sevens = 7.0_f32.to_le_bytes().repeat(elements);
    buffer(gpu, &sevens, BufferUsages::STORAGE | BufferUsages::COPY_SRC)
}

pub fn read(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<f32> {
    floats(&host::read(gpu, buffer))
}

/// Preprocesses and reads what came of it.
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

/// What becomes of each input by itself; recorded and submitted at once.
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

/// The same bits in both; what is unlike is told by the first.
pub fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let pairs = found.iter().zip(expected).enumerate();
    let unlike: Vec<_> = pairs
        .filter(|(_, (f, e))| f.to_bits() != e.to_bits())
        .collect();
    if let Some((i, (f, e))) = unlike.first() {
        let (count, of) = (unlike.len(), found.len());
        panic!("{what}: {count} of {of} differ, the first at {i}: {f} for {e}");
    }
}
