//! Where every value of a graph is in memory.

use std::collections::HashSet;

use super::memory::{self, Allocation, Memory};
use super::requests::MemoryRequests;
use super::selections::Selections;
use super::values::Values;
use super::{BufferRef, OutputLocation};
use crate::error::Result;
use crate::gpu::Precision;
use crate::graph::{Graph, Storage, ValueId};
use crate::kernels::{DeviceContext, TensorView};

/// Buffers and views of all values, indexed as they are, and the memory that takes.
pub(super) struct Layout {
    pub buffers: Vec<BufferRef>,
    pub views: Vec<TensorView>,
    /// Whether a value takes the place of the residual that its node adds.
    pub in_place: Vec<bool>,
    /// One per output of the graph.
    pub output_locations: Vec<OutputLocation>,
    /// For every node, its workspaces: the buffer of each, and its first element there.
    pub workspace: Vec<Vec<(BufferRef, u32)>>,
    pub memory: Memory,
    /// Bytes of the largest set of values that are alive at once: no plan needs less.
    pub lower_bound: u64,
}

/// Memory above this percentage of the lower bound is worth a copy.
const WASTEFUL_PERCENT: u64 = 115;

impl Layout {
    /// Whether memory is much above the lower bound, and a better layout may be searched for.
    pub fn wastes_memory(&self) -> bool {
        memory::is_searched(self.memory.allocations.len())
            && self.memory.value_bytes * 100 > self.lower_bound * WASTEFUL_PERCENT
    }

    /// Lays out `graph`, whose kernels are selected.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) where a value is too large for the device.
    pub fn new(graph: &Graph, selected: &Selections, device: &DeviceContext) -> Result<Self> {
        let Selections {
            shapes,
            views,
            read_unpacked,
            ..
        } = selected;
        let values = Values::new(graph, selected, device);
        if let Some((_, error)) = values.too_large(graph, selected, device).next() {
            return Err(error);
        }
        let (requests, memory) = assign(graph, selected, &values, device);
        let Values {
            roots,
            channels,
            kept,
            ..
        } = values;
        let mut layout = Self {
            buffers: Vec::with_capacity(shapes.len()),
            views: Vec::with_capacity(shapes.len()),
            in_place: requests.in_place,
            output_locations: Vec::with_capacity(graph.outputs().len()),
            workspace: Vec::with_capacity(shapes.len()),
            lower_bound: memory::lower_bound(&requests.requests[..requests.values]),
            memory,
        };
        for requests in &requests.workspace {
            let allocations = requests.iter().map(|&i| layout.memory.allocations[i]);
            // Workspaces are float32 whatever the precision.
            let element = |offset: u64| (offset / Precision::F32.element_bytes()) as u32;
            let place = |it: Allocation| (BufferRef::Slot(it.slot), element(it.offset));
            layout.workspace.push(allocations.map(place).collect());
        }
        for (i, view) in views.iter().enumerate() {
            let Some(request) = requests.request_of[i] else {
                // Not packed. What only renames it reads the user's input, too.
                let input = read_unpacked[roots[i]].unwrap_or(0);
                layout.buffers.push(BufferRef::Input(input));
                layout.views.push(*view);
                continue;
            };
            let Allocation { slot, offset } = layout.memory.allocations[request];
            let first = (offset / device.precision.element_bytes()) as u32;
            // Passes make sure that all of them are multiples of 4.
            let offset = first + (channels[i] / 4) as u32;
            layout.buffers.push(BufferRef::Slot(slot));
            (layout.views).push(view.within(views[roots[i]].pixel_stride, offset));
        }
        let kept: HashSet<ValueId> = kept.into_iter().collect();
        for output in graph.outputs() {
            let i = output.index();
            let location = match (layout.buffers[i], kept.contains(output)) {
                (BufferRef::Slot(slot), true) => OutputLocation::Slot {
                    slot,
                    offset: u64::from(layout.views[i].offset) * device.precision.element_bytes(),
                },
                _ => OutputLocation::Unpacked,
            };
            layout.output_locations.push(location);
        }
        Ok(layout)
    }
}

/// The requests of `graph` with the assignment that needs the least memory for values.
///
/// A sum in its residual's place is one value less, but it binds both to one buffer, which may need
/// more memory. The first residuals are the largest, so variants without these in place are tried.
fn assign(
    graph: &Graph,
    selected: &Selections,
    values: &Values,
    device: &DeviceContext,
) -> (MemoryRequests, Memory) {
    let mut best: Option<(MemoryRequests, Memory)> = None;
    for separate in [0, 1, 2, 3, usize::MAX] {
        let requested = MemoryRequests::new(graph, selected, values, separate, device.precision);
        let requests = &requested.requests;
        let memory = memory::assign(requests, requested.values, device.largest_binding());
        let memory_requests = requests.len();
        let has_sums_in_place = requested.in_place.contains(&true);
        let lower_bound = memory::lower_bound(&requests[..requested.values]);
        let is_good = memory.value_bytes <= lower_bound / 100 * 105;
        let is_better = |best: &(_, Memory)| memory.value_bytes < best.1.value_bytes;
        if best.as_ref().is_none_or(is_better) {
            best = Some((requested, memory));
        }
        let is_searched = memory::is_searched(memory_requests);
        if is_good || !has_sums_in_place || !is_searched {
            break;
        }
    }
    best.unwrap_or_default()
}

/// Parts of concatenations for which a copy is tried at most, so that planning takes milliseconds.
const MAX_COPIES_TRIED: usize = 16;

/// `graph` with one part of a concatenation copied to its place, where that needs less memory than
/// `layout`: the copy that needs the least, with the part's name. Parts in place bind many values to
/// one buffer, which may leave too little choice for the others.
pub(super) fn with_a_copy(
    graph: &Graph,
    selected: &Selections,
    device: &DeviceContext,
    layout: &Layout,
) -> Result<Option<(String, Graph, Layout)>> {
    let mut bytes = layout.memory.value_bytes;
    let mut best = None;
    let nodes = graph.nodes().iter().enumerate();
    let parts = nodes.filter(|(_, node)| matches!(node.fused.storage, Storage::ConcatSlice { .. }));
    for (i, node) in parts.take(MAX_COPIES_TRIED) {
        let mut nodes = graph.nodes().to_vec();
        nodes[i].fused.storage = Storage::Owned;
        let other = Graph::from_nodes(graph.name(), nodes, graph.outputs().to_vec());
        // Only storage differs, so the selections are the same.
        let layout = Layout::new(&other, selected, device)?;
        if layout.memory.value_bytes < bytes {
            bytes = layout.memory.value_bytes;
            best = Some((node.name.clone(), other, layout));
        }
    }
    Ok(best)
}
