//! A graph planned for input shapes: kernels in order, and the memory of their values.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::copy::{Copies, Copy};
use super::device::CpuDevice;
use super::kernel::Kernel;
use super::map::Map;
use super::memory::Floats;
use super::outline::{Outline, Outlined, StepInfo, What};
use super::packed::{Building, PackedWeights};
use super::workers::Team;
use crate::error::Result;
use crate::graph::ValueId;
use crate::passes::PassReport;
use crate::plan::{BufferRef, OutputLocation};
use crate::tensor::Shape;
use crate::util::memory::check_memory;
use crate::util::sync::lock_ignoring_poison as lock;
use crate::weights::Weights;

/// A kernel with its buffers.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) info: StepInfo,
    pub(super) kernel: Box<dyn Kernel>,
    pub(super) inputs: Vec<Place>,
    pub(super) output: Place,
    /// Where in a slot the output is.
    pub(super) map: Map,
}

/// A buffer, and the first element there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) buffer: BufferRef,
    pub(super) offset: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CpuPlan {
    pub(super) steps: Vec<Step>,
    /// Bytes of each slot.
    slots: Vec<u64>,
    threads: usize,
    pub(super) thread_scratch: usize,
    /// Where the threads' common scratch begins, and its length.
    pub(super) shared_scratch: usize,
    shared_len: usize,
    /// Memory that no pass uses now.
    idle: Mutex<Vec<PassMemory>>,
    /// How many passes have memory, idle or not.
    memories: AtomicUsize,
    pub(super) outputs: Vec<(Shape, OutputLocation)>,
    pub passes: Vec<PassReport>,
    pub value_bytes: u64,
    pub lower_bound_bytes: u64,
    /// For each stage of the pass, its step and its index there.
    pub(super) stages: Vec<(usize, usize)>,
}

/// The memory of a pass. Passes of a plan run at once, each with its own, and share all else.
#[derive(Debug)]
pub(super) struct PassMemory {
    pub slots: Vec<Floats>,
    /// For each thread, then for all.
    pub scratch: Floats,
    pub team: Arc<Team>,
}

impl CpuPlan {
    fn new_memory(&self) -> PassMemory {
        let floats = |bytes: &u64| Floats::zeros(bytes.div_ceil(4) as usize);
        PassMemory {
            slots: self.slots.iter().map(floats).collect(),
            scratch: Floats::zeros(self.shared_scratch + self.shared_len),
            team: Team::new(self.threads),
        }
    }

    /// Memory for a pass: idle, or new where as many passes run as there is memory for.
    pub(super) fn take_memory(&self) -> PassMemory {
        let idle = lock(&self.idle).pop();
        idle.unwrap_or_else(|| {
            self.memories.fetch_add(1, Ordering::Relaxed);
            self.new_memory()
        })
    }

    pub(super) fn return_memory(&self, memory: PassMemory) {
        lock(&self.idle).push(memory);
    }

    /// Bytes of the memory of all passes that ran at once so far.
    pub fn bytes(&self) -> u64 {
        let each = self.value_bytes + self.workspace_bytes();
        each * self.memories.load(Ordering::Relaxed).max(1) as u64
    }

    /// Bytes of a pass beside the values.
    pub fn workspace_bytes(&self) -> u64 {
        (self.shared_scratch + self.shared_len) as u64 * 4
    }
}

impl Outline {
    fn place(&self, value: ValueId) -> Place {
        Place {
            buffer: self.plan.placed.buffers[value.index()],
            offset: self.map(value).offset,
        }
    }

