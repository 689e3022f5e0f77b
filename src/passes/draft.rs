//! A graph that passes are modifying.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Fused, Graph, Node, Storage, ValueId};
use crate::tensor::Shape;

/// A graph whose nodes can be removed. Indices of nodes do not change before [`Draft::finish`].
pub(super) struct Draft {
    name: String,
    nodes: Vec<Option<Node>>,
    shapes: Vec<Shape>,
    outputs: Vec<ValueId>,
    /// For each value, whether it is an output.
    is_output: Vec<bool>,
    /// For each value, the nodes that read it.
    readers: Vec<Readers>,
}

/// The nodes that read a value.
#[derive(Clone, Default)]
struct Readers {
    /// How often each reads it.
    times: BTreeMap<usize, usize>,
    /// The sum of these.
    total: usize,
}

impl Draft {
    pub fn new(graph: &Graph, shapes: Vec<Shape>) -> Self {
        let nodes: Vec<Option<Node>> = graph.nodes().iter().cloned().map(Some).collect();
        let count = nodes.len();
        let mut this = Self {
            name: graph.name().to_owned(),
            nodes,
            shapes,
            outputs: graph.outputs().to_vec(),
            is_output: vec![false; count],
            readers: vec![Readers::default(); count],
        };
        for output in &this.outputs {
            this.is_output[output.index()] = true;
        }
        for i in 0..count {
            this.attach(i);
        }
        this
    }

    /// Adds node `i` to the readers of its inputs.
    fn attach(&mut self, i: usize) {
        for input in self.nodes[i].iter().flat_map(|node| &node.inputs) {
            let readers = &mut self.readers[input.index()];
            *readers.times.entry(i).or_default() += 1;
            readers.total += 1;
        }
    }

    /// Removes node `i` from the readers of its inputs.
    fn detach(&mut self, i: usize) {
        for input in self.nodes[i].iter().flat_map(|node| &node.inputs) {
            let readers = &mut self.readers[input.index()];
            readers.total -= readers.times.remove(&i).unwrap_or(0);
        }
    }

    /// The graph of the remaining nodes.
    pub fn finish(self) -> Graph {
        let mut new_ids = Vec::with_capacity(self.nodes.len());
        let mut count = 0;
        for node in &self.nodes {
            new_ids.push(ValueId::new(count));
            count += usize::from(node.is_some());
        }
        let renumber = |value: &mut ValueId| *value = new_ids[value.index()];
        let mut nodes: Vec<Node> = self.nodes.into_iter().flatten().collect();
        for node in &mut nodes {
            node.inputs.iter_mut().for_each(renumber);
            if let Storage::ConcatSlice { of, .. } = &mut node.fused.storage {
                renumber(of);
            }
        }
        let mut outputs = self.outputs;
        outputs.iter_mut().for_each(renumber);
        Graph::from_nodes(&self.name, nodes, outputs)
    }

    /// The indices of the remaining nodes, in execution order.
    pub fn indices(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|&i| self.nodes[i].is_some())
            .collect()
    }

    /// A remaining node: `i` is an index from [`Self::indices`] that has not been removed since, or an
    /// input of such a node.
    pub fn node(&self, i: usize) -> &Node {
        self.nodes[i]
            .as_ref()
            .expect("no remaining node reads a removed one")
    }

    /// What is fused into a remaining node.
    pub fn fused_mut(&mut self, i: usize) -> &mut Fused {
        &mut self.node_mut(i).fused
    }

    fn node_mut(&mut self, i: usize) -> &mut Node {
        self.nodes[i]
            .as_mut()
            .expect("no remaining node reads a removed one")
    }

    /// Lets node `i` read other values.
    pub fn set_inputs(&mut self, i: usize, inputs: Vec<ValueId>) {
        self.detach(i);
        self.node_mut(i).inputs = inputs;
        self.attach(i);
    }

    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.shapes[value.index()]
    }

    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    pub fn is_output(&self, value: ValueId) -> bool {
        self.is_output[value.index()]
    }

    /// The nodes that read a value, each once.
    pub fn readers(&self, value: ValueId) -> impl Iterator<Item = usize> + '_ {
        self.readers[value.index()].times.keys().copied()
    }

    /// The only node that reads `value`, or why there is no such node.
    pub fn sole_reader(&self, value: ValueId) -> Result<usize, String> {
        let name = &self.node(value.index()).name;
        if self.is_output(value) {
            return Err(format!("'{name}' is an output of the network"));
        }
        let readers = &self.readers[value.index()];
        match (readers.total, readers.times.keys().next()) {
            (1, Some(reader)) => Ok(*reader),
            (0, _) => Err(format!("nothing reads '{name}'")),
            (total, _) => Err(format!("'{name}' is read {total} times")),
        }
    }

    pub fn remove(&mut self, i: usize) {
        self.detach(i);
        self.nodes[i] = None;
    }

    /// Removes nodes, each with the earlier value that its readers read instead.
    pub fn bypass(&mut self, removed: &[(usize, ValueId)]) {
        let mut instead: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        for &(i, value) in removed {
            // What replaces it may itself be removed.
            let value = instead.get(&value).copied().unwrap_or(value);
            instead.insert(ValueId::new(i), value);
        }
        let mut changed = BTreeSet::new();
        for &(i, _) in removed {
            changed.extend(self.readers(ValueId::new(i)));
        }
        for &(i, _) in removed {
            self.remove(i);
            changed.remove(&i);
        }
        let replacement = |value: &ValueId| instead.get(value).copied().unwrap_or(*value);
        for i in changed {
            let inputs = self.node(i).inputs.iter().map(replacement).collect();
            self.set_inputs(i, inputs);
        }
        if removed.iter().any(|(i, _)| self.is_output[*i]) {
            for output in &mut self.outputs {
                *output = replacement(output);
                self.is_output[output.index()] = true;
            }
        }
    }

    /// Replaces node `i` by the node of `value`, which now does the work of both. Its position in the
    /// execution order becomes that of node `i`, after everything that it then reads.
    pub fn replace(&mut self, i: usize, value: ValueId) {
        self.detach(i);
        self.detach(value.index());
        self.nodes[i] = self.nodes[value.index()].take();
        self.attach(i);
    }

    /// Whether the output of a node is its input's memory, unchanged.
    pub fn is_rename(&self, i: usize) -> bool {
        let node = self.node(i);
        (node.inputs.first()).is_some_and(|input| node.op.is_rename(self.shape(*input)))
    }
}
