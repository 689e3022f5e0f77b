//! What is known of a graph's values once their storage is known, before they have addresses.

use std::collections::HashSet;

use super::selections::Selections;
use crate::error::Error;
use crate::gpu::Precision;
use crate::graph::{Graph, Lifetime, Places, ValueId};
use crate::kernels::DeviceContext;
use crate::tensor::Shape;

pub(super) struct Values {
    /// For each value, the one in whose memory it is.
    pub roots: Vec<usize>,
    /// For each value, how many channels of that memory come before its own.
    pub channels: Vec<usize>,
    /// Outputs that users read from the activations' memory, so that it is kept to the end.
    pub kept: Vec<ValueId>,
    /// For each value with memory of its own, when that is in use.
    pub lifetimes: Vec<Option<Lifetime>>,
}

impl Values {
    pub fn new(graph: &Graph, selected: &Selections, device: &DeviceContext) -> Self {
        let Selections {
            shapes,
            views,
            read_unpacked,
            ..
        } = selected;
        let is_rename = |i: usize| renames(graph, shapes, i);
        let Places { roots, channels } = Places::new(graph.nodes(), is_rename);
        let kept: Vec<ValueId> = (graph.outputs().iter().copied())
            .filter(|output| {
                let i = output.index();
                let view = views[i].within(views[roots[i]].pixel_stride, 0);
                device.precision == Precision::F32
                    && view.is_nchw()
                    && read_unpacked[roots[i]].is_none()
            })
            .collect();
        let mut lifetimes = graph.lifetimes(&roots, &kept);
        for (value, node) in graph.values() {
            let Some(reader) = selected.inside[value.index()] else {
                continue;
            };
            lifetimes[value.index()] = None;
            for input in node.values_read() {
                if let Some(lifetime) = &mut lifetimes[roots[input.index()]] {
                    lifetime.last = lifetime.last.max(reader.index());
                }
            }
        }
        Self {
            roots,
            channels,
            kept,
            lifetimes,
        }
    }

    /// The values, by index, that the device cannot bind, or that could not be uploaded or downloaded.
    pub fn too_large(
        &self,
        graph: &Graph,
        selected: &Selections,
        device: &DeviceContext,
    ) -> impl Iterator<Item = (usize, Error)> {
        let largest = device.largest_binding();
        let edges = graph.inputs().iter().chain(graph.outputs());
        let edges: HashSet<ValueId> = edges.copied().collect();
        let with_memory = (0..self.lifetimes.len()).filter(|&i| self.lifetimes[i].is_some());
        with_memory.filter_map(move |i| {
            let value = ValueId::new(i);
            let view = &selected.views[i];
            let unpadded = view.unpadded_len() * 4 * u64::from(edges.contains(&value));
            let packed = match selected.read_unpacked[i] {
                Some(_) => 0,
                None => view.bytes(device.precision),
            };
            let needed = packed.max(unpadded);
            if needed <= largest {
                return None;
            }
            let (shape, name) = (&selected.shapes[i], &graph.nodes()[i].name);
            let checked = device.check_binding(
                &format!("the output {shape} of '{name}'"),
                needed,
                "use a smaller image or batch, float16, or the CPU",
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
