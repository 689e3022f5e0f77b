//! Passes of a plan: the outputs for certain inputs, the times of steps, and where values stop to be finite.

use std::sync::OnceLock;
use std::time::Instant;

use super::device::CpuDevice;
use super::kernel::{Scratch, Values};
use super::memory::Floats;
use super::outline::StepInfo;
use super::plan::{CpuPlan, PassMemory, Place};
use super::workers::{Helpers, Stages};
use crate::error::{CPU, Error, Result};
use crate::plan::{BufferRef, OutputLocation};
use crate::tensor::Tensor;

impl CpuPlan {
    /// Descriptions of the steps.
    pub fn steps(&self) -> impl Iterator<Item = &StepInfo> {
        self.steps.iter().map(|step| &step.info)
    }

    /// Computes the outputs on the calling thread and `helpers`. The inputs have the shapes of the plan.
    ///
    /// # Errors
    /// [`Error::Device`] where a kernel fails.
    pub fn run(
        &self,
        inputs: &[Tensor],
        device: &CpuDevice,
        helpers: Helpers,
    ) -> Result<Vec<Tensor>> {
        let mut outputs = self.empty_outputs();
        let mut memory = self.take_memory();
        let team = memory.team.clone();
        let mut pass = self.pass(&mut memory, inputs, &mut outputs);
        let is_complete = team.run(&mut pass, device, helpers);
        self.finish(memory, outputs, is_complete)
    }

    /// As [`Self::run`], with the seconds of each step.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_timed(&self, inputs: &[Tensor], device: &CpuDevice) -> Result<Vec<f64>> {
        let mut outputs = self.empty_outputs();
        let begins = vec![OnceLock::new(); self.steps.len()];
        let mut memory = self.take_memory();
        let team = memory.team.clone();
        let mut timed = TimedPass {
            pass: self.pass(&mut memory, inputs, &mut outputs),
            begins: &begins,
        };
        let is_complete = team.run(&mut timed, device, Helpers::Free);
        let end = Instant::now();
        self.finish(memory, outputs, is_complete)?;
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
    pub fn first_not_finite(&self, inputs: &[Tensor]) -> Option<StepInfo> {
        let mut outputs = self.empty_outputs();
        let mut memory = self.take_memory();
        let pass = self.pass(&mut memory, inputs, &mut outputs);
        let mut found = None;
        'stages: for stage in 0..pass.len() {
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
                    found = Some(step.info.clone());
                    break 'stages;
                }
            }
        }
        self.return_memory(memory);
        found
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

    fn pass<'a>(
        &'a self,
        memory: &'a mut PassMemory,
        inputs: &'a [Tensor],
        outputs: &'a mut [Vec<f32>],
    ) -> Pass<'a> {
        let slots: Vec<*mut f32> = memory.slots.iter_mut().map(Floats::as_mut_ptr).collect();
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
        let scratch = memory.scratch.as_mut_ptr();
        Pass {
            plan: self,
            pointers,
            scratch,
        }
    }

    /// The outputs, once the pass is over.
    fn finish(
        &self,
        memory: PassMemory,
        outputs: Vec<Vec<f32>>,
        is_complete: bool,
    ) -> Result<Vec<Tensor>> {
        if !is_complete {
            return Err(Error::Device {
                device: CPU.to_owned(),
                context: "running a pass".to_owned(),
                source: "a kernel panicked; this is a fault of shadernet, please report it".into(),
            });
        }
        let outputs = (self.outputs.iter().zip(outputs))
            .map(|((shape, location), unpacked)| {
                let data = match *location {
                    OutputLocation::Unpacked => unpacked,
                    OutputLocation::Slot { slot, offset } => {
                        let first = offset as usize / 4;
                        memory.slots[slot].as_slice()[first..first + shape.len()].to_vec()
                    }
                };
                Tensor::new(shape.clone(), data)
            })
            .collect();
        self.return_memory(memory);
        outputs
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
    begins: &'a [OnceLock<Instant>],
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
