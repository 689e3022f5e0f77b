//! What is planned before there are weights: the optimized graph, where its values are, and the kernel of each step.

use std::collections::BTreeMap;

use super::map::Map;
use super::pointwise::inside;
use super::select::{PlacedNode, Selection};
use super::weight_limit::keep_within;
use super::why;
use crate::error::Result;
use crate::graph::{Graph, Op, ValueId};
use crate::passes::PassOptions;
use crate::plan::{OutputLocation, PlacedPlan, StepCost, concat_in_place, is_computed};
use crate::tensor::Shape;

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

/// See the module.
#[derive(Debug)]
pub(crate) struct Outline {
    pub plan: PlacedPlan,
    pub inputs: Vec<Shape>,
    pub(super) steps: Vec<Outlined>,
}

#[derive(Debug)]
pub(super) struct Outlined {
    pub(super) info: StepInfo,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Pack { input: usize },
    Compute(Selection),
    Unpack { output: usize },
}

impl Outline {
    /// Plans `graph`, after `passes`, for inputs of these shapes. Weights take no more than `weight_bytes` where
    /// kernels allow that.
    ///
    /// # Errors
    /// Where shapes do not fit ([`crate::Error::Node`], [`crate::Error::Inputs`]).
    pub fn new(
        graph: &Graph,
        inputs: &[Shape],
        passes: &PassOptions,
        weight_bytes: Option<u64>,
    ) -> Result<Self> {
        let plan = PlacedPlan::new(graph, inputs, passes, inside)?;
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
                // Its reader's kernel computes it.
                _ if outline.plan.placed.inside[value.index()].is_some() => None,
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
        if let Some(limit) = weight_bytes {
            keep_within(limit, &mut outline);
        }
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

    pub(super) fn map(&self, value: ValueId) -> Map {
        Map::new(&self.plan.placed.views[value.index()])
    }

    pub(super) fn placed(&self, value: ValueId) -> PlacedNode<'_> {
        let graph = &self.plan.placed.graph;
        let node = graph.node(value);
        let shape = |value: ValueId| &self.plan.placed.shapes[value.index()];
        let inputs = node.inputs.iter().map(|v| (self.map(*v), shape(*v)));
        let first = node.inputs.first();
        let inside = first.filter(|first| self.plan.placed.inside[first.index()] == Some(value));
        PlacedNode {
            node,
            inside: inside.map(|first| Box::new(self.placed(*first))),
            inputs: inputs.collect(),
            output: (self.map(value), shape(value)),
            concat_in_place: concat_in_place(graph, value),
            is_packed_input: first.is_some_and(|v| matches!(graph.node(*v).op, Op::Input(_))),
        }
    }

    pub(super) fn info(&self, value: ValueId, what: &What) -> StepInfo {
        let placed = self.placed(value);
        let shape = placed.output.1.clone();
        let bytes = |map: &Map| (map.pixels() * map.channels) as u64 * 4;
        let output = bytes(&placed.output.0);
        let read = placed.read();
        let inputs: u64 = read.inputs.iter().map(|(map, _)| bytes(map)).sum();
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
                let (mut multiplications, mut weights) = (0u64, 0);
                for it in [Some(&placed), placed.inside.as_deref()]
                    .into_iter()
                    .flatten()
                {
                    let shapes: Vec<&Shape> = it.inputs.iter().map(|(_, shape)| *shape).collect();
                    let own = it
                        .node
                        .op
                        .as_operator()
                        .multiplications(&shapes, it.output.1);
                    multiplications = multiplications.saturating_add(own);
                    let parameters = it.node.parameters();
                    weights += parameters
                        .iter()
                        .map(|p| p.shape.len() as u64 * 4)
                        .sum::<u64>();
                }
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
}
