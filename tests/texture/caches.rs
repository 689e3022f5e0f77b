//! Resources that are created, cached and evicted, and recorded parameters that are not changed.

use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput};
use shadernet::vision::Preprocessing;
use shadernet::wgpu::{self, TextureFormat};

use crate::support::*;

/// The numbers of live buffers, bind groups and texture views. (On Vulkan, wgpu 30 does not count new
/// textures.)
fn counts(gpu: &Gpu) -> [isize; 3] {
    // Staging memory of writes is freed with the next submission.
    gpu.queue().submit([]);
    gpu.device()
        .poll(wgpu::PollType::wait_indefinitely())
        .unwrap();
    let counters = gpu.device().get_internal_counters().hal;
    let counters = [
        &counters.buffers,
        &counters.bind_groups,
        &counters.texture_views,
    ];
    counters.map(|counter| counter.read())
}

#[test]
fn repeated_views_create_nothing() {
    let (_gl_lock, gpus) = gpus();
    let image = noise(40, 30);
    let preprocessing = preprocessing([3, 10, 10]);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        // Two frames alternately, and a batch of more textures than are cached otherwise.
        let views: Vec<_> = (0..11)
            .map(|_| view(gpu, &image, TextureFormat::Rgba8Unorm))
            .collect();
        let inputs: Vec<_> = (views.iter())
            .map(|view| TextureInput::new(view, &preprocessing))
            .collect();
        let target = target(gpu, 11 * 300);
        let mut frame = |inputs: &[TextureInput]| {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            preprocessor.encode(&mut encoder, inputs, &target).unwrap();
            gpu.queue().submit([encoder.finish()]);
            counts(gpu)
        };
        for batches in [[&inputs[..1], &inputs[1..2]], [&inputs[..], &inputs[..]]] {
            let _ = batches.map(&mut frame);
            let before = batches.map(&mut frame);
            for _ in 0..50 {
                assert_eq!(batches.map(&mut frame), before, "{name}");
            }
        }
    }
}

#[test]
fn new_views_evict_old_ones() {
    let (_gl_lock, gpus) = gpus();
    let preprocessing = preprocessing([3, 10, 10]);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let target = target(gpu, 300);
        let before = counts(gpu);
        let mut most = [0; 3];
        for frame in 0..60 {
            // A window that is being enlarged: each frame has another size.
            let view = view(gpu, &noise(20 + frame, 30), TextureFormat::Rgba8Unorm);
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let input = TextureInput::new(&view, &preprocessing);
            preprocessor
                .encode(&mut encoder, &[input], &target)
                .unwrap();
            gpu.queue().submit([encoder.finish()]);
            let now = counts(gpu);
            for i in 0..3 {
                most[i] = most[i].max(now[i] - before[i]);
            }
        }
        // A table and a uniform block for each cached size, and for the one that was just evicted.
        assert!((16..=2 * 9 + 3).contains(&most[0]), "{name}: {most:?}");
        assert!((8..=9).contains(&most[1]), "{name}: {most:?}");
        assert!((8..=10).contains(&most[2]), "{name}: {most:?}");
        preprocessor.clear();
        assert_eq!(counts(gpu)[1..], before[1..], "{name}");
    }
}

/// More preprocessings than are cached, all in one encoder that is submitted at the end.
#[test]
fn recorded_parameters_are_not_changed_by_later_ones() {
    let (_gl_lock, gpus) = gpus();
    let image = noise(40, 30);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let view = view(gpu, &image, TextureFormat::Bgra8Unorm);
        let preprocessings: Vec<_> = (1..=20)
            .map(|i| Preprocessing {
                std: vec![0.1 * i as f32; 3],
                ..preprocessing([3, 10, 10])
            })
            .collect();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let targets: Vec<_> = (preprocessings.iter())
            .map(|preprocessing| {
                let target = target(gpu, 300);
                let input = TextureInput::new(&view, preprocessing);
                preprocessor
                    .encode(&mut encoder, &[input], &target)
                    .unwrap();
                target
            })
            .collect();
        drop(preprocessor);
        gpu.queue().submit([encoder.finish()]);
        for (preprocessing, target) in preprocessings.iter().zip(&targets) {
            let expected = preprocessing.apply(&image).unwrap();
            assert_same(&read(gpu, target), expected.data(), name);
        }
    }
}

#[test]
fn preprocessors_are_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Preprocessor>();
    is_send_and_sync::<TextureInput<'static>>();
}
