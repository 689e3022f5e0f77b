//! A graph planned for input shapes: kernels in order, and the memory of their values.

use std::collections::BTreeMap;
use std::time::Instant;

use super::copy::{Copies, Copy};
use super::device::CpuDevice;
use super::kernel::{Kernel, Scratch, Values};
use super::map::Map;
use super::memory::Floats;
use super::packed::{Building, PackedWeights};
use super::select::{PlacedNode, Selection};
use super::why;
use super::workers::{self, Stages};
use crate::error::{CPU, Error, Result};
use crate::graph::{Graph, Op, ValueId};
use crate::passes::{PassOptions, PassReport};
use crate::plan::{BufferRef, OutputLocation, PlacedPlan, StepCost, concat_in_place, is_computed};
use crate::tensor::{Shape, Tensor};
use crate::util::memory::check_memory;
use crate::weights::Weights;

/// A kernel with its buffers.
#[derive(Debug)]
struct Step {
    info: StepInfo,
    kernel: Box<dyn Kernel>,
    inputs: Vec<Place>,
    output: Place,
    /// Where in a slot the output is.
    map: Map,
}

/// A description of a step.
#[derive(Clone, Debug)]
pub(crate) struct StepInfo {
    /// The node's name; `output.0` and so on where an output is unpacked.
    pub label: String,
    /// The node's index in the optimized graph.
    pub node: usize,
    /// Its operator, in PyTorch's terms.
    pub kind: &'static str,
    pub kernel: &'static str,
    /// Why it has this kernel, in a sentence.
    pub why: String,
    /// Whether the reference backend computes it.
    pub is_fallback: bool,
    pub shape: Shape,
    pub cost: StepCost,
    /// Bytes of its weights, as they are in the file's order.
    pub weight_bytes: u64,
}

/// A buffer, and the first element there.
#[derive(Clone, Copy, Debug)]
struct Place {
    buffer: BufferRef,
    offset: usize,
}

/// What is planned before there are weights: the optimized graph and the kernel of each step.
#[derive(Debug)]
pub(crate) struct Outline {
    pub plan: PlacedPlan,
    pub inputs: Vec<Shape>,
    steps: Vec<Outlined>,
}

#[derive(Debug)]
struct Outlined {
    info: StepInfo,
    what: What,
}

