//! What is made, kept and let go, and that what was recorded is never changed.

use shadernet::gpu::Gpu;
use shadernet::texture::{Preprocessor, TextureInput};
use shadernet::vision::Preprocessing;
use shadernet::wgpu::{self, TextureFormat};

use crate::support::*;

/// Buffers, bind groups and views that there are. (On Vulkan, wgpu 30 counts textures only as they go.)
fn counts(gpu: &Gpu) -> [isize; 3] {
    // What was written goes with the next submission.
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
fn a_host_that_shows_the_same_views_again_makes_nothing() {
    let (_gl_lock, gpus) = gpus();
    let picture = noise(40, 30);
    let preprocessing = preprocessing([3, 10, 10]);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        // Two frames in turns, and a batch larger than what is kept otherwise.
        let views: Vec<_> = (0..11)
            .map(|_| view(gpu, &picture, TextureFormat::Rgba8Unorm))
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
fn a_host_that_has_a_new_view_each_frame_has_few_in_use() {
    let (_gl_lock, gpus) = gpus();
    let preprocessing = preprocessing([3, 10, 10]);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let target = target(gpu, 300);
        let before = counts(gpu);
        let mut most = [0; 3];
        for frame in 0..60 {
            // A window that is dragged larger: each frame is of another size.
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
        // A table and a uniform block of each size that is kept, and of the one that just gave way.
        assert!((16..=2 * 9 + 3).contains(&most[0]), "{name}: {most:?}");
        assert!((8..=9).contains(&most[1]), "{name}: {most:?}");
        assert!((8..=10).contains(&most[2]), "{name}: {most:?}");
        preprocessor.clear();
        assert_eq!(counts(gpu)[1..], before[1..], "{name}");
    }
}

/// More preprocessings than are kept, all in one encoder that is submitted at the end.
#[test]
fn what_was_recorded_stays_as_it_was() {
    let (_gl_lock, gpus) = gpus();
    let picture = noise(40, 30);
    for (name, gpu) in gpus {
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        let view = view(gpu, &picture, TextureFormat::Bgra8Unorm);
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
            let expected = preprocessing.apply(&picture).unwrap();
            assert_same(&read(gpu, target), expected.data(), name);
        }
    }
}

#[test]
fn preprocessors_can_be_sent() {
    fn is_send<T: Send + Sync>() {}
    is_send::<Preprocessor>();
    is_send::<TextureInput<'static>>();
}
