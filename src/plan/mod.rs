//! A graph bound to input shapes and a device's limits: a plain list of dispatches over numbered
//! buffers. Nothing here touches a device, so a plan can be made and examined without one.

mod memory;

use crate::error::Result;
use crate::graph::{Graph, Op, ValueId};
use crate::kernels::{self, DeviceContext, Dispatch, Map, NodeContext, Read};
use crate::tensor::Shape;
use memory::Slots;

/// A buffer that a step reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A buffer that values take turns in.
    Slot(usize),
    /// The graph input of this index, NCHW float32.
    Input(usize),
    /// The graph output of this index, NCHW float32.
    Output(usize),
}

/// A dispatch with its buffers. Each `Read::Input(i)` of the dispatch is `inputs[i]`.
#[derive(Debug)]
pub(crate) struct Step {
    /// The node's name.
    pub label: String,
    pub dispatch: Dispatch,
    pub inputs: Vec<Place>,
    pub output: Place,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Shapes of the graph's inputs and outputs.
    pub inputs: Vec<Shape>,
    pub outputs: Vec<Shape>,
}

impl Plan {
    /// Plans `graph` for inputs of these shapes.
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]) or a value or
    /// weight is more than the device can bind ([`crate::Error::Limit`]).
    pub fn new(graph: &Graph, inputs: &[Shape], device: &DeviceContext) -> Result<Self> {
        let shapes = graph.infer(inputs)?;
        let maps: Vec<Map> = shapes.iter().map(Map::new).collect();
        let last_uses = last_uses(graph, &maps);
        let mut slots = Slots::default();
        // Where each value lies; an alias where its input does.
        let mut places: Vec<Place> = Vec::with_capacity(maps.len());
        let mut steps = Vec::new();
        let mut next_input = 0;
        for (value, node) in graph.values() {
            let i = value.index();
            let output = maps[i];
            if let [input] = node.inputs[..]
                && kernels::is_alias(&node.op, &maps[input.index()])
            {
                places.push(places[input.index()]);
            } else if matches!(&node.op, Op::Input(input) if input.is_ids()) {
                // Embeddings read ids as the caller gives them.
                places.push(Place::Input(next_input));
                next_input += 1;
            } else {
                let bytes = output.bytes(device.precision);
                device.check_binding(
                    &format!("the output {} of '{}'", shapes[i], node.name),
                    bytes.max(output.unpadded_len() * 4 * u64::from(is_edge(graph, value))),
                    "use a smaller image or batch, --precision f16, or --backend cpu",
                )?;
                places.push(Place::Slot(slots.take(bytes)));
                let step = |dispatch, inputs| Step {
                    label: node.name.clone(),
                    dispatch,
                    inputs,
                    output: places[i],
                };
                if let Op::Input(_) = node.op {
                    let dispatch = kernels::pack(device, &node.name, output)?;
                    steps.push(step(dispatch, vec![Place::Input(next_input)]));
                    next_input += 1;
                } else {
                    let operands: Vec<Map> = node.inputs.iter().map(|v| maps[v.index()]).collect();
                    let context = NodeContext {
                        node,
                        inputs: &operands,
                        output,
                        device,
                    };
                    let read: Vec<Place> = node.inputs.iter().map(|v| places[v.index()]).collect();
                    for dispatch in kernels::dispatches(&context)? {
                        steps.push(step(dispatch, read.clone()));
                    }
                }
            }
            for (index, _) in graph
                .outputs()
                .iter()
                .enumerate()
                .filter(|(_, o)| **o == value)
            {
                steps.push(Step {
                    label: format!("output.{index}"),
                    dispatch: kernels::unpack(device, &node.name, output)?,
                    inputs: vec![places[i]],
                    output: Place::Output(index),
                });
            }
            // What nobody reads from here on gives its slot back, an unread output included.
            for (earlier, place) in places.iter().enumerate() {
                if let (Place::Slot(slot), true) = (*place, last_uses[earlier] == Some(i)) {
                    slots.give_back(slot);
                }
            }
        }
        Ok(Self {
            steps,
            slots: slots.into_sizes(),
            inputs: inputs.to_vec(),
            outputs: (graph.outputs().iter())
                .map(|v| shapes[v.index()].clone())
                .collect(),
        })
    }

    /// The weights that the steps read, one for each read.
    pub fn weights(&self) -> impl Iterator<Item = &std::sync::Arc<kernels::PackedWeight>> {
        self.steps.iter().flat_map(|step| {
            step.dispatch.reads.iter().filter_map(|read| match read {
                Read::Weight(weight) => Some(weight),
                Read::Input(_) => None,
            })
        })
    }
}

/// Whether a value crosses to or from the user, where it is float32 without padding.
fn is_edge(graph: &Graph, value: ValueId) -> bool {
    graph.inputs().contains(&value) || graph.outputs().contains(&value)
}

/// For each value that has a slot of its own, the node after which nothing reads it. `None` for
/// aliases, whose uses count for the value they stand for.
fn last_uses(graph: &Graph, maps: &[Map]) -> Vec<Option<usize>> {
    let mut owner: Vec<usize> = Vec::with_capacity(maps.len());
    let mut last: Vec<Option<usize>> = Vec::with_capacity(maps.len());
    for (value, node) in graph.values() {
        let i = value.index();
        for input in &node.inputs {
            last[owner[input.index()]] = Some(i);
        }
        match node.inputs[..] {
            [input] if kernels::is_alias(&node.op, &maps[input.index()]) => {
                owner.push(owner[input.index()]);
                last.push(None);
                last[owner[i]] = Some(i);
            }
            _ => {
                owner.push(i);
                last.push(Some(i));
            }
        }
    }
    last
}

#[cfg(test)]
mod tests;
