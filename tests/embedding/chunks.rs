//! Passes recorded in chunks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::devices::backends;
use super::host::{texture, values};
use super::support::{Host, deep, scaled};
use shadernet::session::SessionInput;
use shadernet::wgpu::{self, TextureFormat, TextureUsages};

#[test]
fn a_pass_in_chunks_equals_a_whole_pass() {
    let (graph, weights, input) = deep();
    for backend in backends() {
        let host = Host::open(backend);
        let mut session = host.session(&graph, &weights, input.shape());
        let expected = session.run(std::slice::from_ref(&input)).unwrap();
        let shapes = [input.shape().clone()];
        session.prepare_chunks(&shapes).unwrap();
        let mut chunk_counts = Vec::new();
        for max in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            let mut chunks = session
                .encode_chunks(&mut encoder, &[SessionInput::Tensor(&input)], max)
                .unwrap();
            let outputs = loop {
                let outputs = chunks.encode(&mut encoder).unwrap();
                host.queue.submit([encoder.finish()]);
                encoder = host.device.create_command_encoder(&Default::default());
                if let Some(outputs) = outputs {
                    break outputs;
                }
            };
            let (completed, total) = chunks.progress();
            assert_eq!(completed, total);
            assert!(chunks.encode(&mut encoder).unwrap().is_none());
            chunk_counts.push(total);
            let found = values(&host.gpu, &outputs[0]);
            assert_eq!(found, expected[0].data(), "{backend:?}");
        }
        let [most, some, one] = chunk_counts[..] else {
            panic!()
        };
        assert!(most > 20 && some <= most && one == 1, "{chunk_counts:?}");
    }
}

#[test]
fn chunks_are_refused_after_another_run() {
    let (graph, weights, input) = deep();
    let host = Host::open(backends()[0]);
    let mut session = host.session(&graph, &weights, input.shape());
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let inputs = [SessionInput::Tensor(&input)];
    let mut chunks = session
        .encode_chunks(&mut encoder, &inputs, Duration::ZERO)
        .unwrap();
    assert!(chunks.encode(&mut encoder).unwrap().is_none());
    let other = scaled(&input, 3);
    let expected = session.run(std::slice::from_ref(&other)).unwrap();
    let error = chunks.encode(&mut encoder).unwrap_err();
    assert!(error.to_string().contains("begin it again"), "{error}");
    // A pass that is dropped before its last chunk does not affect later runs.
    let mut chunks = session
        .encode_chunks(&mut encoder, &inputs, Duration::ZERO)
        .unwrap();
    chunks.encode(&mut encoder).unwrap();
    drop(chunks);
    host.queue.submit([encoder.finish()]);
    let again = session.run(std::slice::from_ref(&other)).unwrap();
    assert_eq!(again[0].data(), expected[0].data());
}

/// Mesa's software driver writes wrong timestamps while something is drawn.
#[test]
fn steps_are_timed_correctly_while_the_host_draws() {
    let (graph, weights, input) = deep();
    let host = Host::open(backends()[0]);
    let mut session = host.session(&graph, &weights, input.shape());
    let (format, usage) = (TextureFormat::Rgba8Unorm, TextureUsages::RENDER_ATTACHMENT);
    let target = texture(&host.gpu, [640, 480], format, usage);
    let view = target.create_view(&Default::default());
    let draw = || {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        drop(encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations::default(),
            })],
            ..Default::default()
        }));
        host.queue.submit([encoder.finish()]);
    };
    let is_finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_finished.load(Ordering::Relaxed) {
                draw();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let prepared = session.prepare_chunks(&[input.shape().clone()]);
        is_finished.store(true, Ordering::Relaxed);
        prepared.unwrap();
    });
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let whole = session
        .encode_chunks(&mut encoder, &[SessionInput::Tensor(&input)], Duration::MAX)
        .unwrap()
        .longest();
    let run = (0..5).map(|_| {
        let start = Instant::now();
        session.run(std::slice::from_ref(&input)).unwrap();
        start.elapsed()
    });
    let shortest = run.min().unwrap();
    assert!(
        whole > shortest / 2,
        "{whole:?} as the sum of the steps, {shortest:?} measured"
    );
}
