//! The kernel selection of every node of a graph.

use crate::graph::{Graph, Op, ValueId};
use crate::kernels::{self, DeviceContext, Problem, Selection, TensorView, reads_nchw_input};
use crate::tensor::Shape;

/// What is known of a graph's values and nodes without where the values are stored. Graphs that differ
/// in [`Storage`](crate::graph::Storage) only share it. All vectors are indexed as the values are.
#[derive(Debug)]
pub(super) struct Selections {
    pub shapes: Vec<Shape>,
    /// As if each value had a buffer of its own.
    pub views: Vec<TensorView>,
    /// The index of the graph's input that a value is, where kernels read that as the user passes it
    /// and nothing is packed.
    pub read_unpacked: Vec<Option<usize>>,
    /// How each node is computed.
    pub selections: Vec<Selection>,
    /// The node in whose kernel alone a value exists: it has no memory, and what it is made of is read by that node.
    pub inside: Vec<Option<ValueId>>,
}

impl Selections {
    /// Selects the kernels of `graph`, once for each node.
    pub fn new(graph: &Graph, shapes: Vec<Shape>, device: &DeviceContext) -> Self {
        let read_unpacked = inputs_read_unpacked(graph, &shapes);
        let selections = (graph.values())
            .map(|(value, node)| {
                let first = node.inputs.first().map(|input| input.index());
                let problem = Problem::new(
                    node,
                    first.map(|i| &shapes[i]),
                    &shapes[value.index()],
                    first.is_some_and(|i| read_unpacked[i].is_some()),
                );
                kernels::select(&problem, device)
            })
            .collect();
        Self {
            views: shapes.iter().map(TensorView::new).collect(),
            inside: vec![None; shapes.len()],
            shapes,
            read_unpacked,
            selections,
        }
    }
}

impl Selections {
    /// For the CPU, which selects its kernels once values have places: all values are packed, and no node needs
    /// memory between its dispatches.
    pub fn without_kernels(shapes: Vec<Shape>, inside: Vec<Option<ValueId>>) -> Self {
        Self {
            inside,
            views: shapes.iter().map(TensorView::new).collect(),
            read_unpacked: vec![None; shapes.len()],
            selections: vec![Selection::default(); shapes.len()],
            shapes,
        }
    }
}

/// Token ids, and images that all their readers can read unpacked.
fn inputs_read_unpacked(graph: &Graph, shapes: &[Shape]) -> Vec<Option<usize>> {
    let mut read_unpacked = vec![None; shapes.len()];
    for (index, input) in graph.inputs().iter().enumerate() {
        let Op::Input(op) = &graph.node(*input).op else {
            continue;
        };
        let all_can = || {
            let shape = &shapes[input.index()];
            // Not those that read only its shape.
            let readers = (graph.nodes().iter()).filter(|node| node.values_read().contains(input));
            let mut count = 0;
            let can = readers.inspect(|_| count += 1).all(|node| {
                let read = node.values_read();
                let mut reads = (0..read.len()).filter(|&i| read[i] == *input);
                reads.all(|i| reads_nchw_input(node, i, shape))
            });
            can && count > 0 && !graph.outputs().contains(input)
        };
        if op.is_ids() || all_can() {
            read_unpacked[input.index()] = Some(index);
        }
    }
    read_unpacked
}
