//! A texture gives the same input as an image.

use proptest::prelude::*;
use shadernet::texture::{ColorEncoding, Preprocessor, TextureInput, TextureSource};
use shadernet::vision::{ChannelOrder, Preprocessing};
use shadernet::wgpu::{self, TextureFormat};

use crate::host::{INPUT_USAGES, descriptor, texture, write};
use crate::support::*;

/// Width and height of an image, and of an input: of one pixel, larger and smaller, odd, of other proportions,
/// with a thousand filter taps.
const SIZES: [([u32; 2], [usize; 2]); 9] = [
    ([1, 1], [5, 3]),
    ([7, 5], [1, 1]),
    ([64, 48], [8, 8]),
    ([33, 17], [13, 20]),
    ([5, 9], [40, 24]),
    ([130, 71], [31, 17]),
    ([3, 200], [9, 66]),
    ([2500, 3], [3, 2]),
    ([2, 1801], [4, 1]),
];

/// All formats, crop modes, interpolations and sizes, with one channel and with three. All bytes are exact
/// on every backend: sRGB textures are decoded by the driver and encoded again by the kernel, whose errors
/// are less than half a byte.
#[test]
fn textures_give_the_same_input_as_images() {
    let (_gl_lock, gpus) = gpus();
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        for ([width, height], to) in SIZES {
            let preprocessings = all_preprocessings(to);
            let image = noise(width, height);
            for format in FORMATS {
                let view = view(gpu, &image, format);
                let represented = as_represented(&image, format);
                let inputs: Vec<_> = (preprocessings.iter())
                    .map(|preprocessing| TextureInput::new(&view, preprocessing))
                    .collect();
                let expected: Vec<_> = (preprocessings.iter())
                    .map(|preprocessing| preprocessing.apply(&represented).unwrap())
                    .collect();
                let elements: Vec<_> = expected.iter().map(|e| e.data().len()).collect();
                let found = each_preprocessed(gpu, &mut preprocessor, &inputs, &elements);
                for ((preprocessing, expected), found) in
                    preprocessings.iter().zip(&expected).zip(&found)
                {
                    let what = format!("{name} {format:?} {width}x{height}: {preprocessing:?}");
                    assert_same(found, expected.data(), &what);
                }
            }
        }
    }
}

/// All crop modes and interpolations, with one channel and with three; padded, cropped and neither.
fn all_preprocessings([width, height]: [usize; 2]) -> Vec<Preprocessing> {
    let modes = (CROP_MODES.iter())
        .flat_map(|&mode| INTERPOLATIONS.map(|interpolation| (mode, interpolation)));
    let preprocessing = |(i, (crop_mode, interpolation)): (usize, _)| Preprocessing {
        crop_mode,
        interpolation,
        channel_order: [ChannelOrder::Rgb, ChannelOrder::Bgr][i / 2 % 2],
        // There are 7 interpolations, so that none is always combined with the same value.
        crop_pct: [1.25, 0.8, 1.0][i % 3],
        ..preprocessing([[1, 3][i % 2], height, width])
    };
    modes.enumerate().map(preprocessing).collect()
}

#[test]
fn textures_of_a_batch_are_written_one_after_the_other() {
    let (_gl_lock, gpus) = gpus();
    let (wide, tall) = (noise(50, 20), noise(20, 50));
    let plain = preprocessing([3, 19, 21]);
    let padded = Preprocessing {
        crop_mode: shadernet::vision::CropMode::Letterbox,
        ..plain.clone()
    };
    let image_len = 3 * 19 * 21;
    for (name, gpu) in gpus {
        let bgra = view(gpu, &wide, TextureFormat::Bgra8Unorm);
        let half = view(gpu, &tall, TextureFormat::Rgba16Float);
        let inputs = [
            TextureInput::new(&bgra, &plain),
            TextureInput::new(&half, &padded),
            TextureInput::new(&bgra, &padded),
            TextureInput::new(&bgra, &plain),
        ];
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let found = preprocessed(gpu, &mut preprocessor, &inputs, 4 * image_len + 5);
        let expected = [
            (&plain, &wide),
            (&padded, &tall),
            (&padded, &wide),
            (&plain, &wide),
        ];
        for (n, (preprocessing, image)) in expected.into_iter().enumerate() {
            let expected = preprocessing.apply(image).unwrap();
            let found = &found[n * image_len..][..image_len];
            assert_same(found, expected.data(), &format!("{name}, image {n}"));
        }
        // Elements after the batch are unchanged.
        assert_same(&found[4 * image_len..], &[7.0; 5], name);
    }
}

