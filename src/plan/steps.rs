//! The dispatches of a plan with their buffers: the lowering of every node.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost::{NodeTraffic, StepCost, Traffic, costs, value_bytes};
use super::layout::Layout;
use super::selections::Selections;
use super::{BufferRef, OutputLocation, values};
use crate::error::Result;
use crate::graph::{Graph, Node, Op, Storage, ValueId};
use crate::kernels::{self, DeviceContext, Dispatch, Placement, Target, TensorView};
use crate::tensor::Shape;

/// A dispatch with its buffers. Each `Read::Input(i)` of the dispatch is `inputs[i]`.
#[derive(Debug)]
pub(crate) struct Step {
    /// The node's name.
    pub label: String,
    /// The node's index in [`Plan::placed`](super::Plan::placed).
    pub node: usize,
    /// Its operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shape of the node's output.
    pub shape: Shape,
    pub cost: StepCost,
    pub traffic: Traffic,
    pub dispatch: Dispatch,
    pub inputs: Arc<[BufferRef]>,
    /// What it writes.
    pub output: BufferRef,
    /// The node's workspaces: each `Read::Workspace(i)` is `workspace[i]`.
    pub workspace: Vec<BufferRef>,
}

/// The steps of `graph`, in order.
///
/// # Errors
/// [`Error::Limit`](crate::Error::Limit) where the device cannot run a dispatch.
pub(super) fn steps(
    graph: &Graph,
    selected: &Selections,
    layout: &Layout,
    device: &DeviceContext,
) -> Result<Vec<Step>> {
    let mut lowering = Lowering {
        graph,
        selected,
        layout,
        device,
        steps: Vec::with_capacity(graph.nodes().len() + 2),
    };
    let mut inputs = 0..;
    let mut unpacked: BTreeMap<ValueId, Vec<usize>> = BTreeMap::new();
    for (index, output) in graph.outputs().iter().enumerate() {
        if layout.output_locations[index] == OutputLocation::Unpacked {
            unpacked.entry(*output).or_default().push(index);
        }
    }
    for (value, node) in graph.values() {
        if let Op::Input(_) = node.op {
            let input = inputs.next().unwrap_or_default();
            if let BufferRef::Slot(_) = layout.buffers[value.index()] {
                lowering.pack(value, node, input)?;
            }
        } else if is_computed(graph, &selected.shapes, value) {
            lowering.compute(value, node)?;
        }
        for index in unpacked.remove(&value).into_iter().flatten() {
            lowering.unpack(value, node, index)?;
        }
    }
    Ok(lowering.steps)
}

/// Whether a node has something to compute: it is neither a view nor another name of its input.
pub(crate) fn is_computed(graph: &Graph, shapes: &[Shape], value: ValueId) -> bool {
    let storage = graph.node(value).fused.storage;
    storage != Storage::View && !values::renames(graph, shapes, value.index())
}

/// For each input of a concatenation, whether it is in the output's memory already; empty for other
/// nodes.
pub(crate) fn concat_in_place(graph: &Graph, value: ValueId) -> Vec<bool> {
    let node = graph.node(value);
    let is_in_place = |input: &ValueId| {
        let storage = graph.node(*input).fused.storage;
        matches!(storage, Storage::ConcatSlice { of, .. } if of == value)
    };
    match node.op {
        Op::Concat(_) => node.inputs.iter().map(is_in_place).collect(),
        _ => Vec::new(),
    }
}

struct Lowering<'a> {
    graph: &'a Graph,
    selected: &'a Selections,
    layout: &'a Layout,
    device: &'a DeviceContext,
    steps: Vec<Step>,
}

impl Lowering<'_> {
    /// Packs an input of the graph.
    fn pack(&mut self, value: ValueId, node: &Node, input: usize) -> Result<()> {
        let view = self.layout.views[value.index()];
        let traffic = Traffic {
            read: vec![view.unpadded_len() * 4],
            written: value_bytes(&view, self.device.precision),
        };
        self.steps.push(Step {
            label: node.name.clone(),
            node: value.index(),
            kind: node.op.as_operator().kind(),
            shape: self.selected.shapes[value.index()].clone(),
            cost: traffic.cost(0),
            traffic,
            dispatch: kernels::pack(self.device, &node.name, view)?,
            inputs: [BufferRef::Input(input)].into(),
            output: self.layout.buffers[value.index()],
            workspace: Vec::new(),
        });
        Ok(())
    }

    /// Unpacks an output of the graph.
    fn unpack(&mut self, value: ValueId, node: &Node, index: usize) -> Result<()> {
        let view = self.layout.views[value.index()];
        let traffic = Traffic {
            read: vec![value_bytes(&view, self.device.precision)],
            written: view.unpadded_len() * 4,
        };
        self.steps.push(Step {
            label: format!("output.{index}"),
            node: value.index(),
            kind: "Output",
            shape: self.selected.shapes[value.index()].clone(),
            cost: traffic.cost(0),
            traffic,
            dispatch: kernels::unpack(self.device, &node.name, view)?,
            inputs: [self.layout.buffers[value.index()]].into(),
            output: BufferRef::Output(index),
            workspace: Vec::new(),
        });
        Ok(())
    }

    /// Computes a node.
    fn compute(&mut self, value: ValueId, node: &Node) -> Result<()> {
        let Self {
            graph,
            selected,
            layout,
            device,
            ..
        } = *self;
        let i = value.index();
        let selection = &selected.selections[i];
        let views: Vec<TensorView> = node
            .inputs
            .iter()
            .map(|v| layout.views[v.index()])
            .collect();
        let buffers: Arc<[BufferRef]> =
            (node.inputs.iter().map(|v| layout.buffers[v.index()])).collect();
        let (workspace, firsts): (Vec<BufferRef>, Vec<u32>) =
            layout.workspace[i].iter().copied().unzip();
        let placement = Placement {
            inputs: &views,
            output: layout.views[i],
            workspace: &firsts,
            residual_in_place: layout.in_place[i],
            concat_in_place: &concat_in_place(graph, value),
        };
        let dispatches = kernels::lower(node, selection, &placement, device)?;
        let operator = node.op.as_operator();
        let shape = &selected.shapes[i];
        let input_shapes: Vec<&Shape> =
            (node.inputs.iter().map(|v| &selected.shapes[v.index()])).collect();
        let multiplications = operator.multiplications(&input_shapes, shape);
        let input_bytes: Vec<u64> = (views.iter().zip(buffers.iter()))
            .map(|(view, buffer)| match buffer {
                BufferRef::Input(_) => view.unpadded_len() * 4,
                _ => value_bytes(view, device.precision),
            })
            .collect();
        let traffic = NodeTraffic {
            inputs: &input_bytes,
            workspace: &selection.workspace,
            output: value_bytes(&layout.views[i], device.precision),
        };
        let costs = costs(&dispatches, multiplications.saturating_mul(2), &traffic);
        for (dispatch, (cost, traffic)) in dispatches.into_iter().zip(costs) {
            self.steps.push(Step {
                label: node.name.clone(),
                node: i,
                kind: operator.kind(),
                shape: shape.clone(),
                cost,
                traffic,
                inputs: buffers.clone(),
                output: match dispatch.target {
                    Target::Output => layout.buffers[i],
                    Target::Workspace(index) => workspace[index],
                },
                workspace: workspace.clone(),
                dispatch,
            });
        }
        Ok(())
    }
}
