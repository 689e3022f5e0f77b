//! Where two devices part ways in a network.

use std::sync::Arc;

use shadernet::accuracy::difference;
use shadernet::device::Device;
use shadernet::error::Result;
use shadernet::graph::{Graph, Op, ValueId};
use shadernet::internals::graph_from_nodes;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// The first step of a network at which a device's answers leave another's.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The node's name.
    pub node: String,
    /// Its operator, in PyTorch's terms.
    pub kind: &'static str,
    /// The shaders of the device that end in its value, passes included.
    pub shaders: Vec<String>,
    /// The largest difference, as a share of the largest magnitude.
    pub error: f64,
}

/// Looks for the first node of `graph` at which `device` differs from `trusted` ([`Device::cpu`] or
/// another backend) by more than `tolerance`, as a share of the value's largest magnitude: `None` where
/// the network's answers agree. What differs is taken to differ from there on, so that a search by
/// halves finds it.
///
/// # Errors
/// As [`Session::run`].
pub fn first_divergence(
    trusted: &Device,
    device: &Device,
    graph: &Graph,
    weights: &Arc<Weights>,
    inputs: &[Tensor],
    options: &SessionOptions,
    tolerance: f64,
) -> Result<Option<Divergence>> {
    let shapes: Vec<Shape> = inputs.iter().map(|t| t.shape().clone()).collect();
    let session =
        |device, graph: &Graph| Session::new(device, graph, weights.clone(), options, &shapes);
    // The largest difference of any output, infinite where there is a NaN.
    let error = |graph: &Graph| -> Result<f64> {
        let answers = session(device, graph)?.run(inputs)?;
        let expected = session(trusted, graph)?.run(inputs)?;
        let pairs = answers.iter().zip(&expected);
        Ok(pairs.map(|(a, b)| difference(a, b)).fold(0.0, f64::max))
    };
    let whole = error(graph)?;
    if whole <= tolerance {
        return Ok(None);
    }
    // Those with something to compute, in order: the last of them is wrong.
    let nodes: Vec<ValueId> = (graph.values())
        .filter(|(_, node)| !matches!(node.op(), Op::Input(_) | Op::Dropout))
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
    let mut shaders = session(device, &up_to(graph, value))?.shaders(&shapes)?;
    shaders.retain(|(label, _)| label == node.name());
    Ok(Some(Divergence {
        node: node.name().to_owned(),
        kind: node.op().as_operator().kind(),
        shaders: shaders.into_iter().map(|(_, shader)| shader).collect(),
        error: least,
    }))
}

/// `graph` as far as `value`, which is its answer.
fn up_to(graph: &Graph, value: ValueId) -> Graph {
    let nodes = graph.nodes()[..=value.index()].to_vec();
    graph_from_nodes(graph.name(), nodes, vec![value])
}
