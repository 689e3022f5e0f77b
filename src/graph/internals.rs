//! Access to optimized nodes for `shadernet-bench`. Not covered by semantic versioning.

pub use super::fused::{Fused, Norm, Prologue, Residual, Storage};

use super::{Graph, Node, Op, ValueId};

/// A node with the work that passes would have moved into it.
pub fn node(name: impl Into<String>, op: Op, inputs: Vec<ValueId>, fused: Fused) -> Node {
    Node {
        name: name.into(),
        op,
        inputs,
        fused,
        parameters_of: None,
    }
}

/// The work that passes have moved into a node.
pub fn fused(node: &Node) -> &Fused {
    &node.fused
}

/// The value of the node at an index of [`Graph::nodes`].
pub fn value_id(index: usize) -> ValueId {
    ValueId::new(index)
}

/// A graph of these nodes, each after those it reads. Its inputs are the `Input` nodes.
pub fn graph_from_nodes(name: &str, nodes: Vec<Node>, outputs: Vec<ValueId>) -> Graph {
    Graph::from_nodes(name, nodes, outputs)
}

/// A graph with other outputs. What they do not need remains in it.
pub fn with_outputs(graph: &Graph, outputs: Vec<ValueId>) -> Graph {
    graph.with_outputs(outputs)
}
