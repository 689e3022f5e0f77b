//! A run on the CPU allocates its outputs and nothing else of size. In a file of its own, since it counts all
//! allocations of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use shadernet::device::Device;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::zoo::{self, ZooOptions};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn runs_allocate_only_their_outputs() {
    let shape = Shape::from([1, 3, 64, 64]);
    for name in [
        "resnet18",
        "mobilenet_v2",
        "densenet121",
        "efficientnet_b0",
        "unet",
    ] {
        let graph = zoo::find(name)
            .unwrap()
            .build(&ZooOptions::default())
            .unwrap();
        let weights = Weights::generated(&graph, 1.0);
        let options = SessionOptions::default();
        let shapes = [shape.clone()];
        let mut session = Session::new(&Device::cpu(), &graph, weights, &options, &shapes).unwrap();
        let inputs = [Tensor::zeros(shape.clone())];
        // The first run may start threads.
        session.run(&inputs).unwrap();
        let before = ALLOCATED.load(Ordering::Relaxed);
        let outputs = session.run(&inputs).unwrap();
        let allocated = ALLOCATED.load(Ordering::Relaxed) - before;
        let output_bytes: usize = outputs.iter().map(|output| output.data().len() * 4).sum();
        // Shapes, and a few pointers for each step.
        let steps = session.shaders(&shapes).unwrap().len();
        let most = output_bytes + 4096 + 128 * steps;
        assert!(
            allocated <= most,
            "{name}: {allocated} bytes, at most {most}"
        );
    }
}
