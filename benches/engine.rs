//! The engine's CPU time on the first adapter, and small networks end to end on the default device. `cargo bench`
//! runs all, `cargo bench -- encode` one group, `cargo bench -- --quick` takes less time, and
//! `WGPU_BACKEND=vulkan cargo bench` measures software Vulkan where there is no GPU.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use shadernet::device::{Device, DeviceOptions};
use shadernet::gpu::{Gpu, GpuOptions, adapters};
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::Shape;
use shadernet::vision::decode_bytes;
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::zoo::{self, ZooOptions};

/// A network with generated weights, ready for these shapes.
fn session(device: &Device, name: &str, size: [usize; 2]) -> (Session, Vec<Shape>) {
    let options = ZooOptions::default();
    let graph = zoo::build(name, &options).expect("a known architecture");
    let shapes = vec![Shape::from([1, 3, size[0], size[1]])];
    let weights = Weights::generated(&graph, 1.0);
    let options = SessionOptions::default();
    let session = Session::new(device, &graph, weights, &options, &shapes).expect("a session");
    println!("{name} on {device}");
    (session, shapes)
}

/// Planning and encoding ResNet-50: the CPU time of a pass and of a new input shape. The bound for encoding is
/// in `docs/performance.md`.
fn cpu(c: &mut Criterion) {
    let adapters = adapters(None);
    let adapter = adapters.first().expect("an adapter");
    let gpu = Gpu::open(adapter, &GpuOptions::new()).expect("a GPU");
    let (mut session, shapes) = session(&gpu.into(), "resnet50", [224, 224]);
    let dispatches = session.plan_only(&shapes).expect("a plan");
    println!("resnet50: {dispatches} dispatches");
    c.bench_function("plan resnet50", |b| {
        b.iter(|| black_box(session.plan_only(&shapes)));
    });
    c.bench_function("encode resnet50", |b| {
        b.iter(|| black_box(session.encode_only(&shapes)));
    });
}

/// Decoding a photograph; with `--features libjpeg-turbo` by the other decoder.
fn images(c: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/rocket.jpg");
    let bytes = std::fs::read(path).expect("a photograph of the repository");
    c.bench_function("decode rocket.jpg", |b| {
        b.iter(|| black_box(decode_bytes("rocket.jpg", &bytes)));
    });
}

/// Whole passes of sizes that take a software device milliseconds.
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
        // Made when first needed: the command line may select other benchmarks.
        let mut ready = None;
        let [height, width] = size;
        group.bench_function(format!("{name} {height}x{width}"), |b| {
            let (session, input) = ready.get_or_insert_with(|| {
                let device = Device::open(&DeviceOptions::default()).expect("a device");
                let (session, shapes) = session(&device, name, size);
                (session, [generated_input(shapes[0].clone())])
            });
            b.iter(|| session.run(input).expect("a pass"));
        });
    }
    group.finish();
}

criterion_group!(engine, cpu, images, passes);
criterion_main!(engine);
