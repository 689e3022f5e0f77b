//! What is known of a graph's values before they have places.

use crate::error::Error;
use crate::gpu::Precision;
use crate::graph::{Graph, Lifetime, Op, ValueId, root};
use crate::kernels::{DeviceContext, TensorView, reads_planar_input};
use crate::tensor::Shape;

/// All vectors but `kept` are indexed as the values are.
pub(super) struct Values {
    /// As if each had a buffer of its own.
    pub own: Vec<TensorView>,
    /// The value in whose memory each lies.
    pub roots: Vec<usize>,
    /// The index of the graph's input that a value is, where that is read as it is given.
    pub as_given: Vec<Option<usize>>,
    /// Outputs that are read where they lie, and so kept to the end.
    pub kept: Vec<ValueId>,
    /// Of those with memory of their own.
    pub lifetimes: Vec<Option<Lifetime>>,
}

impl Values {
    pub fn new(graph: &Graph, shapes: &[Shape], device: &DeviceContext) -> Self {
        let own: Vec<TensorView> = shapes.iter().map(TensorView::new).collect();
        let is_rename = |i: usize| renames(graph, shapes, i);
        let roots: Vec<usize> = (0..shapes.len())
            .map(|i| root(i, |i| &graph.nodes()[i], is_rename))
            .collect();
        let as_given = inputs_as_given(graph, shapes);
        let kept: Vec<ValueId> = (graph.outputs().iter().copied())
            .filter(|output| {
                let i = output.index();
                let map = own[i].within(own[roots[i]].stride, 0);
                device.precision == Precision::F32
                    && map.is_planar()
                    && as_given[roots[i]].is_none()
            })
            .collect();
        let lifetimes = graph.lifetimes(&roots, &kept);
        Self {
            own,
            roots,
            as_given,
            kept,
            lifetimes,
        }
    }

    /// The values that the device cannot bind, or could not take from its user or give to them, by
    /// index, and why.
    pub fn too_large(
        &self,
        graph: &Graph,
        shapes: &[Shape],
        device: &DeviceContext,
    ) -> impl Iterator<Item = (usize, Error)> {
        let with_memory = (0..shapes.len()).filter(|&i| self.lifetimes[i].is_some());
        with_memory.filter_map(move |i| {
            let value = ValueId::new(i);
            let is_edge = graph.inputs().contains(&value) || graph.outputs().contains(&value);
            let unpadded = self.own[i].unpadded_len() * 4 * u64::from(is_edge);
            let packed = match self.as_given[i] {
                Some(_) => 0,
                None => self.own[i].bytes(device.precision),
            };
            let checked = device.check_binding(
                &format!("the output {} of '{}'", shapes[i], graph.nodes()[i].name),
                packed.max(unpadded),
                "use a smaller image or batch, float16 (--precision f16), or the CPU (--backend cpu)",
            );
            checked.err().map(|error| (i, error))
        })
    }
}

/// Whether node `i` only gives its input another name.
pub(super) fn renames(graph: &Graph, shapes: &[Shape], i: usize) -> bool {
    let node = &graph.nodes()[i];
    let input = node.inputs.first();
    input.is_some_and(|input| node.op.is_rename(&shapes[input.index()]))
}

/// See [`Values::as_given`]: token ids, and images whose readers all can.
fn inputs_as_given(graph: &Graph, shapes: &[Shape]) -> Vec<Option<usize>> {
    let mut as_given = vec![None; shapes.len()];
    for (index, input) in graph.inputs().iter().enumerate() {
        let Op::Input(op) = &graph.node(*input).op else {
            continue;
        };
        let all_can = || {
            let readers = graph
                .nodes()
                .iter()
                .filter(|node| node.inputs.contains(input));
            let mut count = 0;
            let can = readers.inspect(|_| count += 1).all(|node| {
                let reads = (0..node.inputs.len()).filter(|&i| node.inputs[i] == *input);
                reads
                    .into_iter()
                    .all(|i| reads_planar_input(node, i, &shapes[input.index()]))
            });
            can && count > 0 && !graph.outputs().contains(input)
        };
        if op.is_ids() || all_can() {
            as_given[input.index()] = Some(index);
        }
    }
    as_given
}
