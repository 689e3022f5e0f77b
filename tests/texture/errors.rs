//! Errors for textures and targets that cannot be used. Nothing is recorded then.

use shadernet::Error;
use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput, TextureSource};
use shadernet::vision::Preprocessing;
use shadernet::wgpu::{self, TextureDescriptor, TextureFormat, TextureUsages};

use crate::devices::open_all;
use crate::host::{INPUT_USAGES, descriptor};
use crate::support::*;

/// The error for `inputs`. A valid input recorded afterwards must still work.
fn refusal(gpu: &Gpu, inputs: &[TextureInput], target: &wgpu::Buffer) -> Error {
    let mut preprocessor = Preprocessor::new(gpu).unwrap();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let refused = preprocessor
        .encode(&mut encoder, inputs, target)
        .unwrap_err();
    // A second call fails too: nothing invalid was cached.
    assert!(preprocessor.encode(&mut encoder, inputs, target).is_err());

    let image = noise(9, 9);
    let preprocessing = preprocessing([3, 4, 4]);
    let view = view(gpu, &image, TextureFormat::Rgba8Unorm);
    let valid = crate::support::target(gpu, 48);
    let input = TextureInput::new(&view, &preprocessing);
    preprocessor.encode(&mut encoder, &[input], &valid).unwrap();
    gpu.queue().submit([encoder.finish()]);
    let expected = preprocessing.apply(&image).unwrap();
    assert_same(&read(gpu, &valid), expected.data(), &refused.to_string());
    refused
}

