//! Passes in pieces.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::devices::backends;
use super::host::{texture, values};
use super::support::{Host, another, small};
use shadernet::session::SessionInput;
use shadernet::wgpu::{self, TextureFormat, TextureUsages};

#[test]
fn pieces_make_a_pass() {
    let (graph, weights, input) = small();
    for backend in backends() {
        let host = Host::open(backend);
        let mut session = host.session(&graph, &weights, input.shape());
        let expected = session.run(std::slice::from_ref(&input)).unwrap();
        let shapes = [input.shape().clone()];
        session.prepare_chunks(&shapes).unwrap();
        let mut piece_counts = Vec::new();
        for max in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            let mut slices = session
                .encode_chunks(&mut encoder, &[SessionInput::Tensor(&input)], max)
                .unwrap();
            let outputs = loop {
                let outputs = slices.encode(&mut encoder).unwrap();
                host.queue.submit([encoder.finish()]);
                encoder = host.device.create_command_encoder(&Default::default());
                if let Some(outputs) = outputs {
                    break outputs;
                }
            };
            let (done, all) = slices.progress();
            assert_eq!(done, all);
            assert!(slices.encode(&mut encoder).unwrap().is_none());
            piece_counts.push(all);
            let found = values(&host.gpu, &outputs[0]);
            assert_eq!(found, expected[0].data(), "{backend:?}");
        }
        let [most, some, one] = piece_counts[..] else {
            panic!()
        };
        assert!(most > 20 && some <= most && one == 1, "{piece_counts:?}");
    }
}

#[test]
fn a_pass_that_was_overtaken_does_not_go_on() {
    let (graph, weights, input) = small();
    let host = Host::open(backends()[0]);
    let mut session = host.session(&graph, &weights, input.shape());
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let inputs = [SessionInput::Tensor(&input)];
    let mut slices = session
        .encode_chunks(&mut encoder, &inputs, Duration::ZERO)
        .unwrap();
    assert!(slices.encode(&mut encoder).unwrap().is_none());
    let other = another(&input, 3);
    let expected = session.run(std::slice::from_ref(&other)).unwrap();
    let error = slices.encode(&mut encoder).unwrap_err();
    assert!(error.to_string().contains("begin it again"), "{error}");
    // One that is dropped in the middle leaves nothing behind.
    let mut slices = session
        .encode_chunks(&mut encoder, &inputs, Duration::ZERO)
        .unwrap();
    slices.encode(&mut encoder).unwrap();
    drop(slices);
    host.queue.submit([encoder.finish()]);
    let again = session.run(std::slice::from_ref(&other)).unwrap();
    assert_eq!(again[0].data(), expected[0].data());
}

/// Mesa's software driver writes timestamps at other times while something is drawn.
#[test]
fn steps_are_timed_while_the_host_draws() {
    let (graph, weights, input) = small();
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
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                draw();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let prepared = session.prepare_chunks(&[input.shape().clone()]);
        is_over.store(true, Ordering::Relaxed);
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
    assert!(whole > shortest / 2, "{whole:?} by its steps, {shortest:?}");
}