#[test]
fn the_color_encoding_of_the_source_is_used() {
    let (_gl_lock, gpus) = gpus();
    let image = noise(16, 16);
    let preprocessing = preprocessing([3, 7, 7]);
    let expected = preprocessing.apply(&image).unwrap();
    let linear: Vec<u8> = (image.pixels())
        .flat_map(|pixel| pixel.0.map(to_linear))
        .map(|value| (255.0 * half::f16::from_f32(value).to_f32()).round() as u8)
        .collect();
    let linear = image::RgbImage::from_raw(16, 16, linear).unwrap();
    let linear = preprocessing.apply(&linear).unwrap();
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let mut run = |input: TextureInput| {
            preprocessed(gpu, &mut preprocessor, &[input], expected.data().len())
        };
        // Linear values that are read as if they were sRGB.
        let view = view(gpu, &image, TextureFormat::Rgba16Float);
        let with_encoding = |encoding| {
            TextureInput::new(
                TextureSource::new(&view).color_encoding(encoding),
                &preprocessing,
            )
        };
        assert_same(
            &run(with_encoding(ColorEncoding::Linear)),
            expected.data(),
            name,
        );
        assert_same(
            &run(with_encoding(ColorEncoding::Srgb)),
            linear.data(),
            name,
        );

        // Linear values in 8 bits, which the kernel encodes.
        let ramp = image::RgbImage::from_fn(256, 1, |x, _| image::Rgb([x as u8; 3]));
        let row = Preprocessing {
            input_size: [3, 1, 256],
            crop_mode: shadernet::vision::CropMode::Squash,
            crop_pct: 1.0,
            ..preprocessing.clone()
        };
        let view = crate::support::view(gpu, &ramp, TextureFormat::Rgba8Unorm);
        let input = TextureInput::new(
            TextureSource::new(&view).color_encoding(ColorEncoding::Linear),
            &row,
        );
        let found = preprocessed(gpu, &mut preprocessor, &[input], 3 * 256);
        let encoded = image::RgbImage::from_fn(256, 1, |x, _| {
            let value = x as f64 / 255.0;
            let encoded = match value <= 0.0031308 {
                true => 12.92 * value,
                false => 1.055 * value.powf(1.0 / 2.4) - 0.055,
            };
            image::Rgb([(255.0 * encoded).round() as u8; 3])
        });
        assert_same(&found, row.apply(&encoded).unwrap().data(), name);
    }
}

/// sRGB bytes that the driver decodes and the kernel encodes again are unchanged.
#[test]
fn every_byte_survives_srgb() {
    let (_gl_lock, gpus) = gpus();
    let ramp = image::RgbImage::from_fn(256, 1, |x, _| image::Rgb([x as u8; 3]));
    let preprocessing = Preprocessing {
        crop_mode: shadernet::vision::CropMode::Squash,
        crop_pct: 1.0,
        mean: vec![0.0; 3],
        std: vec![1.0 / 255.0; 3],
        ..preprocessing([3, 1, 256])
    };
    let expected = preprocessing.apply(&ramp).unwrap();
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        for format in [TextureFormat::Rgba8UnormSrgb, TextureFormat::Rgba16Float] {
            let view = view(gpu, &ramp, format);
            let input = TextureInput::new(&view, &preprocessing);
            let found = preprocessed(gpu, &mut preprocessor, &[input], 3 * 256);
            assert_same(&found, expected.data(), &format!("{name} {format:?}"));
        }
    }
}

