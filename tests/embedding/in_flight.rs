//! Several runs in flight.

use super::devices::{all_devices, backends};
use super::support::{Host, block_on, scaled, small};
use shadernet::gpu::Downloads;
use shadernet::session::{Run, Session, SessionOptions};
use shadernet::tensor::Tensor;
use shadernet::wgpu;

/// The output of each of `inputs`, run by itself.
fn run_each(session: &mut Session, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut run = |input| {
        let mut outputs = session.run(std::slice::from_ref(input)).unwrap();
        outputs.swap_remove(0)
    };
    inputs.iter().map(&mut run).collect()
}

#[test]
fn sessions_and_runs_are_send() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Session>();
    is_sync::<Session>();
    is_send::<Run>();
    is_send::<shadernet::session::PassChunks>();
    is_sync::<shadernet::gpu::Gpu>();
}

#[test]
fn futures_are_driven_by_any_executor() {
    let (graph, weights, input) = small();
    for (name, device) in all_devices() {
        let options = SessionOptions::default();
        let shapes = [input.shape().clone()];
        let mut session =
            Session::new(&device, &graph, weights.clone(), &options, &shapes).unwrap();
        let inputs: Vec<Tensor> = (0..4).map(|i| scaled(&input, i)).collect();
        let expected = run_each(&mut session, &inputs);
        let start = |input| session.run_async(std::slice::from_ref(input)).unwrap();
        let runs: Vec<Run> = inputs.iter().map(start).collect();
        // One run is sent to another thread, the last is awaited first, and one is dropped.
        let mut runs = runs.into_iter();
        let (first, second, third, last) = (
            runs.next().unwrap(),
            runs.next().unwrap(),
            runs.next().unwrap(),
            runs.next().unwrap(),
        );
        assert_eq!(
            block_on(last).unwrap()[0].data(),
            expected[3].data(),
            "{name}"
        );
        drop(second);
        let sent = std::thread::spawn(move || block_on(first));
        assert_eq!(
            third.wait().unwrap()[0].data(),
            expected[2].data(),
            "{name}"
        );
        assert_eq!(
            sent.join().unwrap().unwrap()[0].data(),
            expected[0].data(),
            "{name}"
        );
    }
}

/// Threads share a session through a lock. Sessions on one device need no lock.
#[test]
fn threads_share_a_device() {
    let (graph, weights, input) = small();
    for backend in backends() {
        let host = Host::open(backend);
        let expected = host
            .session(&graph, &weights, input.shape())
            .run(std::slice::from_ref(&input))
            .unwrap();
        let shared = std::sync::Mutex::new(host.session(&graph, &weights, input.shape()));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..3 {
                        let run = {
                            let mut session = shared.lock().unwrap();
                            session.run_async(std::slice::from_ref(&input)).unwrap()
                        };
                        assert_eq!(run.wait().unwrap()[0].data(), expected[0].data());
                    }
                });
            }
            scope.spawn(|| {
                let mut own = host.session(&graph, &weights, input.shape());
                for _ in 0..3 {
                    let outputs = own.run(std::slice::from_ref(&input)).unwrap();
                    assert_eq!(outputs[0].data(), expected[0].data());
                }
            });
        });
    }
}

/// Outputs are correct and in order, and a device has as many objects after a thousand runs as after ten.
#[test]
fn a_thousand_runs_with_three_in_flight() {
    const RUNS: usize = 1000;
    let graph = shadernet::zoo::build("mlp", &Default::default()).unwrap();
    let weights = std::sync::Arc::new(shadernet::weights::Weights::generated(&graph, 1.0));
    let input = shadernet::weights::generate::generated_input([1, 1, 28, 28]);
    for backend in backends() {
        let host = Host::open(backend);
        let mut session = host.session(&graph, &weights, input.shape());
        let inputs: Vec<Tensor> = (0..7).map(|i| scaled(&input, i)).collect();
        let expected = run_each(&mut session, &inputs);
        let counts = || {
            let hal = host.device.get_internal_counters().hal;
            let counters = [
                &hal.buffers,
                &hal.bind_groups,
                &hal.buffer_memory,
                &hal.memory_allocations,
                &hal.compute_pipelines,
                &hal.fences,
            ];
            counters.map(|counter| counter.read())
        };
        let mut in_flight = std::collections::VecDeque::new();
        let mut after_ten = None;
        let check = |(i, run): (usize, Run)| {
            let outputs = block_on(run).unwrap();
            assert_eq!(
                outputs[0].data(),
                expected[i % 7].data(),
                "{backend:?}: run {i}"
            );
        };
        for i in 0..RUNS {
            if in_flight.len() == 3 {
                in_flight.pop_front().into_iter().for_each(check);
            }
            let run = session
                .run_async(std::slice::from_ref(&inputs[i % 7]))
                .unwrap();
            in_flight.push_back((i, run));
            if i == 10 {
                after_ten = Some(counts());
            }
        }
        let at_the_end = counts();
        in_flight.into_iter().for_each(check);
        println!(
            "{backend:?}: {RUNS} runs, {at_the_end:?} buffers, bind groups, bytes, allocations, pipelines, fences"
        );
        assert_eq!(Some(at_the_end), after_ten, "{backend:?}");
    }
}

/// Bytes can be taken once, because afterwards their buffer may serve another download.
#[test]
fn a_download_can_be_taken_once() {
    for backend in backends() {
        let host = Host::open(backend);
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let list = host.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("list"),
            size: 16,
            usage,
            mapped_at_creation: false,
        });
        let downloads = Downloads::new(&host.gpu, 8);
        let receive = |bytes: [u8; 16]| {
            host.queue.write_buffer(&list, 0, &bytes);
            let mut encoder = host.device.create_command_encoder(&Default::default());
            let download = downloads.record(&mut encoder, &list, 8).unwrap();
            host.queue.submit([encoder.finish()]);
            download.receive().unwrap()
        };
        let mut first = receive([1; 16]);
        let bytes = loop {
            if let Some(bytes) = first.take_if_ready() {
                break bytes.unwrap();
            }
            std::thread::yield_now();
        };
        assert_eq!(bytes, [1; 8], "{backend:?}");
        let second = receive([2; 16]);
        host.wait();
        let error = first.take_if_ready().unwrap().unwrap_err();
        assert!(error.to_string().contains("already taken"), "{error}");
        assert_eq!(block_on(second).unwrap(), [2; 8], "{backend:?}");
    }
}
