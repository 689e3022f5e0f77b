//! Where two devices part ways in a network.

use std::sync::Arc;

use crate::accuracy::difference;
use crate::device::Device;
use crate::error::Result;
use crate::graph::{Graph, Op, ValueId};
use crate::reference::Reference;
use crate::session::{Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::weights::Weights;

/// The first step of a network at which a device's answers leave the CPU twin's.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The node's name.
    pub node: String,
    /// Its operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shaders that end in its value, passes included.
    pub shaders: Vec<String>,
    /// The largest difference, as a share of the twin's largest magnitude.
    pub error: f64,
}

/// Looks for the first node of `graph` at which `device` and the CPU twin differ by more than
/// `tolerance`, as a share of the value's largest magnitude: `None` where the network's answers agree.
/// What differs is taken to differ from there on, so that a search by halves finds it.
///
/// # Errors
/// As [`Session::run`].
pub fn first_divergence(
    device: &Device,
    graph: &Graph,
    weights: &Arc<Weights>,
    inputs: &[Tensor],
    options: &SessionOptions,
    tolerance: f64,
) -> Result<Option<Divergence>> {
    let error = |graph: &Graph| error_of(device, graph, weights, inputs, options);
    let whole = error(graph)?;
    if whole <= tolerance {
        return Ok(None);
    }
    // Those with something to compute, in order: the last of them is wrong.
    let nodes: Vec<ValueId> = (graph.values())
        .filter(|(_, node)| !matches!(node.op, Op::Input(_) | Op::Dropout))
        .map(|(value, _)| value)
        .collect();
    let (mut right, mut wrong) = (0, nodes.len().saturating_sub(1));
    let mut least = whole;
    while right < wrong {
        let middle = right.midpoint(wrong);
        let error = error(&up_to(graph, nodes[middle]))?;
        match error <= tolerance {
            true => right = middle + 1,
            false => (wrong, least) = (middle, error),
        }
    }
    let Some(&value) = nodes.get(wrong) else {
        return Ok(None);
    };
    let node = graph.node(value);
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let session = session(device, &up_to(graph, value), weights, options, &shapes)?;
    let mut shaders = session.shaders(&shapes)?;
    shaders.retain(|(label, _)| *label == node.name);
    Ok(Some(Divergence {
        node: node.name.clone(),
        kind: node.op.as_operator().kind(),
        shaders: shaders.into_iter().map(|(_, shader)| shader).collect(),
        error: least,
    }))
}

/// `graph` as far as `value`, which is its answer.
fn up_to(graph: &Graph, value: ValueId) -> Graph {
    let nodes = graph.nodes()[..=value.index()].to_vec();
    Graph::from_nodes(graph.name(), nodes, vec![value])
}

fn session(
    device: &Device,
    graph: &Graph,
    weights: &Arc<Weights>,
    options: &SessionOptions,
    shapes: &[Shape],
) -> Result<Session> {
    Session::new(device, graph, weights.clone(), options, shapes)
}

/// The largest difference of any output, infinite where there is a NaN.
fn error_of(
    device: &Device,
    graph: &Graph,
    weights: &Arc<Weights>,
    inputs: &[Tensor],
    options: &SessionOptions,
) -> Result<f64> {
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let answers = session(device, graph, weights, options, &shapes)?.run(inputs)?;
    let expected = Reference::<f32>::new(graph, weights)?.run(inputs)?;
    let pairs = answers.iter().zip(&expected);
    Ok(pairs.map(|(a, b)| difference(a, b)).fold(0.0, f64::max))
}
