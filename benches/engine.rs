//! What the engine costs the CPU, and small networks end to end, on the device that is the default
//! here. `cargo bench` runs all, `cargo bench -- encode` one group, `cargo bench -- --quick` soon.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use shadernet::device::{Device, DeviceOptions};
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

/// A network with generated weights, ready for these shapes.
fn session(name: &str, size: [usize; 2]) -> (Session, Vec<Shape>) {
    let device = Device::open(&DeviceOptions::default()).expect("a device");
    let options = ZooOptions::default();
    let graph = zoo::build(name, &options).expect("a known architecture");
    let shapes = vec![Shape::from([1, 3, size[0], size[1]])];
    let weights = Weights::generated(&graph, 1.0);
    let options = SessionOptions::default();
    let session = Session::new(&device, &graph, weights, &options, &shapes).expect("a session");
    println!("{name} on {device}");
    (session, shapes)
}

/// Planning and encoding ResNet-50: what a pass and a new input shape cost the CPU. The bound that
/// encoding is held to is in `docs/performance.md`.
fn cpu(c: &mut Criterion) {
    let (mut session, shapes) = session("resnet50", [224, 224]);
    let dispatches = session.plan_only(&shapes).expect("a plan");
    println!("resnet50: {dispatches} dispatches");
    c.bench_function("plan resnet50", |b| {
        b.iter(|| black_box(session.plan_only(&shapes)));
    });
    c.bench_function("encode resnet50", |b| {
        b.iter(|| black_box(session.encode_only(&shapes)));
    });
}

/// Whole passes of sizes that a software device does in milliseconds.
fn passes(c: &mut Criterion) {
    let mut group = c.benchmark_group("pass");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, size) in [
        ("resnet18", [64, 64]),
        ("mobilenet_v2", [64, 64]),
        ("densenet121", [64, 64]),
    ] {
        // Made when it is first asked for: the command line may name other benches.
        let mut ready = None;
        let [height, width] = size;
        group.bench_function(format!("{name} {height}x{width}"), |b| {
            let (session, input) = ready.get_or_insert_with(|| {
                let (session, shapes) = session(name, size);
                (session, [generated_input(shapes[0].clone())])
            });
            b.iter(|| session.run(input).expect("a pass"));
        });
    }
    group.finish();
}

criterion_group!(engine, cpu, passes);
criterion_main!(engine);
