//! A graph while passes work on it.

use crate::graph::{Graph, Node, Op, Storage, ValueId, root};
use crate::tensor::Shape;

/// A graph whose nodes may go. A node's index stays its own until [`Draft::finish`].
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

    /// The graph, without the nodes that are gone.
    pub fn finish(self) -> Graph {
        let mut places = Vec::with_capacity(self.nodes.len());
        let mut count = 0;
        for node in &self.nodes {
            places.push(ValueId::new(count));
            count += usize::from(node.is_some());
        }
        let place = |value: &mut ValueId| *value = places[value.index()];
        let mut nodes: Vec<Node> = self.nodes.into_iter().flatten().collect();
        for node in &mut nodes {
            node.inputs.iter_mut().for_each(place);
            if let Storage::ConcatSlice { of, .. } = &mut node.fused.storage {
                place(of);
            }
        }
        let mut outputs = self.outputs;
        outputs.iter_mut().for_each(place);
        Graph::from_nodes(&self.name, nodes, outputs)
    }

    /// The indices of the nodes there are, in execution order.
    pub fn indices(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|&i| self.nodes[i].is_some())
            .collect()
    }

    /// A node that is there: an index of [`Self::indices`] that no pass has taken away since, or
    /// what such a node reads.
    pub fn node(&self, i: usize) -> &Node {
        self.nodes[i]
            .as_ref()
            .expect("nothing reads a node that is gone")
    }

    pub fn node_mut(&mut self, i: usize) -> &mut Node {
        self.nodes[i]
            .as_mut()
            .expect("nothing reads a node that is gone")
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

    /// The nodes that read a value, each as often as it does.
    pub fn readers(&self, value: ValueId) -> Vec<usize> {
        let mut readers = Vec::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let reads = node.iter().flat_map(|node| &node.inputs);
            readers.extend(reads.filter(|&&read| read == value).map(|_| i));
        }
        readers
    }

    /// The node that alone reads `value`; else a reason why there is none.
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

    /// Takes node `i` away; who read it reads `value`.
    pub fn bypass(&mut self, i: usize, value: ValueId) {
        let gone = ValueId::new(i);
        self.remove(i);
        let reads = self
            .nodes
            .iter_mut()
            .flatten()
            .flat_map(|node| &mut node.inputs);
        for read in reads.chain(&mut self.outputs) {
            if *read == gone {
                *read = value;
            }
        }
    }

    /// Puts the node of `value` in the place of node `i`, whose work it has taken over: there
    /// everything it then reads has been computed.
    pub fn take_place(&mut self, value: ValueId, i: usize) {
        self.nodes[i] = self.nodes[value.index()].take();
    }

    /// The node in whose memory the value of node `i` lies.
    pub fn root(&self, i: usize) -> usize {
        root(i, |i| self.node(i), |i| self.is_rename(i))
    }

    /// Whether a node only gives its input another name.
    pub fn is_rename(&self, i: usize) -> bool {
        let node = self.node(i);
        (node.inputs.first()).is_some_and(|input| node.op.is_rename(self.shape(*input)))
    }

    /// A node that would read the memory that it writes, which WebGPU forbids even where what it
    /// reads lies beside what it writes.
    pub fn collision(&self) -> Option<&Node> {
        let collides = |i: &usize| {
            let node = self.node(*i);
            if node.fused.storage == Storage::View || self.is_rename(*i) {
                return false;
            }
            let root = self.root(*i);
            node.values_read().iter().any(|read| {
                let home = self.node(read.index()).fused.storage;
                let in_place = matches!(home, Storage::ConcatSlice { of, .. } if of.index() == *i)
                    && matches!(node.op, Op::Concat(_));
                !in_place && self.root(read.index()) == root
            })
        };
        let found = self.indices().into_iter().find(|i| collides(i));
        found.map(|i| self.node(i))
    }
}
