//! A session on the CPU backend: plans with their kernels and memory, one per set of input shapes.

use std::collections::HashSet;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::input::shapes_of;
use super::network_source::NetworkSource;
use super::profiler::middle_half;
use super::run::Run;
use super::{ActivationMemory, Loading, SessionOptions};
use crate::cpu::{CpuDevice, CpuPlan, Outline, PackedWeights};
use crate::error::{CPU, Error, Result};
use crate::passes::PassReport;
use crate::profile::{Profile, StepProfile, TimingMethod};
use crate::tensor::{Shape, Tensor};
use crate::util::sync::lock_ignoring_poison as lock;

/// The maximum number of plans, as on a GPU: images may come in any number of sizes.
const MAX_PLANS: usize = 8;
/// Runs that wait while another is computed, so that three are in flight.
const WAITING: usize = 2;

/// A session on the CPU backend.
#[derive(Debug)]
pub(super) struct CpuSession {
    device: CpuDevice,
    source: Arc<NetworkSource>,
    options: SessionOptions,
    packed: PackedWeights,
    /// By input shapes, the most recently used last.
    plans: Vec<Prepared>,
    queue: Option<Queue>,
}

#[derive(Debug)]
struct Prepared {
    shapes: Vec<Shape>,
    plan: Arc<Mutex<CpuPlan>>,
    passes: Vec<PassReport>,
    memory: ActivationMemory,
    bytes: u64,
    /// Names of the packed weights that it reads.
    weights: HashSet<String>,
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that computes runs in the order of submission. It ends with the session, after what was submitted.
#[derive(Debug)]
struct Queue {
    sender: SyncSender<Job>,
}

impl Queue {
    fn new() -> Result<Self> {
        let (sender, receiver) = sync_channel::<Job>(WAITING);
        let thread = std::thread::Builder::new().name("shadernet runs".to_owned());
        let started = thread.spawn(move || receiver.into_iter().for_each(|job| job()));
        started.map_err(|error| Error::Device {
            device: CPU.to_owned(),
            context: "starting a thread for runs".to_owned(),
            source: error.into(),
        })?;
        Ok(Self { sender })
    }
}

impl CpuSession {
    /// A session that is prepared for no shapes yet. Weights are not checked against the graph.
    pub fn new(device: &CpuDevice, source: Arc<NetworkSource>, options: &SessionOptions) -> Self {
        Self {
            device: device.clone(),
            source,
            options: options.clone(),
            packed: PackedWeights::default(),
            plans: Vec::new(),
            queue: None,
        }
    }

    /// Makes the plan for inputs of `shapes` unless it exists.
    pub fn prepare(&mut self, shapes: &[Shape]) -> Result<()> {
        let known = self.plans.iter().position(|plan| plan.shapes == shapes);
        let prepared = match known {
            Some(i) if i + 1 == self.plans.len() => return Ok(()),
            Some(i) => self.plans.remove(i),
            None => {
                // Before the new plan's memory is allocated, so that there is never one plan more.
                if self.plans.len() == MAX_PLANS {
                    self.plans.remove(0);
                }
                let prepared = self.make(shapes);
                // Kernels, and so the layouts of weights, may differ between shapes.
                let kept = self.plans.iter().chain(&prepared);
                let kept = kept.flat_map(|plan| plan.weights.iter().cloned()).collect();
                self.packed.retain(&kept);
                prepared?
            }
        };
        self.plans.push(prepared);
        Ok(())
    }

    fn make(&mut self, shapes: &[Shape]) -> Result<Prepared> {
        let network = self.source.network(shapes)?;
        let outline = tracing::debug_span!("plan")
            .in_scope(|| Outline::new(&network.graph, shapes, &self.options.passes))?;
        let report = |completed, total| {
            if let Some(progress) = &self.options.progress {
                progress.report(Loading::Weights { completed, total });
            }
        };
        let (packed, device) = (&mut self.packed, &self.device);
        let plan = device.install(|| outline.build(&network.weights, packed, device, &report))?;
        Ok(Prepared {
            shapes: shapes.to_vec(),
            passes: plan.passes.clone(),
            memory: ActivationMemory {
                bytes: plan.value_bytes,
                workspace: plan.workspace_bytes(),
                lower_bound: plan.lower_bound_bytes,
            },
            bytes: plan.bytes(),
            plan: Arc::new(Mutex::new(plan)),
            weights: self.packed.used(),
        })
    }

