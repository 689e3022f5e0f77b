//! A session on the CPU backend: plans with their kernels and memory, one per set of input shapes.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::input::shapes_of;
use super::network_source::NetworkSource;
use super::profiler::middle_half;
use super::run::{Run, wait_on_pool};
use super::{ActivationMemory, Loading, SessionOptions};
use crate::cpu::{CpuDevice, CpuPlan, Helpers, Outline, PackedWeights};
use crate::error::Result;
use crate::gpu::Submission;
use crate::graph::Graph;
use crate::passes::PassReport;
use crate::profile::{Profile, StepProfile, TimingMethod};
use crate::tensor::{Shape, Tensor};

/// The maximum number of plans, as on a GPU: images may come in any number of sizes.
const MAX_PLANS: usize = 8;
/// The maximum number of runs in flight, as on a GPU: each has memory of its own.
const MAX_IN_FLIGHT: usize = 3;

/// A session on the CPU backend.
#[derive(Debug)]
pub(super) struct CpuSession {
    device: CpuDevice,
    source: Arc<NetworkSource>,
    options: SessionOptions,
    packed: PackedWeights,
    /// By input shapes, the most recently used last.
    plans: Vec<Prepared>,
    /// Runs in flight, in the order of submission.
    in_flight: VecDeque<Weak<Submission<Vec<Tensor>>>>,
}

#[derive(Debug)]
struct Prepared {
    shapes: Vec<Shape>,
    plan: Arc<CpuPlan>,
    memory: ActivationMemory,
    /// Names of the packed weights that it reads.
    weights: HashSet<String>,
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
            in_flight: VecDeque::new(),
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
        let outline =
            tracing::debug_span!("plan").in_scope(|| self.outline(&network.graph, shapes))?;
        let report = |completed, total| {
            if let Some(progress) = &self.options.progress {
                progress.report(Loading::Weights { completed, total });
            }
        };
        let (packed, device) = (&mut self.packed, &self.device);
        let plan = device.install(|| outline.build(&network.weights, packed, device, &report))?;
        Ok(Prepared {
            shapes: shapes.to_vec(),
            memory: ActivationMemory {
                bytes: plan.value_bytes,
                workspace: plan.workspace_bytes(),
                lower_bound: plan.lower_bound_bytes,
            },
            plan: Arc::new(plan),
            weights: self.packed.used(),
        })
    }

    fn outline(&self, graph: &Graph, shapes: &[Shape]) -> Result<Outline> {
        let SessionOptions {
            passes,
            weight_bytes,
            ..
        } = &self.options;
        Outline::new(graph, shapes, passes, *weight_bytes)
    }

    /// The plan for inputs of `shapes`.
    fn plan(&mut self, shapes: &[Shape]) -> Result<&Arc<CpuPlan>> {
        self.prepare(shapes)?;
        // Just pushed.
        Ok(&self.plans[self.plans.len() - 1].plan)
    }

    /// See `Session::run`.
    pub fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let device = self.device.clone();
        let plan = self.plan(&shapes_of(inputs))?;
        let _span = tracing::debug_span!("run").entered();
        plan.run(inputs, &device, Helpers::Free)
    }

    /// See `Session::run_async`. Runs begin in the order of submission, on as many threads as are free, each with memory
    /// of its own. One that is dropped before it begins is not computed.
    pub fn start(&mut self, inputs: &[Tensor]) -> Result<Run> {
        self.in_flight
            .retain(|run| run.upgrade().is_some_and(|run| !run.is_complete()));
        if self.in_flight.len() == MAX_IN_FLIGHT
            && let Some(oldest) = self.in_flight.pop_front().and_then(|run| run.upgrade())
        {
            wait_on_pool(&oldest);
        }
        let device = self.device.clone();
        let plan = self.plan(&shapes_of(inputs))?.clone();
        let inputs = inputs.to_vec();
        let helpers = match self.in_flight.is_empty() {
            true => Helpers::Free,
            false => Helpers::None,
        };
        let (run, job) = Run::on_host(move || plan.run(&inputs, &device, helpers));
        self.in_flight.push_back(run.submission());
        self.device.spawn(job);
        Ok(run)
    }

    /// See `Session::passes`.
    pub fn passes(&self) -> &[PassReport] {
        self.plans
            .last()
            .map_or(&[], |prepared| &prepared.plan.passes)
    }

    /// See `Session::memory`.
    pub fn memory(&self) -> Option<ActivationMemory> {
        self.plans.last().map(|prepared| prepared.memory)
    }

    /// Bytes of the packed weights, and of the memory of all plans.
    pub fn device_bytes(&self) -> u64 {
        let plans: u64 = self
            .plans
            .iter()
            .map(|prepared| prepared.plan.bytes())
            .sum();
        self.packed.bytes() + plans
    }

    /// See `Session::profile`.
    pub fn profile(&mut self, inputs: &[Tensor], rounds: usize) -> Result<Profile> {
        let device = self.device.clone();
        let plan = self.plan(&shapes_of(inputs))?;
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
        let found = plan.first_not_finite(inputs);
        Ok(found.map(|step| format!("'{}' ({})", step.label, step.kind)))
    }

    /// For each step, the node's name and the kernel's.
    pub fn kernels(&self, shapes: &[Shape]) -> Result<Vec<(String, String)>> {
        let graph = self.source.network(shapes)?.graph;
        let outline = self.outline(&graph, shapes)?;
        let steps = outline.steps();
        Ok(steps
            .map(|step| (step.label.clone(), step.kernel.to_owned()))
            .collect())
    }

    /// See `Session::plan_only`.
    pub fn plan_only(&self, shapes: &[Shape]) -> Result<usize> {
        let graph = self.source.network(shapes)?.graph;
        let outline = self.outline(&graph, shapes)?;
        Ok(outline.steps().count())
    }
}
