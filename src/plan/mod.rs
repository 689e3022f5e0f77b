//! A graph bound to input shapes and a device's limits: a plain list of dispatches over numbered
//! buffers. Nothing here touches a device, so a plan can be made and examined without one: see
//! [`PlanReport`].

mod choices;
mod cost;
mod layout;
mod limits;
mod memory;
mod report;
mod values;

use std::collections::HashSet;

use crate::error::Result;
use crate::gpu::PipelineKey;
use crate::graph::{Graph, Op, Storage};
use crate::kernels::{self, DeviceContext, Dispatch, NodeContext, Read, Target, TensorView};
use crate::passes::{self, PassOptions, PassReport};
use crate::tensor::Shape;
pub use choices::ConvLayer;
pub(crate) use choices::conv_layers;
pub(crate) use cost::StepCost;
use cost::{Traffic, costs, value_bytes};
use layout::Layout;
pub use limits::BrokenLimit;
pub use report::{FusedPart, PlanReport, PlannedMemory, PlannedNode, PlannedStep};

/// A buffer that a step reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A buffer that values take turns in.
    Slot(usize),
    /// The graph input of this index, as it is given: NCHW float32.
    Input(usize),
    /// The graph output of this index, NCHW float32.
    Output(usize),
}

/// A dispatch with its buffers. Each `Read::Input(i)` of the dispatch is `inputs[i]`.
#[derive(Debug)]
pub(crate) struct Step {
    /// The node's name.
    pub label: String,
    /// The node's index in [`Plan::placed`].
    pub node: usize,
    /// Its operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shape of the node's answer.
    pub shape: Shape,
    pub cost: StepCost,
    pub dispatch: Dispatch,
    pub inputs: Vec<Place>,
    /// What it writes.
    pub output: Place,
    /// The node's scratch memories: each `Read::Scratch(i)` is `scratch[i]`.
    pub scratch: Vec<Place>,
}

/// A graph after its passes, and of each of its values the shape and where it lies.
#[derive(Debug)]
pub(crate) struct Placed {
    pub graph: Graph,
    pub shapes: Vec<Shape>,
    pub places: Vec<Place>,
    pub maps: Vec<TensorView>,
    /// Whether a value takes the place of the residual that its node adds.
    pub in_place: Vec<bool>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub placed: Placed,
    pub steps: Vec<Step>,
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Shapes of the graph's inputs and outputs.
    pub inputs: Vec<Shape>,
    pub outputs: Vec<Shape>,
    /// Where each output is found when all steps are done.
    pub output_locations: Vec<OutputLocation>,
    /// What passes did to the graph.
    pub passes: Vec<PassReport>,
    /// Bytes of the slots that values take turns in.
    pub activation_bytes: u64,
    /// Bytes that slots are larger by, or more slots have, for what kernels need between their
    /// dispatches.
    pub workspace_bytes: u64,
    /// Bytes of the largest set of values that are alive at once: what no plan can go below.
    pub lower_bound_bytes: u64,
}

