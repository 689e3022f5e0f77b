//! A graph that passes are modifying.

use crate::graph::{Graph, Node, Op, Storage, ValueId, root};
use crate::tensor::Shape;

/// A graph whose nodes can be removed. Indices of nodes do not change before [`Draft::finish`].
pub(super) struct Draft {
    name: String,
    nodes: Vec<Option<Node>>,
    shapes: Vec<Shape>,
    outputs: Vec<ValueId>,
}

impl Draft {
    pub fn new(graph: &Graph, shapes: Vec<Shape>) -> Self {
        Self {
            name: graph.name().to_owned(),
            nodes: graph.nodes().iter().cloned().map(Some).collect(),
            shapes,
            outputs: graph.outputs().to_vec(),
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

    pub fn node_mut(&mut self, i: usize) -> &mut Node {
        self.nodes[i]
            .as_mut()
            .expect("no remaining node reads a removed one")
    }

    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.shapes[value.index()]
    }

    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    pub fn is_output(&self, value: ValueId) -> bool {
        self.outputs.contains(&value)
    }

    /// The nodes that read a value. A node that reads it several times is listed as often.
    pub fn readers(&self, value: ValueId) -> Vec<usize> {
        let mut readers = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let reads = node.iter().flat_map(|node| &node.inputs);
            readers.extend(reads.filter(|&&read| read == value).map(|_| i));
        }
        readers
    }

    /// The only node that reads `value`, or why there is no such node.
    pub fn sole_reader(&self, value: ValueId) -> Result<usize, String> {
        let name = &self.node(value.index()).name;
        if self.is_output(value) {
            return Err(format!("'{name}' is an output of the network"));
        }
        match self.readers(value)[..] {
            [reader] => Ok(reader),
            [] => Err(format!("nothing reads '{name}'")),
            ref readers => Err(format!("'{name}' is read {} times", readers.len())),
        }
    }

    pub fn remove(&mut self, i: usize) {
        self.nodes[i] = None;
    }

    /// Removes node `i`. Its readers read `value` instead.
    pub fn bypass(&mut self, i: usize, value: ValueId) {
        let removed = ValueId::new(i);
        self.remove(i);
        let reads = self
            .nodes
            .iter_mut()
            .flatten()
            .flat_map(|node| &mut node.inputs);
        for read in reads.chain(&mut self.outputs) {
            if *read == removed {
                *read = value;
            }
        }
    }

    /// Replaces node `i` by the node of `value`, which now does the work of both. Its position in the
    /// execution order becomes that of node `i`, after everything that it then reads.
    pub fn replace(&mut self, i: usize, value: ValueId) {
        self.nodes[i] = self.nodes[value.index()].take();
    }

    /// The node that owns the memory in which the value of node `i` is stored.
    pub fn root(&self, i: usize) -> usize {
        root(i, |i| self.node(i), |i| self.is_rename(i))
    }

    /// Whether the output of a node is its input's memory, unchanged.
    pub fn is_rename(&self, i: usize) -> bool {
        let node = self.node(i);
        (node.inputs.first()).is_some_and(|input| node.op.is_rename(self.shape(*input)))
    }

    /// A node that would read from and write to the memory of one value. WebGPU forbids this even if the
    /// elements read and written do not overlap.
    pub fn read_write_conflict(&self) -> Option<&Node> {
        let conflicts = |i: &usize| {
            let node = self.node(*i);
            if node.fused.storage == Storage::View || self.is_rename(*i) {
                return false;
            }
            let root = self.root(*i);
            node.values_read().iter().any(|read| {
                let storage = self.node(read.index()).fused.storage;
                let in_place = matches!(storage, Storage::ConcatSlice { of, .. } if of.index() == *i)
                    && matches!(node.op, Op::Concat(_));
                !in_place && self.root(read.index()) == root
            })
        };
        let found = self.indices().into_iter().find(|i| conflicts(i));
        found.map(|i| self.node(i))
    }
}
