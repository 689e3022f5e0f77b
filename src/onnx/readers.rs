//! Which values are read how often, and what that allows.

use super::import::Importer;
use super::node::OnnxNode;
use super::proto::GraphProto;
use super::view::View;
use crate::graph::ValueId;

impl<'m> Importer<'m> {
    /// Counts how often each value of a graph is read.
    pub(super) fn count_reads(&mut self, graph: &'m GraphProto) {
        let of_nodes = graph.node.iter().flat_map(|node| &node.input);
        let outputs = graph.output.iter().map(|output| &output.name);
        for name in of_nodes.chain(outputs) {
            let count = self.reads.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        let attributes = graph.node.iter().flat_map(|node| &node.attribute);
        for branch in attributes.filter_map(|attribute| attribute.g.as_ref()) {
            self.count_reads(branch);
        }
    }

    /// The node that returns a value of this name.
    pub(super) fn producer(&self, name: &str) -> Option<OnnxNode<'m>> {
        let node = self.producers.get(name)?;
        Some(OnnxNode::new(node, self.model.opset()))
    }

    pub(super) fn read_count(&self, name: &str) -> usize {
        self.reads.get(name).copied().unwrap_or(0)
    }

    /// Whether something reads output `i` of a node.
    pub fn is_output_read(&self, node: OnnxNode<'m>, i: usize) -> bool {
        let name = node.proto.output.get(i);
        name.is_some_and(|name| self.read_count(name) > 0)
    }

    /// Remembers that a value is what a batch normalization with weights of this name returns, if one node reads it.
    pub fn remember_norm(&mut self, value: ValueId, name: String) {
        if self.is_read_once {
            self.norms.insert(value, name);
        }
    }

    /// Multiplies by a scale and adds a shift for each channel in the batch normalization that returns `view`, if
    /// one does that nothing else reads. Exporters write a scale and a shift as nodes of their own.
    pub fn scale_norm(
        &mut self,
        view: &View,
        scale: Option<&[f32]>,
        shift: Option<&[f32]>,
    ) -> Result<bool, String> {
        let Some(name) = self.norms.get(&view.value).filter(|_| self.is_only_reader) else {
            return Ok(false);
        };
        for (suffix, shift) in [("weight", None), ("bias", shift)] {
            let Some(weight) = self.weights.get_mut(&format!("{name}.{suffix}")) else {
                return Err(format!("the {suffix} of '{name}' is not known"));
            };
            weight.change(|i, value| {
                let scaled = scale
                    .and_then(|scale| scale.get(i))
                    .map_or(value, |scale| value * scale);
                shift
                    .and_then(|shift| shift.get(i))
                    .map_or(scaled, |shift| scaled + shift)
            })?;
        }
        Ok(true)
    }
}
