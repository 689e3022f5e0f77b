//! Tuning on a thread of its own.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use shadernet::error::Result;
use shadernet::gpu::Gpu;
use shadernet::graph::Graph;
use shadernet::rayon::ThreadPoolBuilder;
use shadernet::tensor::Shape;

use super::{TuneOptions, TuneReport, tune_while};

/// As [`tune`](super::tune), on a thread of its own, while the app goes on: sessions on the same device run as before,
/// and pick the result up with [`Session::retune`](shadernet::session::Session::retune).
///
/// At most [`TuneOptions::round`] of the device's time is submitted at once, or a candidate's one pass where that takes
/// longer; [`TuneOptions::pause`] leaves the device to the app in between. What the CPU computes (expected outputs,
/// compiling) takes one thread. Times are less exact where the device does other work, but that affects the heuristic's
/// selection and its challenger alike, which are compared in turns.
///
/// ```
/// use std::time::Duration;
///
/// use shadernet::weights::generate::generated_input;
/// use shadernet::{Device, DeviceOptions, Session, SessionOptions, Weights, zoo};
/// use shadernet_bench::tune::{TuneOptions, tune_in_background};
///
/// let device = Device::open(&DeviceOptions::default())?;
/// # let device = match shadernet::gpu::adapters(None).first() {
/// #     Some(adapter) => shadernet::Gpu::open(adapter, &Default::default())?.into(),
/// #     None => device,
/// # };
/// let graph = zoo::build("small_cnn", &Default::default())?;
/// let input = generated_input([1, 3, 128, 128]);
/// let shapes = [input.shape().clone()];
/// let weights = Weights::generated(&graph, 1.0);
/// let mut session = Session::new(&device, &graph, weights, &SessionOptions::new(), &shapes)?;
/// if let Device::Gpu(gpu) = &device {
///     let options = TuneOptions::new().pause(Duration::from_millis(5)).round(Duration::from_millis(2));
/// #   let options = options.rounds(1).only([shadernet::ConvAlgorithm::Direct]);
///     let tuning = tune_in_background(gpu, &graph, &shapes, &options);
///     while !tuning.is_finished() {
///         session.run(std::slice::from_ref(&input))?;
///     }
///     // For the next start, `report.tuning` can be saved.
///     let report = tuning.join()?;
///     session.retune(report.tuning)?;
/// }
/// session.run(&[input])?;
/// # Ok::<(), shadernet::Error>(())
/// ```
pub fn tune_in_background(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
) -> BackgroundTuning {
    let shared = Arc::new(Shared::default());
    let thread = {
        let (gpu, graph, shapes) = (gpu.clone(), graph.clone(), shapes.to_vec());
        let (options, shared) = (options.clone(), shared.clone());
        thread::spawn(move || {
            let run = || run(&gpu, &graph, &shapes, &options, &shared);
            // The app's other threads compute for the app.
            match ThreadPoolBuilder::new().num_threads(1).build() {
                Ok(pool) => pool.install(run),
                Err(_) => run(),
            }
        })
    };
    BackgroundTuning {
        guard: CancelOnDrop(shared),
        thread,
    }
}

fn run(
    gpu: &Gpu,
    graph: &Graph,
    shapes: &[Shape],
    options: &TuneOptions,
    shared: &Shared,
) -> Result<TuneReport> {
    tune_while(gpu, graph, shapes, options, |next| {
        shared.completed.store(next.layer, Ordering::Relaxed);
        shared.layers.store(next.layers, Ordering::Relaxed);
        match shared.is_cancelled.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })
}

/// Tuning that runs on a thread of its own; see [`tune_in_background`]. Dropping it cancels the tuning.
#[derive(Debug)]
pub struct BackgroundTuning {
    guard: CancelOnDrop,
    thread: JoinHandle<Result<TuneReport>>,
}

#[derive(Debug)]
struct CancelOnDrop(Arc<Shared>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.is_cancelled.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Shared {
    is_cancelled: AtomicBool,
    completed: AtomicUsize,
    layers: AtomicUsize,
}

impl BackgroundTuning {
    /// How many layers are completed, and how many there are; both are 0 before the first begins.
    pub fn progress(&self) -> (usize, usize) {
        let shared = &self.guard.0;
        let completed = shared.completed.load(Ordering::Relaxed);
        (completed, shared.layers.load(Ordering::Relaxed))
    }

    /// Whether [`Self::join`] would return at once.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the tuning after the candidate that is being tried. What was found so far is in the report.
    pub fn cancel(&self) {
        self.guard.0.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// As [`tune`](super::tune).
    pub fn join(self) -> Result<TuneReport> {
        let Self { guard, thread } = self;
        let result = thread.join();
        drop(guard);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