    /// Packs the weights and allocates the memory.
    ///
    /// # Errors
    /// Where weights cannot be read, and [`Error::OutOfMemory`].
    pub fn build(
        self,
        weights: &Weights,
        packed: &mut PackedWeights,
        device: &CpuDevice,
        progress: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<CpuPlan> {
        let inputs: Vec<String> = self.inputs.iter().map(Shape::to_string).collect();
        let name = self.plan.placed.graph.name();
        check_memory(
            format_args!("{name} for {}", inputs.join(" and ")),
            self.value_bytes(),
        )?;
        packed.begin();
        let threads = device.threads();
        let mut steps = Vec::with_capacity(self.steps.len());
        let total: u64 = self.steps.iter().map(|step| step.info.weight_bytes).sum();
        let mut completed = 0;
        for step in &self.steps {
            let mut building = Building {
                weights,
                packed,
                device,
                threads,
            };
            let made = self.step(step, &mut building)?;
            if step.info.weight_bytes > 0 {
                completed += step.info.weight_bytes;
                progress(completed, total);
            }
            steps.push(made);
        }
        weights.release_pages();
        let (thread_scratch, shared_scratch) = scratch(&steps);
        let stages = steps.iter().enumerate().flat_map(|(i, step)| {
            let stages = step.kernel.stages().len();
            (0..stages).map(move |stage| (i, stage))
        });
        let graph = &self.plan.placed.graph;
        let outputs = graph.outputs().iter().zip(&self.plan.output_locations);
        let plan = CpuPlan {
            stages: stages.collect(),
            thread_scratch,
            shared_scratch: thread_scratch * threads,
            shared_len: shared_scratch,
            slots: self.plan.slots.clone(),
            threads,
            idle: Mutex::default(),
            memories: AtomicUsize::new(0),
            outputs: outputs
                .map(|(v, location)| (self.plan.placed.shapes[v.index()].clone(), *location))
                .collect(),
            value_bytes: self.value_bytes(),
            lower_bound_bytes: self.plan.lower_bound_bytes,
            passes: self.plan.passes,
            steps,
        };
        // The first pass allocates nothing.
        let memory = plan.take_memory();
        plan.return_memory(memory);
        Ok(plan)
    }

    /// A step with its kernel.
    fn step(&self, step: &Outlined, building: &mut Building) -> Result<Step> {
        let value = ValueId::new(step.info.node);
        let placed = self.placed(value);
        let threads = building.threads;
        let own = self.place(value);
        let map = placed.output.0;
        let image = map.channels * map.height * map.width;
        let outside = |buffer| Place { buffer, offset: 0 };
        let (kernel, inputs, output): (Box<dyn Kernel>, _, _) = match &step.what {
            What::Pack { input } => {
                let copies = vec![(0, map, Copy::Pack { image })];
                let from = outside(BufferRef::Input(*input));
                (Box::new(Copies::new(copies, map, threads)), vec![from], own)
            }
            What::Unpack { output } => {
                let copies = vec![(0, map, Copy::Unpack { image })];
                let to = outside(BufferRef::Output(*output));
                (Box::new(Copies::new(copies, map, threads)), vec![own], to)
            }
            What::Compute(selection) => {
                let kernel = selection.build(&placed, building)?;
                let inputs = placed.read().node.inputs.iter().map(|v| self.place(*v));
                (kernel, inputs.collect(), own)
            }
        };
        Ok(Step {
            info: step.info.clone(),
            kernel,
            inputs,
            output,
            map,
        })
    }

    /// Bytes of the packed weights, and of the memory beside the values, of a plan for `device`.
    ///
    /// # Errors
    /// None in practice: kernels are made as by [`Self::build`], but without weights to read.
    pub fn kernel_bytes(&self, device: &CpuDevice) -> Result<(u64, u64)> {
        let threads = device.threads();
        let mut packed = PackedWeights::counted();
        let weights = Weights::from_tensors("none", []);
        let mut building = Building {
            weights: &weights,
            packed: &mut packed,
            device,
            threads,
        };
        let steps = self.steps.iter();
        let steps: Result<Vec<Step>> = steps.map(|step| self.step(step, &mut building)).collect();
        let (of_thread, shared) = scratch(&steps?);
        Ok((packed.bytes(), (of_thread * threads + shared) as u64 * 4))
    }
}

/// The floats of scratch memory that each thread needs, and that all share.
fn scratch(steps: &[Step]) -> (usize, usize) {
    let own = steps.iter().map(|step| step.kernel.scratch()).max();
    let shared = steps.iter().map(|step| step.kernel.shared_scratch()).max();
    (own.unwrap_or(0).next_multiple_of(16), shared.unwrap_or(0))
}
