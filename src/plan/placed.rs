//! A graph whose values have places in memory, without dispatches: what the CPU backend plans with.

use super::layout::{Layout, with_a_copy};
use super::selections::Selections;
use super::{OutputLocation, PlacedGraph};
use crate::error::Result;
use crate::gpu::Precision;
use crate::graph::{Graph, ValueId};
use crate::kernels::DeviceContext;
use crate::passes::{self, PassOptions, PassReport};
use crate::tensor::Shape;

/// See the module.
#[derive(Debug)]
pub(crate) struct PlacedPlan {
    pub placed: PlacedGraph,
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Where each output is after all steps.
    pub output_locations: Vec<OutputLocation>,
    /// What passes did to the graph.
    pub passes: Vec<PassReport>,
    /// Bytes of the largest set of values that are alive at once: no plan needs less.
    pub lower_bound_bytes: u64,
}

impl PlacedPlan {
    /// Places the values of `graph`, after `passes`, for inputs of these shapes. `inside` finds, in the optimized
    /// graph, the values without memory of their own, and the node in whose kernel each is.
    ///
    /// # Errors
    /// As [`Plan::new`](super::Plan::new), where the only limit is that elements are counted in 32 bits.
    pub fn new(
        graph: &Graph,
        inputs: &[Shape],
        passes: &PassOptions,
        inside: impl Fn(&Graph, &[Shape]) -> Vec<Option<ValueId>>,
    ) -> Result<Self> {
        let largest = (1 << 32) * Precision::F32.element_bytes();
        let host = DeviceContext {
            name: "the CPU".to_owned(),
            ..DeviceContext::assumed(wgpu::Limits {
                max_buffer_size: largest,
                max_storage_buffer_binding_size: largest,
                ..wgpu::Limits::default()
            })
        };
        let (mut graph, mut passes) = passes::optimize(graph, inputs, passes)?;
        let shapes = graph.infer(inputs)?;
        let inside = inside(&graph, &shapes);
        let selected = Selections::without_kernels(shapes, inside);
        let mut layout = Layout::new(&graph, &selected, &host)?;
        if layout.wastes_memory()
            && let Some((node, other, less)) = with_a_copy(&graph, &selected, &host, &layout)?
        {
            passes::copied_for_memory(&mut passes, &node);
            (graph, layout) = (other, less);
        }
        Ok(Self {
            slots: layout.memory.slots,
            output_locations: layout.output_locations,
            passes,
            lower_bound_bytes: layout.lower_bound,
            placed: PlacedGraph {
                graph,
                shapes: selected.shapes,
                buffers: layout.buffers,
                views: layout.views,
                in_place: layout.in_place,
                inside: selected.inside,
            },
        })
    }
}
