//! Times preprocessing of a texture. Nothing is asserted.

use std::time::Instant;

use shadernet::texture::{Preprocessor, TextureInput};

use crate::support::*;

/// Run with `cargo test --test texture --release -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement"]
fn time_a_full_hd_texture_to_a_network_input() {
    let (_gl_lock, gpus) = gpus();
    let image = noise(1920, 1080);
    let preprocessing = preprocessing([3, 224, 224]);
    let started = Instant::now();
    for _ in 0..20 {
        preprocessing.apply(&image).unwrap();
    }
    println!("cpu: {:.2?}", started.elapsed() / 20);
    for (name, gpu) in gpus {
        let started = Instant::now();
        let mut preprocessor = Preprocessor::new(gpu).unwrap();
        // Software drivers compile on another thread: wait for it.
        gpu.device()
            .poll(shadernet::wgpu::PollType::wait_indefinitely())
            .unwrap();
        println!("{name}: ready after {:.2?}", started.elapsed());
        for format in FORMATS {
            let view = view(gpu, &image, format);
            let target = target(gpu, 3 * 224 * 224);
            let mut run = || {
                let started = Instant::now();
                let mut encoder = gpu.device().create_command_encoder(&Default::default());
                let input = TextureInput::new(&view, &preprocessing);
                preprocessor
                    .encode(&mut encoder, &[input], &target)
                    .unwrap();
                let encoded = started.elapsed();
                gpu.queue().submit([encoder.finish()]);
                gpu.device()
                    .poll(shadernet::wgpu::PollType::wait_indefinitely())
                    .unwrap();
                (started.elapsed(), encoded)
            };
            let first = run();
            let fastest = (0..30).map(|_| run()).min().unwrap();
            println!(
                "{name} {format:?}: {:.2?} ({:.2?} of it encoding), at first {:.2?}",
                fastest.0, fastest.1, first.0
            );
        }
    }
}
