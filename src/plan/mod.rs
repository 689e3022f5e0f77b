//! A graph planned for input shapes and a device: a list of dispatches over numbered buffers. Nothing
//! here touches a device, so a plan can be made and examined without one: see [`PlanReport`].
//!
//! Planning optimizes the graph, selects the kernels of every node once, assigns memory to the values,
//! and then lowers every node to dispatches.

mod choices;
mod cost;
mod layout;
mod limits;
mod memory;
mod placed;
mod report;
mod requests;
mod selections;
mod steps;
mod values;

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::Result;
use crate::gpu::PipelineKey;
use crate::graph::{Graph, ValueId};
use crate::kernels::{DeviceContext, PackedWeight, Read, TensorView};
use crate::passes::{self, PassOptions, PassReport};
use crate::tensor::Shape;
pub use choices::ConvLayer;
pub(crate) use choices::conv_layers;
pub(crate) use cost::StepCost;
use layout::{Layout, with_a_copy};
pub use limits::BrokenLimit;
pub(crate) use placed::PlacedPlan;
pub(crate) use report::planned_nodes;
pub use report::{FusedPart, PlanReport, PlannedMemory, PlannedNode, PlannedStep, Transfer};
use selections::Selections;
pub(crate) use steps::{Step, concat_in_place, is_computed};

/// A buffer that a step reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferRef {
    /// A buffer that values share, one after another or side by side.
    Slot(usize),
    /// The graph input of this index as the user passes it: NCHW float32.
    Input(usize),
    /// The graph output of this index, NCHW float32.
    Output(usize),
}

/// A graph after its passes, with the shape and the place of each value.
#[derive(Debug)]
pub(crate) struct PlacedGraph {
    pub graph: Graph,
    pub shapes: Vec<Shape>,
    pub buffers: Vec<BufferRef>,
    pub views: Vec<TensorView>,
    /// Whether a value takes the place of the residual that its node adds.
    pub in_place: Vec<bool>,
    /// The node in whose kernel alone a value exists: it has no memory.
    pub inside: Vec<Option<ValueId>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub placed: PlacedGraph,
    pub steps: Vec<Step>,
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Shapes of the graph's inputs and outputs.
    pub inputs: Vec<Shape>,
    pub outputs: Vec<Shape>,
    /// Where each output is after all steps.
    pub output_locations: Vec<OutputLocation>,
    /// What passes did to the graph.
    pub passes: Vec<PassReport>,
    /// Bytes of the slots that values share.
    pub activation_bytes: u64,
    /// Bytes that the slots are larger, or of additional slots, for the workspaces of kernels.
    pub workspace_bytes: u64,
    /// Bytes of the largest set of values that are alive at once: no plan needs less.
    pub lower_bound_bytes: u64,
}

/// Where an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputLocation {
    /// Unpacked by a step into its [`BufferRef::Output`].
    Unpacked,
    /// In a slot from this byte on, with the bytes of the NCHW tensor.
    Slot { slot: usize, offset: u64 },
}

impl Plan {
    /// Plans `graph`, after `passes`, for inputs of these shapes.
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]) or a value or
    /// weight is more than the device can bind ([`crate::Error::Limit`]).
    pub fn new(
        graph: &Graph,
        inputs: &[Shape],
        passes: &PassOptions,
        device: &DeviceContext,
    ) -> Result<Self> {
        let (graph, passes) = passes::optimize(graph, inputs, passes)?;
        let shapes = graph.infer(inputs)?;
        let selected = Selections::new(&graph, shapes, device);
        Self::from_selections(graph, selected, inputs, passes, device)
    }

    /// Plans an optimized graph whose kernels are selected: no layout that is tried selects them again.
    fn from_selections(
        mut graph: Graph,
        selected: Selections,
        inputs: &[Shape],
        mut passes: Vec<PassReport>,
        device: &DeviceContext,
    ) -> Result<Self> {
        let mut layout = Layout::new(&graph, &selected, device)?;
        if layout.wastes_memory()
            && let Some((node, other, less)) = with_a_copy(&graph, &selected, device, &layout)?
        {
            passes::copied_for_memory(&mut passes, &node);
            (graph, layout) = (other, less);
        }
        let steps = steps::steps(&graph, &selected, &layout, device)?;
        let shapes = selected.shapes;
        Ok(Self {
            steps,
            activation_bytes: layout.memory.value_bytes,
            workspace_bytes: layout.memory.bytes() - layout.memory.value_bytes,
            lower_bound_bytes: layout.lower_bound,
            slots: layout.memory.slots,
            inputs: inputs.to_vec(),
            outputs: (graph.outputs().iter())
                .map(|v| shapes[v.index()].clone())
                .collect(),
            output_locations: layout.output_locations,
            passes,
            placed: PlacedGraph {
                graph,
                shapes,
                buffers: layout.buffers,
                views: layout.views,
                in_place: layout.in_place,
                inside: selected.inside,
            },
        })
    }

    /// The pipelines that the steps need, each once.
    pub fn pipeline_keys(&self) -> Vec<PipelineKey> {
        let keys: HashSet<&PipelineKey> = self.steps.iter().map(|s| &s.dispatch.key).collect();
        keys.into_iter().cloned().collect()
    }

    /// Bytes of all buffers that a session makes for it: weights, each counted once, values, and inputs
    /// and outputs on the device and where the host maps them.
    pub fn session_bytes(&self) -> u64 {
        let mut seen = HashSet::new();
        let new = (self.weights()).filter(|weight| seen.insert(weight.name.as_str()));
        let tensor = |shape: &Shape| shape.len() as u64 * 4;
        let outputs = self.outputs.iter().zip(&self.output_locations);
        new.map(|weight| weight.bytes()).sum::<u64>()
            + self.slots.iter().sum::<u64>()
            + self
                .inputs
                .iter()
                .map(|shape| 2 * tensor(shape))
                .sum::<u64>()
            + outputs
                .map(|(shape, location)| match location {
                    OutputLocation::Slot { .. } => tensor(shape),
                    OutputLocation::Unpacked => 2 * tensor(shape),
                })
                .sum::<u64>()
    }

    /// The weights that the steps read, one for each read.
    pub fn weights(&self) -> impl Iterator<Item = &Arc<PackedWeight>> {
        self.steps.iter().flat_map(|step| {
            step.dispatch.reads.iter().filter_map(|read| match read {
                Read::Weight(weight) => Some(weight),
                Read::Input(_) | Read::Workspace(_) => None,
            })
        })
    }
}

#[cfg(test)]
mod tests;
