//! Lost devices, memory that is not there, and errors that must not end the process.

use super::devices::backends;
use super::support::{Host, block_on, is_alone, tiny};
use shadernet::Error;
use shadernet::gpu::{Backend, adapters, is_software};
use shadernet::graph::{Conv2d, GraphBuilder};
use shadernet::session::SessionInput;
use shadernet::tensor::Shape;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::wgpu;

fn is_lost<T>(what: &str, result: Result<T, Error>) {
    match result {
        Err(Error::DeviceLost { .. }) => {}
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: succeeded"),
    }
}

/// Every call on a lost device says so; on another, the session carries on to the bit, and nothing is
/// left behind.
#[test]
fn a_lost_device_is_told_of_and_replaced() {
    if cfg!(unix) && !is_alone("faults::a_lost_device_is_told_of_and_replaced", ":") {
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
            let in_pieces = std::time::Duration::from_millis(1);
            let mut slices = (round == 0).then(|| {
                session
                    .encode_chunks(&mut encoder, &[SessionInput::Tensor(&input)], in_pieces)
                    .unwrap()
            });
            host.device.destroy();
            // Those in flight were submitted before: they come back, or say why they do not.
            for run in runs {
                match block_on(run) {
                    Ok(answers) => assert_eq!(answers[0].data(), expected[0].data()),
                    Err(error) => is_lost::<()>("in flight", Err(error)),
                }
            }
            assert!(host.gpu.is_lost());
            is_lost("run", session.run(inputs));
            is_lost("run_async", session.run_async(inputs).map(drop));
            is_lost(
                "encode",
                session.encode(&mut encoder, &[SessionInput::Tensor(&input)]),
            );
            is_lost("prepare", session.prepare(&[[2, 3, 32, 32].into()]));
            is_lost("profile", session.profile(inputs, 1));
            if let Some(slices) = &mut slices {
                is_lost("slices", slices.encode(&mut encoder));
            }
            drop((encoder, slices));
            is_lost("restore on the lost device", session.restore(&host.gpu));

            let next = Host::on(host.adapter.clone());
            session.restore(&next.gpu).unwrap();
            host = next;
            let answers = session.run(inputs).unwrap();
            assert_eq!(
                answers[0].data(),
                expected[0].data(),
                "{backend:?}: round {round}"
            );
            assert_eq!(held(&host), at_first, "{backend:?}: round {round}");
            // Of the process: what the lost devices held is given back.
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

/// Where there is no memory for a session, the error says how much it takes, and what was made for it is
/// given back. A software driver's memory is the process's, which a child of this one has little of.
#[test]
#[cfg(target_os = "linux")]
fn memory_that_is_not_there_is_told_of() {
    let adapter = adapters(Some(Backend::Vulkan)).into_iter().next();
    if !adapter.is_some_and(|adapter| is_software(&adapter.get_info())) {
        println!("only a software Vulkan driver can be given little memory");
        return;
    }
    let name = "faults::memory_that_is_not_there_is_told_of";
    if !is_alone(name, "ulimit -v 4000000") {
        return;
    }
    let host = Host::on(adapters(Some(Backend::Vulkan)).swap_remove(0));
    // Later versions of Mesa than 22 take memory when it is used, and refuse none that is asked for.
    let ask = || -> Vec<wgpu::Buffer> {
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
    let asked = ask();
    if pollster::block_on(scope.pop()).is_none() {
        println!(
            "{}: gives memory that is not there",
            host.adapter.get_info().driver_info
        );
        return;
    }
    drop(asked);
    // Many large values at once.
    let mut b = GraphBuilder::new("wide");
    let x = b.image_input("input", 4);
    for i in 0..64 {
        let y = b.conv2d(format!("conv{i}"), x, Conv2d::new(4, 4, 1));
        b.output(y);
    }
    let graph = b.build().unwrap();
    let weights = std::sync::Arc::new(Weights::generated(&graph, 1.0));
    let little = [Shape::from([1, 4, 16, 16])];
    let mut session = host.session(&graph, &weights, &little[0]);
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
    // wgpu lets go of what a dropped buffer was to be filled with at the next submission.
    assert_eq!(held(), before);
}

/// Resident kilobytes of this process; on Linux.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