    /// The plan for inputs of `shapes`.
    fn plan(&mut self, shapes: &[Shape]) -> Result<&Arc<Mutex<CpuPlan>>> {
        self.prepare(shapes)?;
        // Just pushed.
        Ok(&self.plans[self.plans.len() - 1].plan)
    }

    /// See `Session::run`.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let device = self.device.clone();
        let plan = self.plan(&shapes_of(inputs))?;
        let _span = tracing::debug_span!("run").entered();
        lock(plan).run(inputs, &device)
    }

    /// See `Session::run_async`. A run that is dropped before it begins is not computed.
    pub fn start(&mut self, inputs: &[Tensor]) -> Result<Run> {
        let device = self.device.clone();
        let plan = self.plan(&shapes_of(inputs))?.clone();
        let inputs = inputs.to_vec();
        let (run, job) = Run::on_host(move || lock(&plan).run(&inputs, &device));
        let queue = match &mut self.queue {
            Some(queue) => queue,
            empty => empty.insert(Queue::new()?),
        };
        // The thread ends only when the sender is dropped.
        let sent = queue.sender.send(Box::new(job));
        sent.map_err(|_| Error::Device {
            device: CPU.to_owned(),
            context: "submitting a run".to_owned(),
            source: "its thread has ended".into(),
        })?;
        Ok(run)
    }

    /// See `Session::passes`.
    pub fn passes(&self) -> &[PassReport] {
        self.plans.last().map_or(&[], |prepared| &prepared.passes)
    }

    /// See `Session::memory`.
    pub fn memory(&self) -> Option<ActivationMemory> {
        self.plans.last().map(|prepared| prepared.memory)
    }

    /// Bytes of the packed weights, and of the memory of all plans.
    pub fn device_bytes(&self) -> u64 {
        let plans: u64 = self.plans.iter().map(|prepared| prepared.bytes).sum();
        self.packed.bytes() + plans
    }

    /// See `Session::profile`.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        let device = self.device.clone();
        let mut plan = lock(self.plan(&shapes_of(inputs))?);
        // The first is not counted: caches are cold, and clocks low.
        plan.run_timed(inputs, &device)?;
        let (mut passes, mut rounds_of_steps) = (Vec::new(), Vec::new());
        for _ in 0..rounds.max(1) {
            let start = Instant::now();
            rounds_of_steps.push(plan.run_timed(inputs, &device)?);
            passes.push(start.elapsed().as_secs_f64());
        }
        let counted = middle_half(&passes);
        let mean = |of: &dyn Fn(usize) -> f64| {
            counted.iter().map(|&round| of(round)).sum::<f64>() / counted.len() as f64
        };
        let mut start_seconds = 0.0;
        let steps = plan.steps().enumerate().map(|(i, step)| {
            let seconds = mean(&|round| rounds_of_steps[round][i]);
            start_seconds += seconds;
            StepProfile {
                node: step.label.clone(),
                kind: step.kind,
                kernel: step.kernel,
                variant: String::new(),
                output: step.shape.clone(),
                seconds,
                start_seconds: start_seconds - seconds,
                operations: step.cost.operations,
                bytes: step.cost.bytes,
            }
        });
        Ok(Profile {
            method: TimingMethod::StepClock,
            steps: steps.collect(),
            pass_seconds: mean(&|round| passes[round]),
        })
    }

    /// The first layer whose output is not finite, as text.
    pub fn first_not_finite(&mut self, inputs: &[Tensor]) -> Result<Option<String>> {
        let plan = self.plan(&shapes_of(inputs))?;
        let found = lock(plan).first_not_finite(inputs);
        Ok(found.map(|step| format!("'{}' ({})", step.label, step.kind)))
    }

    /// For each step, the node's name and the kernel's.
    pub fn kernels(&self, shapes: &[Shape]) -> Result<Vec<(String, String)>> {
        let graph = self.source.network(shapes)?.graph;
        let outline = Outline::new(&graph, shapes, &self.options.passes)?;
        let steps = outline.steps();
        Ok(steps
            .map(|step| (step.label.clone(), step.kernel.to_owned()))
            .collect())
    }

    /// See `Session::plan_only`.
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        let graph = self.source.network(shapes)?.graph;
        let outline = Outline::new(&graph, shapes, &self.options.passes)?;
        Ok(outline.steps().count())
    }
}
