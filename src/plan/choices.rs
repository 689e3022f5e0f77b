//! The convolutions of a graph that several algorithms can compute.

use super::selections::Selections;
use crate::error::Result;
use crate::graph::{Conv2d, Graph, Node, Op};
use crate::kernels::{self, Choice, DeviceContext};
use crate::passes::{self, PassOptions};
use crate::tensor::Shape;

/// A convolution of an optimized graph.
#[derive(Debug)]
pub struct ConvLayer {
    /// The node.
    pub node: Node,
    /// Its operator.
    pub op: Conv2d,
    /// Shapes of its inputs; where it adds a residual, that comes last.
    pub inputs: Vec<Shape>,
    /// The algorithms that can compute it.
    pub choice: Choice,
}

/// Those of `graph` after `passes`, in order.
///
/// # Errors
/// As [`Graph::infer`].
pub(crate) fn conv_layers(
    graph: &Graph,
    inputs: &[Shape],
    passes: &PassOptions,
    device: &DeviceContext,
) -> Result<Vec<ConvLayer>> {
    let (graph, _) = passes::optimize(graph, inputs, passes)?;
    let shapes = graph.infer(inputs)?;
    let selected = Selections::new(&graph, shapes, device);
    let mut layers = Vec::new();
    for (value, node) in graph.values() {
        let Op::Conv2d(op) = &node.op else {
            continue;
        };
        let Some(choice) = kernels::choice(&selected.selections[value.index()], device) else {
            continue;
        };
        let inputs = node.inputs.iter();
        layers.push(ConvLayer {
            node: node.clone(),
            op: op.clone(),
            inputs: inputs
                .map(|input| selected.shapes[input.index()].clone())
                .collect(),
            choice,
        });
    }
    Ok(layers)
}