#[derive(Debug)]
enum What {
    Pack { input: usize },
    Compute(Selection),
    Unpack { output: usize },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CpuPlan {
    steps: Vec<Step>,
    slots: Vec<Floats>,
    /// For each thread, then for all.
    scratch: Floats,
    thread_scratch: usize,
    /// Where the threads' common scratch begins.
    shared_scratch: usize,
    outputs: Vec<(Shape, OutputLocation)>,
    pub passes: Vec<PassReport>,
    pub value_bytes: u64,
    pub lower_bound_bytes: u64,
    /// For each stage of the pass, its step and its index there.
    stages: Vec<(usize, usize)>,
}

impl Outline {
    /// Plans `graph`, after `passes`, for inputs of these shapes.
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]).
    pub fn new(graph: &Graph, inputs: &[Shape], passes: &PassOptions) -> Result<Self> {
        let plan = PlacedPlan::new(graph, inputs, passes)?;
        let mut outline = Self {
            inputs: inputs.to_vec(),
            steps: Vec::new(),
            plan,
        };
        let graph = &outline.plan.placed.graph;
        let mut unpacked: BTreeMap<ValueId, Vec<usize>> = BTreeMap::new();
        for (index, output) in graph.outputs().iter().enumerate() {
            if outline.plan.output_locations[index] == OutputLocation::Unpacked {
                unpacked.entry(*output).or_default().push(index);
            }
        }
        let mut steps = Vec::new();
        let mut next_input = 0..;
        for (value, node) in graph.values() {
            let what = match node.op {
                Op::Input(_) => Some(What::Pack {
                    input: next_input.next().unwrap_or_default(),
                }),
                _ if is_computed(graph, &outline.plan.placed.shapes, value) => {
                    Some(What::Compute(Selection::new(&outline.placed(value))))
                }
                _ => None,
            };
            let unpack = unpacked.remove(&value).into_iter().flatten();
            let unpack = unpack.map(|output| What::Unpack { output });
            for what in what.into_iter().chain(unpack) {
                let info = outline.info(value, &what);
                steps.push(Outlined { info, what });
            }
        }
        outline.steps = steps;
        Ok(outline)
    }

    /// Descriptions of all steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &StepInfo> {
        self.steps.iter().map(|step| &step.info)
    }

    /// Bytes of the values.
    pub fn value_bytes(&self) -> u64 {
        self.plan.slots.iter().sum()
    }

    fn map(&self, value: ValueId) -> Map {
        Map::new(&self.plan.placed.views[value.index()])
    }

    fn place(&self, value: ValueId) -> Place {
        Place {
            buffer: self.plan.placed.buffers[value.index()],
            offset: self.map(value).offset,
        }
    }

    fn placed(&self, value: ValueId) -> PlacedNode<'_> {
        let graph = &self.plan.placed.graph;
        let node = graph.node(value);
        let shape = |value: ValueId| &self.plan.placed.shapes[value.index()];
        let inputs = node.inputs.iter().map(|v| (self.map(*v), shape(*v)));
        let first = node.inputs.first();
        PlacedNode {
            node,
            inputs: inputs.collect(),
            output: (self.map(value), shape(value)),
            concat_in_place: concat_in_place(graph, value),
            is_packed_input: first.is_some_and(|v| matches!(graph.node(*v).op, Op::Input(_))),
        }
    }

    fn info(&self, value: ValueId, what: &What) -> StepInfo {
        let placed = self.placed(value);
        let shape = placed.output.1.clone();
        let bytes = |map: &Map| (map.pixels() * map.channels) as u64 * 4;
        let output = bytes(&placed.output.0);
        let inputs: u64 = placed.inputs.iter().map(|(map, _)| bytes(map)).sum();
        let kind = placed.node.op.as_operator().kind();
        let (label, kind, kernel, why, cost, weight_bytes) = match what {
            What::Pack { .. } | What::Unpack { .. } => {
                let (label, kind) = match what {
                    What::Unpack { output } => (format!("output.{output}"), "Output"),
                    _ => (placed.node.name.clone(), kind),
                };
                let cost = StepCost {
                    operations: 0,
                    bytes: 2 * output,
                };
                let why = why::only();
                (label, kind, "copy", why, cost, 0)
            }
            What::Compute(selection) => {
                let shapes: Vec<&Shape> = placed.inputs.iter().map(|(_, shape)| *shape).collect();
                let operator = placed.node.op.as_operator();
                let multiplications = operator.multiplications(&shapes, &shape);
                let parameters = placed.node.parameters();
                let weights: u64 = parameters.iter().map(|p| p.shape.len() as u64 * 4).sum();
                let cost = StepCost {
                    operations: selection.operations(multiplications.saturating_mul(2), &placed),
                    bytes: inputs + output + weights,
                };
                (
                    placed.node.name.clone(),
                    kind,
                    selection.name(),
                    why::reason(selection, &placed),
                    cost,
                    weights,
                )
            }
        };
        StepInfo {
            label,
            node: value.index(),
            kind,
            kernel,
            why,
            is_fallback: matches!(what, What::Compute(Selection::Reference)),
            shape,
            cost,
            weight_bytes,
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
        let floats = |bytes: &u64| Floats::zeros(bytes.div_ceil(4) as usize);
        let graph = &self.plan.placed.graph;
        let outputs = graph.outputs().iter().zip(&self.plan.output_locations);
        Ok(CpuPlan {
            stages: stages.collect(),
            scratch: Floats::zeros(thread_scratch * threads + shared_scratch),
            thread_scratch,
            shared_scratch: thread_scratch * threads,
            slots: self.plan.slots.iter().map(floats).collect(),
            outputs: outputs
                .map(|(v, location)| (self.plan.placed.shapes[v.index()].clone(), *location))
                .collect(),
            value_bytes: self.value_bytes(),
            lower_bound_bytes: self.plan.lower_bound_bytes,
            passes: self.plan.passes,
            steps,
        })
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
                let inputs = placed.node.inputs.iter().map(|v| self.place(*v));
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

    /// Bytes of the packed weights, and of the memory beside the values, of a plan with `threads` threads.
    ///
    /// # Errors
    /// None in practice: kernels are made as by [`Self::build`], but without weights to read.
    pub fn kernel_bytes(&self, threads: usize) -> Result<(u64, u64)> {
        let mut packed = PackedWeights::counted();
        let weights = Weights::from_tensors("none", []);
        let mut building = Building {
            weights: &weights,
            packed: &mut packed,
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

impl CpuPlan {
    /// Descriptions of the steps.
    pub fn steps(&self) -> impl Iterator<Item = &StepInfo> {
        self.steps.iter().map(|step| &step.info)
    }

    /// Bytes of the values and what kernels need beside them.
    pub fn bytes(&self) -> u64 {
        self.value_bytes + self.scratch.bytes()
    }

    /// Bytes beside the values.
    pub fn workspace_bytes(&self) -> u64 {
        self.scratch.bytes()
    }

    /// Computes the outputs. The inputs have the shapes of the plan.
    ///
    /// # Errors
    /// [`Error::Device`] where a kernel fails.
    pub fn run(&mut self, inputs: &[Tensor], device: &CpuDevice) -> Result<Vec<Tensor>> {
        let mut outputs = self.empty_outputs();
        let pass = self.pass(inputs, &mut outputs);
        let threads = device.threads();
        let is_complete = device.install(|| workers::run(&pass, threads));
        self.finish(outputs, is_complete)
    }

    /// As [`Self::run`], with the seconds of each step.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_timed(&mut self, inputs: &[Tensor], device: &CpuDevice) -> Result<Vec<f64>> {
        let mut outputs = self.empty_outputs();
        let begins = vec![std::sync::OnceLock::new(); self.steps.len()];
        let threads = device.threads();
        let timed = TimedPass {
            pass: self.pass(inputs, &mut outputs),
            begins: &begins,
        };
        let (is_complete, end) = device.install(|| {
            let is_complete = workers::run(&timed, threads);
            (is_complete, Instant::now())
        });
        self.finish(outputs, is_complete)?;
        let mut ends: Vec<Instant> = begins
            .iter()
            .skip(1)
            .filter_map(|b| b.get().copied())
            .collect();
        ends.push(end);
        let begins = begins.iter().filter_map(|begin| begin.get());
        Ok(begins
            .zip(ends)
            .map(|(begin, end)| (end - *begin).as_secs_f64())
            .collect())
    }

    /// The first step of a pass whose output is not finite. Computes on the calling thread, since it only explains an
    /// error.
    pub fn first_not_finite(&mut self, inputs: &[Tensor]) -> Option<StepInfo> {
        let mut outputs = self.empty_outputs();
        let pass = self.pass(inputs, &mut outputs);
        for stage in 0..pass.len() {
            for task in 0..pass.tasks(stage) {
                pass.run(stage, task, 0);
            }
            let (index, part) = pass.plan.stages[stage];
            let step = &pass.plan.steps[index];
            let is_last = part + 1 == step.kernel.stages().len();
            if is_last && !matches!(step.output.buffer, BufferRef::Output(_)) {
                let output = pass.pointers[index].1.cast_const();
                // SAFETY: the step has just written the channels of all pixels.
                let is_finite = (0..step.map.pixels()).all(|pixel| unsafe {
                    let pixel = output.add(pixel * step.map.stride);
                    (0..step.map.channels).all(|channel| (*pixel.add(channel)).is_finite())
                });
                if !is_finite {
                    return Some(step.info.clone());
                }
            }
        }
        None
    }

    /// Those that a step writes; the others are in slots.
    fn empty_outputs(&self) -> Vec<Vec<f32>> {
        let outputs = self.outputs.iter();
        outputs
            .map(|(shape, location)| match location {
                OutputLocation::Unpacked => vec![0.0; shape.len()],
                OutputLocation::Slot { .. } => Vec::new(),
            })
            .collect()
    }

    fn pass<'a>(&'a mut self, inputs: &'a [Tensor], outputs: &'a mut [Vec<f32>]) -> Pass<'a> {
        let slots: Vec<*mut f32> = self.slots.iter_mut().map(Floats::as_mut_ptr).collect();
        let outputs: Vec<*mut f32> = outputs
            .iter_mut()
            .map(|output| output.as_mut_ptr())
            .collect();
        let at = |place: &Place| match place.buffer {
            // Places lie inside their buffers, and tensors have the plan's shapes.
            BufferRef::Slot(slot) => slots[slot].wrapping_add(place.offset),
            BufferRef::Input(input) => inputs[input].data().as_ptr().cast_mut(),
            BufferRef::Output(output) => outputs[output],
        };
        let pointers = (self.steps.iter())
            .map(|step| {
                let inputs = step.inputs.iter().map(|place| at(place).cast_const());
                (inputs.collect(), at(&step.output))
            })
            .collect();
        let scratch = self.scratch.as_mut_ptr();
        Pass {
            plan: self,
            pointers,
            scratch,
        }
    }

    fn finish(&self, outputs: Vec<Vec<f32>>, is_complete: bool) -> Result<Vec<Tensor>> {
        if !is_complete {
            return Err(Error::Device {
                device: CPU.to_owned(),
                context: "running a pass".to_owned(),
                source: "a kernel panicked; this is a fault of shadernet, please report it".into(),
            });
        }
        (self.outputs.iter().zip(outputs))
            .map(|((shape, location), unpacked)| {
                let data = match *location {
                    OutputLocation::Unpacked => unpacked,
                    OutputLocation::Slot { slot, offset } => {
                        let first = offset as usize / 4;
                        self.slots[slot].as_slice()[first..first + shape.len()].to_vec()
                    }
                };
                Tensor::new(shape.clone(), data)
            })
            .collect()
    }
}

/// A pass over certain inputs.
struct Pass<'a> {
    plan: &'a CpuPlan,
    /// For each step, where its inputs and its output are.
    pointers: Vec<(Vec<*const f32>, *mut f32)>,
    scratch: *mut f32,
}

