//! What cannot be shown to a network is refused, in words, and nothing is recorded.

use shadernet::Error;
use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput, TextureSource};
use shadernet::vision::Preprocessing;
use shadernet::wgpu::{self, TextureDescriptor, TextureFormat, TextureUsages};

use crate::devices::open_all;
use crate::host::{SHOWN, descriptor};
use crate::support::*;

/// The refusal of `input`; what is recorded afterwards has to be all right.
fn refusal(gpu: &Gpu, inputs: &[TextureInput], target: &wgpu::Buffer) -> Error {
    let mut preprocessor = Preprocessor::new(gpu).unwrap();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let refused = preprocessor
        .encode(&mut encoder, inputs, target)
        .unwrap_err();
    // Refused again: nothing that is wrong was kept.
    assert!(preprocessor.encode(&mut encoder, inputs, target).is_err());

    let picture = noise(9, 9);
    let preprocessing = preprocessing([3, 4, 4]);
    let view = view(gpu, &picture, TextureFormat::Rgba8Unorm);
    let right = crate::support::target(gpu, 48);
    let input = TextureInput::new(&view, &preprocessing);
    preprocessor.encode(&mut encoder, &[input], &right).unwrap();
    gpu.queue().submit([encoder.finish()]);
    let expected = preprocessing.apply(&picture).unwrap();
    assert_same(&read(gpu, &right), expected.data(), &refused.to_string());
    refused
}

#[test]
fn textures_that_cannot_be_read_are_named() {
    let (_gl_lock, gpus) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    let plain = descriptor([8, 8], TextureFormat::Rgba8Unorm, SHOWN);
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
        // Only the view knows that it is one of an array.
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
fn what_does_not_fit_is_named() {
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
        let says = |inputs: &[TextureInput], target: &wgpu::Buffer, words: &[&str]| {
            let error = refusal(gpu, inputs, target).to_string();
            for word in words {
                assert!(error.contains(word), "{name}: {error}");
            }
        };
        says(&[], &target, &["at least one texture"]);
        says(
            &[input, input],
            &target,
            &["[2, 3, 4, 4]", "384 bytes", "192"],
        );
        says(
            &[input, TextureInput::new(&view, &other)],
            &target,
            &["texture 1 of the batch", "[3, 5, 4]"],
        );
        says(
            &[input, TextureInput::new(&view, &wrong)],
            &target,
            &["texture 1 of the batch", "std"],
        );
        says(
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
            says(&[TextureInput::new(source, &right)], &target, &words);
        }
        let unwritable = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 192,
            usage: wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        says(&[input], &unwritable, &["STORAGE", "COPY_DST"]);
    }
}

/// A target larger than a binding is bound as far as it is needed.
#[test]
fn limits_are_those_of_the_input() {
    let (_gl_lock, _) = gpus();
    for (name, device) in crate::devices::with_binding_limit(4096) {
        let shadernet::device::Device::Gpu(gpu) = &device else {
            panic!("{name} is no GPU");
        };
        let picture = noise(8, 8);
        let view = view(gpu, &picture, TextureFormat::Rgba8Unorm);
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        // 256 levels a channel and the weights: 3 KiB and a little.
        let fits = preprocessing([3, 4, 4]);
        let found = preprocessed(
            gpu,
            &mut preprocessor,
            &[TextureInput::new(&view, &fits)],
            4096,
        );
        assert_same(&found[..48], fits.apply(&picture).unwrap().data(), &name);
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
fn a_device_that_is_lost_is_an_error() {
    let (_gl_lock, _) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    for (name, device) in open_all() {
        let shadernet::device::Device::Gpu(gpu) = &device else {
            panic!("{name} is no GPU");
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

/// Two devices of one adapter: what belongs to one is refused by the other.
#[test]
fn textures_of_another_device_are_refused() {
    let (_gl_lock, _) = gpus();
    let preprocessing = preprocessing([3, 4, 4]);
    for backend in crate::devices::backends() {
        let adapter = shadernet::gpu::adapters(Some(backend)).swap_remove(0);
        let open = || Gpu::open(&adapter, &Default::default()).unwrap();
        // OpenGL has one device an adapter.
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
