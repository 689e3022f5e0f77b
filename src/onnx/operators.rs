//! Which operators a model consists of, and which of them are supported.

use std::collections::BTreeMap;

use super::catalog;
use super::element_type::ElementType;
use super::model::{OnnxModel, extents, is_onnx_domain};
use super::proto::NodeProto;
use crate::error::Result;
use crate::printable;

/// An operator that a model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnnxOperator {
    /// The name, with the domain where it is not ONNX's own: `Conv`, `com.microsoft.FusedConv`.
    pub name: String,
    /// The names of its nodes; of those without one, of their first outputs.
    pub nodes: Vec<String>,
    /// Where it is computed; `None` where it is not supported.
    pub support: Option<OnnxSupport>,
}

/// Where an operator is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnnxSupport {
    /// On the device, or when the graph is imported where it depends on shapes only.
    Device,
    /// Only when the graph is imported: it must depend on shapes and constants only.
    Import,
}

impl OnnxModel {
    /// All operators of the model, by name. Whether each node can be computed depends on its settings too, which
    /// [`Self::import`] checks.
    pub fn operators(&self) -> Vec<OnnxOperator> {
        let mut operators: BTreeMap<String, OnnxOperator> = BTreeMap::new();
        for node in &self.graph.node {
            let name = match is_onnx_domain(&node.domain) {
                true => node.op_type.clone(),
                false => format!("{}.{}", node.domain, node.op_type),
            };
            let operator = operators
                .entry(name.clone())
                .or_insert_with(|| OnnxOperator {
                    name,
                    nodes: Vec::new(),
                    support: support(node),
                });
            operator.nodes.push(match node.name.as_str() {
                "" => node.output.first().cloned().unwrap_or_default(),
                name => name.to_owned(),
            });
        }
        operators.into_values().collect()
    }

    /// The number of elements of all weights that are floating-point numbers.
    pub fn parameter_count(&self) -> u64 {
        let floats = (self.graph.initializer.iter())
            .filter(|tensor| ElementType(tensor.data_type).is_float())
            .filter_map(|tensor| extents(tensor).ok());
        floats.fold(0, |sum: u64, (_, len)| sum.saturating_add(len as u64))
    }

    /// The number of elements of all weights, of whatever type.
    pub(super) fn element_count(&self) -> usize {
        let tensors = self.graph.initializer.iter();
        let lens = tensors.filter_map(|tensor| Some(extents(tensor).ok()?.1));
        lens.fold(0, usize::saturating_add)
    }

    /// Refuses the model if it has operators that are not supported, and names all of them. [`Self::import`] does it first.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File).
    pub fn check_operators(&self) -> Result<()> {
        let unknown: Vec<String> = (self.operators().iter())
            .filter(|operator| operator.support.is_none())
            .map(|operator| {
                let some = operator
                    .nodes
                    .iter()
                    .take(3)
                    .map(|name| printable::name(name));
                let some = some.collect::<Vec<_>>().join(", ");
                let count = operator.nodes.len();
                let more = if count > 3 { ", …" } else { "" };
                format!(
                    "{} ({count}: {some}{more})",
                    printable::name(&operator.name)
                )
            })
            .collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(self.error(format!(
                "operators that are not supported: {}",
                unknown.join("; ")
            ))),
        }
    }
}

fn support(node: &NodeProto) -> Option<OnnxSupport> {
    if !is_onnx_domain(&node.domain) {
        return None;
    }
    catalog::support(&node.op_type)
}