// SAFETY: tasks of a stage write different parts of the buffers, and a stage begins when the one before has ended.
unsafe impl Sync for Pass<'_> {}

impl Stages for Pass<'_> {
    fn len(&self) -> usize {
        self.plan.stages.len()
    }

    fn tasks(&self, stage: usize) -> usize {
        let (step, index) = self.plan.stages[stage];
        self.plan.steps[step].kernel.stages()[index]
    }

    fn run(&self, stage: usize, task: usize, worker: usize) {
        let (step, index) = self.plan.stages[stage];
        let (inputs, output) = &self.pointers[step];
        let values = Values {
            inputs,
            output: *output,
        };
        let scratch = Scratch {
            own: self.scratch.wrapping_add(worker * self.plan.thread_scratch),
            shared: self.scratch.wrapping_add(self.plan.shared_scratch),
        };
        // SAFETY: the plan gave each value memory of its size that nothing else uses while it is alive.
        unsafe {
            self.plan.steps[step]
                .kernel
                .run(&values, index, task, scratch)
        };
    }
}

/// A pass that notes when each step begins.
struct TimedPass<'a> {
    pass: Pass<'a>,
    begins: &'a [std::sync::OnceLock<Instant>],
}

impl Stages for TimedPass<'_> {
    fn len(&self) -> usize {
        self.pass.len()
    }

    fn tasks(&self, stage: usize) -> usize {
        self.pass.tasks(stage)
    }

    fn run(&self, stage: usize, task: usize, worker: usize) {
        let (step, _) = self.pass.plan.stages[stage];
        self.begins[step].get_or_init(Instant::now);
        self.pass.run(stage, task, worker);
    }
}
