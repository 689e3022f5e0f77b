//! Where a session's graph and weights are from: the same for all shapes of inputs, or made for each.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "onnx")]
use super::onnx::OnnxSource;
use crate::error::Result;
use crate::graph::Graph;
use crate::tensor::Shape;
use crate::weights::Weights;

/// A graph and its weights.
#[derive(Clone)]
pub(crate) struct Network {
    pub graph: Graph,
    pub weights: Arc<Weights>,
}

/// What makes the network for inputs of certain shapes.
pub(crate) enum NetworkSource {
    /// One graph, whatever the shapes.
    Graph(Network),
    #[cfg(feature = "onnx")]
    Onnx(OnnxSource),
}

impl NetworkSource {
    /// The network for inputs of `shapes`. In the networks of one source, weights of the same name are equal.
    #[cfg_attr(not(feature = "onnx"), expect(unused_variables))]
    pub fn network(&self, shapes: &[Shape]) -> Result<Network> {
        match self {
            Self::Graph(network) => Ok(network.clone()),
            #[cfg(feature = "onnx")]
            Self::Onnx(source) => source.network(shapes),
        }
    }

    /// The shapes of the outputs for inputs of `shapes`.
    pub fn output_shapes(&self, shapes: &[Shape]) -> Result<Vec<Shape>> {
        let graph = self.network(shapes)?.graph;
        let all = graph.infer(shapes)?;
        let outputs = graph.outputs().iter();
        Ok(outputs.map(|output| all[output.index()].clone()).collect())
    }

    /// Whether the network is the same for all shapes.
    pub fn is_one_graph(&self) -> bool {
        matches!(self, Self::Graph(_))
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Graph(network) => network.graph.name(),
            #[cfg(feature = "onnx")]
            Self::Onnx(source) => source.name(),
        }
    }
}

impl fmt::Debug for NetworkSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetworkSource").field(&self.name()).finish()
    }
}