/// Where an output is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputLocation {
    /// Unpacked by a step into its [`Place::Output`].
    Unpacked,
    /// In a slot from this byte on, as users see it.
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
        let (mut graph, mut passes) = passes::optimize(graph, inputs, passes)?;
        let shapes = graph.infer(inputs)?;
        let mut layout = Layout::new(&graph, &shapes, device)?;
        if layout.wastes_memory()
            && let Some((node, other, less)) = with_a_copy(&graph, &shapes, device, &layout)?
        {
            passes::copied_for_memory(&mut passes, &node);
            (graph, layout) = (other, less);
        }
        let Layout { places, maps, .. } = &layout;
        let mut steps = Vec::new();
        let mut next_input = 0;
        for (value, node) in graph.values() {
            let i = value.index();
            let scratch: Vec<Place> = layout.scratch[i].iter().map(|(place, _)| *place).collect();
            let kind = node.op.as_operator().kind();
            let shape = &shapes[i];
            let bytes = value_bytes(&maps[i], device.precision);
            let given_bytes = maps[i].unpadded_len() * 4;
            let mut push = |dispatch: Dispatch, inputs, cost| {
                steps.push(Step {
                    label: node.name.clone(),
                    node: i,
                    kind,
                    shape: shape.clone(),
                    cost,
                    inputs,
                    output: match dispatch.target {
                        Target::Output => places[i],
                        Target::Scratch(index) => scratch[index],
                    },
                    scratch: scratch.clone(),
                    dispatch,
                });
            };
            if let Op::Input(_) = node.op {
                if let Place::Slot(_) = places[i] {
                    let dispatch = kernels::pack(device, &node.name, maps[i])?;
                    let cost = StepCost {
                        operations: 0,
                        bytes: bytes + given_bytes,
                    };
                    push(dispatch, vec![Place::Input(next_input)], cost);
                }
                next_input += 1;
            } else if node.fused.storage != Storage::View && !values::renames(&graph, &shapes, i) {
                let operands: Vec<TensorView> =
                    node.inputs.iter().map(|v| maps[v.index()]).collect();
                let read: Vec<Place> = node.inputs.iter().map(|v| places[v.index()]).collect();
                let firsts: Vec<u32> = layout.scratch[i].iter().map(|(_, first)| *first).collect();
                let context = NodeContext {
                    node,
                    inputs: &operands,
                    output: maps[i],
                    residual_in_place: layout.in_place[i],
                    planar: matches!(read[0], Place::Input(_)),
                    scratch: &firsts,
                    device,
                };
                let in_place = |input: usize| {
                    let part = graph.node(node.inputs[input]).fused.storage;
                    matches!(part, Storage::ConcatSlice { of, .. } if of == value)
                };
                let dispatches = kernels::dispatches(&context, &in_place)?;
                let operands: Vec<&Shape> =
                    node.inputs.iter().map(|v| &shapes[v.index()]).collect();
                let multiplications = node.op.as_operator().multiplications(&operands, shape);
                let inputs: Vec<u64> = (node.inputs.iter().zip(&read))
                    .map(|(input, place)| match place {
                        Place::Input(_) => maps[input.index()].unpadded_len() * 4,
                        _ => value_bytes(&maps[input.index()], device.precision),
                    })
                    .collect();
                let traffic = Traffic {
                    inputs: &inputs,
                    scratch: &kernels::scratch(&context),
                    output: bytes,
                };
                let costs = costs(&dispatches, 2 * multiplications, &traffic);
                for (dispatch, cost) in dispatches.into_iter().zip(costs) {
                    push(dispatch, read.clone(), cost);
                }
            }
            for (index, output) in graph.outputs().iter().enumerate() {
                if *output == value && layout.output_locations[index] == OutputLocation::Unpacked {
                    steps.push(Step {
                        label: format!("output.{index}"),
                        node: i,
                        kind: "Output",
                        shape: shape.clone(),
                        cost: StepCost {
                            operations: 0,
                            bytes: bytes + given_bytes,
                        },
                        dispatch: kernels::unpack(device, &node.name, maps[i])?,
                        inputs: vec![places[i]],
                        output: Place::Output(index),
                        scratch: Vec::new(),
                    });
                }
            }
        }
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
            placed: Placed {
                graph,
                shapes,
                places: layout.places,
                maps: layout.maps,
                in_place: layout.in_place,
            },
        })
    }

    /// The pipelines that the steps need, each once.
    pub fn pipeline_keys(&self) -> Vec<PipelineKey> {
        let keys: HashSet<&PipelineKey> = self.steps.iter().map(|s| &s.dispatch.key).collect();
        keys.into_iter().cloned().collect()
    }

    /// Bytes of all that a session makes for it: weights, each counted once, values, and inputs and outputs
    /// on the device and where the host maps them.
    pub fn session_bytes(&self) -> u64 {
        let mut seen = HashSet::new();
        let new = (self.weights()).filter(|weight| seen.insert(weight.name.as_str()));
        let tensor = |shape: &Shape| shape.len() as u64 * 4;
        let answers = self.outputs.iter().zip(&self.output_locations);
        new.map(|weight| weight.bytes()).sum::<u64>()
            + self.slots.iter().sum::<u64>()
            + self
                .inputs
                .iter()
                .map(|shape| 2 * tensor(shape))
                .sum::<u64>()
            + answers
                .map(|(shape, answer)| match answer {
                    OutputLocation::Slot { .. } => tensor(shape),
                    OutputLocation::Unpacked => 2 * tensor(shape),
                })
                .sum::<u64>()
    }

    /// The weights that the steps read, one for each read.
    pub fn weights(&self) -> impl Iterator<Item = &std::sync::Arc<kernels::PackedWeight>> {
        self.steps.iter().flat_map(|step| {
            step.dispatch.reads.iter().filter_map(|read| match read {
                Read::Weight(weight) => Some(weight),
                Read::Input(_) | Read::Scratch(_) => None,
            })
        })
    }
}

/// Parts of which a copy is tried at the most, so that planning stays a matter of milliseconds.
const COPIES_TRIED: usize = 16;

/// `graph` with one part of a concatenation copied to its place, where that takes the least memory and
/// less than `layout`; with the part's name. Parts in place bind many values to one buffer, and that
/// may leave too little choice for the others.
fn with_a_copy(
    graph: &Graph,
    shapes: &[Shape],
    device: &DeviceContext,
    layout: &Layout,
) -> Result<Option<(String, Graph, Layout)>> {
    let mut bytes = layout.memory.value_bytes;
    let mut best = None;
    let nodes = graph.nodes().iter().enumerate();
    let parts = nodes.filter(|(_, node)| matches!(node.fused.storage, Storage::ConcatSlice { .. }));
    for (i, node) in parts.take(COPIES_TRIED) {
        let mut nodes = graph.nodes().to_vec();
        nodes[i].fused.storage = Storage::Owned;
        let other = Graph::from_nodes(graph.name(), nodes, graph.outputs().to_vec());
        let layout = Layout::new(&other, shapes, device)?;
        if layout.memory.value_bytes < bytes {
            bytes = layout.memory.value_bytes;
            best = Some((node.name.clone(), other, layout));
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests;