#[test]
fn textures_that_cannot_be_read_are_named() {
    let (_gl_lock, gpus) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    let plain = descriptor([8, 8], TextureFormat::Rgba8Unorm, INPUT_USAGES);
    type Change = fn(&mut TextureDescriptor<'static>);
    let cases: [(Change, &[&str]); 7] = [
        (
            |d| d.format = TextureFormat::Rgba8Uint,
            &["Rgba8Uint", "R8Unorm", "Rgba16Float", "Bgra8UnormSrgb"],
        ),
        (
            |d| d.format = TextureFormat::Rgba32Float,
            &["Rgba32Float", "draw it"],
        ),
        (
            |d| d.format = TextureFormat::Depth32Float,
            &["Depth32Float"],
        ),
        (
            |d| {
                d.sample_count = 4;
                d.usage |= TextureUsages::RENDER_ATTACHMENT;
            },
            &["4 samples", "resolve"],
        ),
        (
            |d| d.usage = TextureUsages::COPY_DST,
            &["TEXTURE_BINDING", "COPY_DST"],
        ),
        (
            |d| {
                d.dimension = wgpu::TextureDimension::D3;
                d.size.depth_or_array_layers = 2;
            },
            &["a 2D texture", "D3", "8x8x2"],
        ),
        // The texture is valid, but its default view is one of an array.
        (|d| d.size.depth_or_array_layers = 2, &["a plain 2D view"]),
    ];
    for (name, gpu) in gpus {
        let target = target(gpu, 48);
        for (change, words) in &cases {
            let mut descriptor = plain.clone();
            change(&mut descriptor);
            let view = gpu
                .device()
                .create_texture(&descriptor)
                .create_view(&Default::default());
            let error =
                refusal(gpu, &[TextureInput::new(&view, &preprocessing)], &target).to_string();
            for word in *words {
                assert!(error.contains(word), "{name}: {error}");
            }
        }
    }
}

#[test]
fn inputs_and_targets_that_do_not_fit_are_named() {
    let (_gl_lock, gpus) = gpus();
    let (right, other) = (preprocessing([3, 4, 4]), preprocessing([3, 5, 4]));
    let wrong = Preprocessing {
        std: vec![0.0; 3],
        ..right.clone()
    };
    let two = Preprocessing {
        input_size: [2, 4, 4],
        mean: vec![0.0; 2],
        std: vec![1.0; 2],
        ..right.clone()
    };
    for (name, gpu) in gpus {
        let target = target(gpu, 48);
        let view = view(gpu, &noise(8, 8), TextureFormat::Rgba8Unorm);
        let input = TextureInput::new(&view, &right);
        let assert_refused = |inputs: &[TextureInput], target: &wgpu::Buffer, words: &[&str]| {
            let error = refusal(gpu, inputs, target).to_string();
            for word in words {
                assert!(error.contains(word), "{name}: {error}");
            }
        };
        assert_refused(&[], &target, &["at least one texture"]);
        assert_refused(
            &[input, input],
            &target,
            &["[2, 3, 4, 4]", "384 bytes", "192"],
        );
        assert_refused(
            &[input, TextureInput::new(&view, &other)],
            &target,
            &["texture 1 of the batch", "[3, 5, 4]"],
        );
        assert_refused(
            &[input, TextureInput::new(&view, &wrong)],
            &target,
            &["texture 1 of the batch", "std"],
        );
        assert_refused(
            &[TextureInput::new(&view, &two)],
            &target,
            &["1 or 3 input channels"],
        );
        let source = TextureSource::new(&view);
        for (source, words) in [
            (source.mip_level(1), ["mip level below 1", "found 1"]),
            (source.mip_level(77), ["mip level below 1", "found 77"]),
            (
                source.format(TextureFormat::Bgra8Unorm),
                ["Rgba8Unorm", "found Bgra8Unorm"],
            ),
        ] {
            assert_refused(&[TextureInput::new(source, &right)], &target, &words);
        }
        let unwritable = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 192,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        assert_refused(&[input], &unwritable, &["STORAGE", "COPY_DST"]);
    }
}

/// Only the needed part of a target larger than a binding is bound.
#[test]
fn a_target_may_exceed_a_binding_but_an_input_may_not() {
    let (_gl_lock, _) = gpus();
    for (name, device) in crate::devices::with_binding_limit(4096) {
        let shadernet::device::Device::Gpu(gpu) = &device else {
            panic!("{name} is not a GPU");
        };
        let image = noise(8, 8);
        let view = view(gpu, &image, TextureFormat::Rgba8Unorm);
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        // 256 levels per channel, 3 KiB, and the weights.
        let fits = preprocessing([3, 4, 4]);
        let found = preprocessed(
            gpu,
            &mut preprocessor,
            &[TextureInput::new(&view, &fits)],
            4096,
        );
        assert_same(&found[..48], fits.apply(&image).unwrap().data(), &name);
        let large = preprocessing([3, 20, 20]);
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let target = target(gpu, 1200);
        let input = TextureInput::new(&view, &large);
        let error = preprocessor
            .encode(&mut encoder, &[input], &target)
            .unwrap_err();
        assert!(
            matches!(error, Error::Limit { needed: 4800, .. }),
            "{name}: {error}"
        );
    }
}

#[test]
fn a_lost_device_is_an_error() {
    let (_gl_lock, _) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    for (name, device) in open_all() {
        let shadernet::device::Device::Gpu(gpu) = &device else {
            panic!("{name} is not a GPU");
        };
        let target = target(gpu, 48);
        let view = view(gpu, &noise(8, 8), TextureFormat::Rgba8Unorm);
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        gpu.device().destroy();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let input = TextureInput::new(&view, &preprocessing);
        let error = preprocessor
            .encode(&mut encoder, &[input], &target)
            .unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{name}: {error}");
        let error = Preprocessor::new(gpu).unwrap_err();
        assert!(matches!(error, Error::DeviceLost { .. }), "{name}: {error}");
    }
}

/// Two devices of one adapter: each refuses the other's textures and buffers.
#[test]
fn objects_of_another_device_are_refused() {
    let (_gl_lock, _) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    for backend in crate::devices::backends() {
        let adapter = shadernet::gpu::adapters(Some(backend)).swap_remove(0);
        let open = || Gpu::open(&adapter, &Default::default()).unwrap();
        // OpenGL has one device per adapter.
        if adapter.get_info().backend == wgpu::Backend::Gl {
            continue;
        }
        let (ours, theirs) = (open(), open());
        let (our_target, their_target) = (target(&ours, 48), target(&theirs, 48));
        let our_view = view(&ours, &noise(8, 8), TextureFormat::Rgba8Unorm);
        let their_view = view(&theirs, &noise(8, 8), TextureFormat::Rgba8Unorm);
        for (view, target) in [(&their_view, &our_target), (&our_view, &their_target)] {
            let error = refusal(&ours, &[TextureInput::new(view, &preprocessing)], target);
            assert!(error.to_string().contains("evice"), "{error}");
        }
    }
}
