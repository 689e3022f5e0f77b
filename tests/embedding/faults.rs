//! Lost devices and insufficient memory.

use super::devices::backends;
use super::support::{Host, block_on, is_own_process, tiny};
use shadernet::Error;
use shadernet::gpu::{Backend, adapters, is_software};
use shadernet::graph::{Conv2d, GraphBuilder};
use shadernet::session::SessionInput;
use shadernet::tensor::Shape;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::wgpu;

fn assert_lost<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(Error::DeviceLost { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: succeeded"),
    }
}

/// Every call on a lost device returns `DeviceLost`. After `restore` on another device, the session's outputs
/// are the same bit for bit, and nothing leaks.
#[test]
fn a_lost_device_is_an_error_and_can_be_replaced() {
    if cfg!(unix) && !is_own_process("faults::a_lost_device_is_an_error_and_can_be_replaced", ":") {
        return;
    }
    let (graph, weights, input) = tiny();
    let inputs = std::slice::from_ref(&input);
    for backend in backends() {
        let mut host = Host::open(backend);
        let mut session = host.session(&graph, &weights, input.shape());
        let expected = session.run(inputs).unwrap();
        let held = |host: &Host| {
            host.wait();
            let hal = host.device.get_internal_counters().hal;
            [
                &hal.buffers,
                &hal.bind_groups,
                &hal.buffer_memory,
                &hal.compute_pipelines,
            ]
            .map(|counter| counter.read())
        };
        let (at_first, mut resident) = (held(&host), None);
        for round in 0..50 {
            let runs: Vec<_> = (0..3).map(|_| session.run_async(inputs).unwrap()).collect();
            let mut encoder = host.device.create_command_encoder(&Default::default());
            let max = std::time::Duration::from_millis(1);
            let mut chunks = (round == 0).then(|| {
                session
                    .encode_chunks(&mut encoder, &[SessionInput::Tensor(&input)], max)
                    .unwrap()
            });
            host.device.destroy();
            // Runs in flight were submitted before. They complete, or fail because the device is lost.
            for run in runs {
                match block_on(run) {
                    Ok(outputs) => assert_eq!(outputs[0].data(), expected[0].data()),
                    Err(error) => assert_lost::<()>("in flight", Err(error)),
                }
            }
            assert!(host.gpu.is_lost());
            assert_lost("run", session.run(inputs));
            assert_lost("run_async", session.run_async(inputs).map(drop));
            assert_lost(
                "encode",
                session.encode(&mut encoder, &[SessionInput::Tensor(&input)]),
            );
            assert_lost("prepare", session.prepare(&[[2, 3, 32, 32].into()]));
            assert_lost("profile", session.profile(inputs, 1));
            if let Some(chunks) = &mut chunks {
                assert_lost("chunks", chunks.encode(&mut encoder));
            }
            drop((encoder, chunks));
            assert_lost("restore on the lost device", session.restore(&host.gpu));

            let next = Host::on(host.adapter.clone());
            session.restore(&next.gpu).unwrap();
            host = next;
            let outputs = session.run(inputs).unwrap();
            assert_eq!(
                outputs[0].data(),
                expected[0].data(),
                "{backend:?}: round {round}"
            );
            assert_eq!(held(&host), at_first, "{backend:?}: round {round}");
            // The memory of the process: that of lost devices is freed.
            if round == 10 {
                resident = memory();
            }
        }
        if let (Some(then), Some(now)) = (resident, memory()) {
            println!(
                "{backend:?}: resident {} kB after 10 rounds, {} kB after 50",
                then, now
            );
            assert!(
                now < then + 40_000,
                "{backend:?}: {then} kB became {now} kB"
            );
        }
    }
}

/// Where there is too little memory for a session, the error states how much it needs, and what was created for
/// it is freed. A software driver's memory is the process's, which is limited in a child process.
#[test]
#[cfg(target_os = "linux")]
fn insufficient_memory_is_an_error_and_nothing_leaks() {
    let adapter = adapters(Some(Backend::Vulkan)).into_iter().next();
    if !adapter.is_some_and(|adapter| is_software(&adapter.get_info())) {
        println!("skipped: only the memory of a software Vulkan driver can be limited");
        return;
    }
    let name = "faults::insufficient_memory_is_an_error_and_nothing_leaks";
    if !is_own_process(name, "ulimit -v 4000000") {
        return;
    }
    let host = Host::on(adapters(Some(Backend::Vulkan)).swap_remove(0));
    // Mesa after version 22 takes memory when it is used, and never refuses an allocation.
    let allocate = || -> Vec<wgpu::Buffer> {
        let descriptor = wgpu::BufferDescriptor {
            label: None,
            size: 64 << 20,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        };
        (0..128)
            .map(|_| host.device.create_buffer(&descriptor))
            .collect()
    };
    let scope = host.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffers = allocate();
    if pollster::block_on(scope.pop()).is_none() {
        println!(
            "skipped: {} allocates more memory than there is",
            host.adapter.get_info().driver_info
        );
        return;
    }
    drop(buffers);
    // Many large values are alive at once.
    let mut b = GraphBuilder::new("wide");
    let x = b.image_input("input", 4);
    for i in 0..64 {
        let y = b.conv2d(format!("conv{i}"), x, Conv2d::new(4, 4, 1));
        b.output(y);
    }
    let graph = b.build().unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let small = [Shape::from([1, 4, 16, 16])];
    let mut session = host.session(&graph, &weights, &small[0]);
    let input = generated_input([1, 4, 16, 16]);
    let expected = session.run(std::slice::from_ref(&input)).unwrap();
    let held = || {
        host.wait();
        let hal = host.device.get_internal_counters().hal;
        [&hal.buffers, &hal.bind_groups, &hal.buffer_memory].map(|counter| counter.read())
    };
    let before = held();
    match session.prepare(&[Shape::from([1, 4, 2048, 2048])]) {
        Err(
            error @ Error::OutOfMemory {
                needed: Some(bytes),
                ..
            },
        ) => {
            println!("{error}");
            assert!(bytes > 4 << 30, "{bytes}");
        }
        other => panic!("{other:?}"),
    }
    let again = session.run(&[input]).unwrap();
    assert_eq!(again[0].data(), expected[0].data());
    // wgpu frees the staging memory of a dropped buffer at the next submission.
    assert_eq!(held(), before);
}

/// Resident kilobytes of this process; on Linux.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
