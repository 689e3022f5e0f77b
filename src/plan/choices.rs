//! The convolutions of a graph that kernels can be chosen for.

use super::values::Values;
use crate::error::Result;
use crate::graph::{Conv2d, Graph, Node, Op};
use crate::kernels::{self, Choice, DeviceContext, NodeContext, TensorView};
use crate::passes::{self, PassOptions};
use crate::tensor::Shape;

/// A convolution of an optimized graph.
pub struct ConvLayer {
    /// The node.
    pub node: Node,
    /// Its operator.
    pub op: Conv2d,
    /// Shapes of what it reads; where it adds a residual, that last.
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
    let as_given = Values::new(&graph, &shapes, device).as_given;
    let mut layers = Vec::new();
    for (value, node) in graph.values() {
        let Op::Conv2d(op) = &node.op else {
            continue;
        };
        let inputs: Vec<Shape> = (node.inputs.iter())
            .map(|input| shapes[input.index()].clone())
            .collect();
        let maps: Vec<TensorView> = inputs.iter().map(TensorView::new).collect();
        let choice = kernels::choice(&NodeContext {
            node,
            inputs: &maps,
            output: TensorView::new(&shapes[value.index()]),
            residual_in_place: false,
            planar: (node.inputs.first()).is_some_and(|v| as_given[v.index()].is_some()),
            scratch: &[],
            device,
        });
        layers.extend(choice.map(|choice| ConvLayer {
            node: node.clone(),
            op: op.clone(),
            inputs,
            choice,
        }));
    }
    Ok(layers)
}
