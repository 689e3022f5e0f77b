//! Devices as hosts open them, and small networks.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use shadernet::device::Device;
use shadernet::gpu::{Backend, Gpu, adapters};
use shadernet::graph::{AdaptiveAvgPool2d, Conv2d, Graph, GraphBuilder, Linear};
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_input;
use shadernet::wgpu;
use shadernet::zoo::{self, ZooOptions};

/// A host with a device of its own.
pub struct Host {
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub gpu: Gpu,
}

impl Host {
    /// With the features and limits that Shadernet prefers.
    pub fn open(backend: Backend) -> Self {
        let adapter = adapters(Some(backend)).swap_remove(0);
        Self::on(adapter)
    }

    /// Another device of `adapter`.
    pub fn on(adapter: wgpu::Adapter) -> Self {
        Self::try_on(adapter).unwrap()
    }

    pub fn try_on(adapter: wgpu::Adapter) -> Option<Self> {
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("host"),
            required_features: Gpu::preferred_features(&adapter),
            required_limits: Gpu::preferred_limits(&adapter),
            ..Default::default()
        };
        Self::with(adapter, &descriptor)
    }

    pub fn with(adapter: wgpu::Adapter, descriptor: &wgpu::DeviceDescriptor) -> Option<Self> {
        let opened = pollster::block_on(adapter.request_device(descriptor));
        let (device, queue) = opened.ok()?;
        let gpu = Gpu::from_wgpu(&adapter, device.clone(), queue.clone());
        Some(Self {
            adapter,
            device,
            queue,
            gpu,
        })
    }

    pub fn session(&self, graph: &Graph, weights: &Arc<Weights>, shape: &Shape) -> Session {
        let device = Device::from(self.gpu.clone());
        let options = SessionOptions::default();
        let shapes = std::slice::from_ref(shape);
        Session::new(&device, graph, weights.clone(), &options, shapes).unwrap()
    }

    pub fn wait(&self) {
        let wait = wgpu::PollType::wait_indefinitely();
        self.device.poll(wait).unwrap();
    }
}

/// A classifier of a few layers, its weights and an input.
pub fn small() -> (Graph, Arc<Weights>, Tensor) {
    classifier("small_cnn_separable", 128)
}

/// A classifier of many layers, its weights and an input.
pub fn deep() -> (Graph, Arc<Weights>, Tensor) {
    classifier("resnet18", 64)
}

fn classifier(name: &str, side: usize) -> (Graph, Arc<Weights>, Tensor) {
    let graph = zoo::build(name, &ZooOptions::classes(7)).unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    (graph, weights, generated_input([1, 3, side, side]))
}

/// Whether this process runs the test `name` alone, for tests that measure the memory of their process. If
/// not, starts such a process, after the shell command `setup`, and waits for it to pass.
pub fn is_own_process(name: &str, setup: &str) -> bool {
    const CHILD: &str = "SHADERNET_TEST_ALONE";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            &format!("{setup}; exec \"$0\" --exact \"$1\" --nocapture"),
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"));
    false
}

/// A network of two kinds of convolution and a fully connected layer, its weights and an input.
pub fn tiny() -> (Graph, Arc<Weights>, Tensor) {
    let mut b = GraphBuilder::new("tiny");
    let x = b.image_input("input", 3);
    let x = b.conv2d("conv", x, Conv2d::new(3, 24, 3).padding(1));
    let y = b.conv2d("depthwise", x, Conv2d::new(24, 24, 3).padding(1).groups(24));
    let x = b.add("add", x, y);
    let x = b.adaptive_avg_pool2d("pool", x, AdaptiveAvgPool2d::new(1, 1));
    let x = b.flatten("flatten", x);
    let x = b.linear("fc", x, Linear::new(24, 7));
    b.output(x);
    let graph = b.build().unwrap();
    let weights = Arc::new(Weights::generated(&graph, 1.0));
    (graph, weights, generated_input([1, 3, 32, 32]))
}

/// `input`, scaled by a factor that is different for each `number`.
pub fn scaled(input: &Tensor, number: usize) -> Tensor {
    let data = input.data().iter().map(|x| x * (1.0 + number as f32 / 8.0));
    Tensor::new(input.shape().clone(), data.collect()).unwrap()
}

/// Drives a future like a minimal executor, which does not poll the device.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