#[test]
fn values_that_are_not_colors_are_clamped() {
    use half::f16;
    let (_gl_lock, gpus) = gpus();
    let texels = [
        -1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        60000.0,
        -0.0,
    ];
    let bytes: Vec<u8> = (texels.iter())
        .flat_map(|&value| [f16::from_f32(value); 4])
        .flat_map(f16::to_le_bytes)
        .collect();
    let preprocessing = Preprocessing {
        crop_mode: shadernet::vision::CropMode::Squash,
        crop_pct: 1.0,
        mean: vec![0.0],
        std: vec![1.0],
        ..preprocessing([1, 1, 6])
    };
    for (name, gpu) in gpus {
        let size = [texels.len() as u32, 1];
        let texture = texture(gpu, size, TextureFormat::Rgba16Float, INPUT_USAGES);
        write(gpu, &texture, 0, &bytes);
        let view = texture.create_view(&Default::default());
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        for encoding in [ColorEncoding::Linear, ColorEncoding::Srgb] {
            let input = TextureInput::new(
                TextureSource::new(&view).color_encoding(encoding),
                &preprocessing,
            );
            let found = preprocessed(gpu, &mut preprocessor, &[input], 6);
            assert_same(
                &found,
                &[0.0, 0.0, 1.0, 0.0, 1.0, 0.0],
                &format!("{name} {encoding:?}"),
            );
        }
    }
}

/// Views of another mip level, or of another format than the texture's.
#[test]
fn the_mip_level_and_format_of_the_source_are_used() {
    let (_gl_lock, gpus) = gpus();
    let (image, smaller) = (noise(21, 13), noise(10, 6));
    let preprocessing = preprocessing([3, 9, 9]);
    let elements = 3 * 9 * 9;
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
            mip_level_count: 2,
            ..descriptor([21, 13], TextureFormat::Rgba8Unorm, INPUT_USAGES)
        });
        for (level, pixels) in [(0, &image), (1, &smaller)] {
            write(
                gpu,
                &texture,
                level,
                &texels(pixels, TextureFormat::Rgba8Unorm),
            );
        }
        for (level, pixels) in [(0, &image), (1, &smaller)] {
            let view = texture.create_view(&wgpu::TextureViewDescriptor {
                base_mip_level: level,
                ..Default::default()
            });
            let input =
                TextureInput::new(TextureSource::new(&view).mip_level(level), &preprocessing);
            let found = preprocessed(gpu, &mut preprocessor, &[input], elements);
            let expected = preprocessing.apply(pixels).unwrap();
            assert_same(&found, expected.data(), &format!("{name} level {level}"));
            // Without the mip level, the input is wrong, but nothing outside the texture is read.
            preprocessed(
                gpu,
                &mut preprocessor,
                &[TextureInput::new(&view, &preprocessing)],
                elements,
            );
        }

        // OpenGL has no views of other formats.
        if gpu.info().backend == wgpu::Backend::Gl {
            continue;
        }
        let formats = [TextureFormat::Rgba8Unorm, TextureFormat::Rgba8UnormSrgb];
        for (of_texture, of_view) in [(0, 1), (1, 0)].map(|(t, v)| (formats[t], formats[v])) {
            let texture = gpu.device().create_texture(&wgpu::TextureDescriptor {
                view_formats: &[of_view],
                ..descriptor([21, 13], of_texture, INPUT_USAGES)
            });
            write(gpu, &texture, 0, &texels(&image, of_texture));
            let view = texture.create_view(&wgpu::TextureViewDescriptor {
                format: Some(of_view),
                ..Default::default()
            });
            let input =
                TextureInput::new(TextureSource::new(&view).format(of_view), &preprocessing);
            let found = preprocessed(gpu, &mut preprocessor, &[input], elements);
            let expected = preprocessing.apply(&image).unwrap();
            assert_same(&found, expected.data(), name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn random_sizes_give_the_same_input_as_images(
        from in [1_u32..300, 1_u32..300],
        to in [1_usize..60, 1_usize..60],
        format in 0..FORMATS.len(),
        crop_mode in 0..CROP_MODES.len(),
        interpolation in 0..INTERPOLATIONS.len(),
        crop_pct in 0.5..1.5,
    ) {
        let (_gl_lock, gpus) = gpus();
        let image = noise(from[0], from[1]);
        let preprocessing = Preprocessing {
            crop_mode: CROP_MODES[crop_mode],
            interpolation: INTERPOLATIONS[interpolation],
            crop_pct,
            ..preprocessing([3, to[0], to[1]])
        };
        let expected = preprocessing.apply(&as_represented(&image, FORMATS[format])).unwrap();
        for (name, gpu) in gpus {
            let view = view(gpu, &image, FORMATS[format]);
            let mut preprocessor = Preprocessor::new(gpu).unwrap();
            let input = TextureInput::new(&view, &preprocessing);
            let found = preprocessed(gpu, &mut preprocessor, &[input], expected.data().len());
            assert_same(&found, expected.data(), name);
        }
    }
}
