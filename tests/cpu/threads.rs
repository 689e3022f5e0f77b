//! Threads, pools, and runs in flight.

use std::sync::Arc;

use shadernet::cpu::CpuOptions;
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::Backend;
use shadernet::graph::Graph;
use shadernet::rayon::ThreadPoolBuilder;
use shadernet::session::Session;
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

use super::{cpu, session};
use crate::generate::tensor;

fn network() -> (Graph, Arc<Weights>, Shape, Tensor) {
    let architecture = zoo::find("mobilenet_v3_small").unwrap();
    let graph = architecture.build(&ZooOptions::default()).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    let shape = Shape::from([1, 3, 64, 64]);
    let input = tensor(&shape, 2);
    (graph, weights, shape, input)
}

/// Sums do not depend on how tasks are shared.
#[test]
fn outputs_do_not_depend_on_threads() {
    let (graph, weights, shape, input) = network();
    let run = |device: &Device| {
        let mut session = session(device, &graph, &weights, &shape);
        session.run(std::slice::from_ref(&input)).unwrap()
    };
    let expected = run(&cpu(1));
    for threads in [2, 3, 7] {
        assert_eq!(run(&cpu(threads)), expected, "{threads}");
    }
    let pool = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let options = DeviceOptions::new()
        .backend(Backend::Cpu)
        .cpu(CpuOptions::new().pool(Arc::new(pool)));
    assert_eq!(run(&Device::open(&options).unwrap()), expected);
}

/// Sessions may be sent to other threads, and share one pool there.
#[test]
fn sessions_run_on_several_threads() {
    fn is_send<T: Send>() {}
    is_send::<Session>();
    let (graph, weights, shape, input) = network();
    // With four threads, helpers come and go while others stay.
    for threads in [2, 4] {
        let device = cpu(threads);
        let expected = session(&device, &graph, &weights, &shape)
            .run(std::slice::from_ref(&input))
            .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut session = session(&device, &graph, &weights, &shape);
                let (input, expected) = (&input, &expected);
                scope.spawn(move || {
                    for _ in 0..5 {
                        let outputs = session.run(std::slice::from_ref(input)).unwrap();
                        assert_eq!(&outputs, expected);
                    }
                });
            }
        });
    }
}

/// A pass within a task of the same pool ends, though all its threads may be busy.
#[test]
fn a_pool_may_run_the_pass_itself() {
    let (graph, weights, shape, input) = network();
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let options = DeviceOptions::new()
        .backend(Backend::Cpu)
        .cpu(CpuOptions::new().pool(pool.clone()));
    let device = Device::open(&options).unwrap();
    let run = || {
        let mut session = session(&device, &graph, &weights, &shape);
        session.run(std::slice::from_ref(&input)).unwrap()
    };
    let (a, b) = pool.install(|| shadernet::rayon::join(run, run));
    assert_eq!(a, b);
}

/// Runs in flight end in the order of submission. What is dropped is discarded, and keeps nothing alive.
#[test]
fn runs_in_flight() {
    let (graph, weights, shape, input) = network();
    let inputs: Vec<Tensor> = (0..6).map(|seed| tensor(&shape, seed)).collect();
    let mut session = session(&cpu(2), &graph, &weights, &shape);
    let expected: Vec<Vec<Tensor>> = (inputs.iter())
        .map(|input| session.run(std::slice::from_ref(input)).unwrap())
        .collect();
    let runs: Vec<_> = (inputs.iter())
        .map(|input| session.run_async(std::slice::from_ref(input)).unwrap())
        .collect();
    for (run, expected) in runs.into_iter().zip(&expected) {
        assert_eq!(&run.wait().unwrap(), expected);
    }
    for _ in 0..20 {
        drop(session.run_async(std::slice::from_ref(&input)).unwrap());
    }
    // After those that were dropped.
    let last = session.run_async(std::slice::from_ref(&inputs[3])).unwrap();
    assert_eq!(last.wait().unwrap(), expected[3]);
    let last = session.run_async(std::slice::from_ref(&inputs[1])).unwrap();
    drop(session);
    // The run outlives the session that submitted it.
    assert_eq!(last.wait().unwrap(), expected[1]);
    // The thread of the runs ends, and with it all that it held.
    let begin = std::time::Instant::now();
    while Arc::strong_count(&weights) > 1 && begin.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    assert_eq!(Arc::strong_count(&weights), 1);
}
