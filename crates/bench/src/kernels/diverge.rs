//! Finds the first node of a network at which two devices disagree.

use std::sync::Arc;

use shadernet::accuracy::difference;
use shadernet::device::Device;
use shadernet::error::Result;
use shadernet::graph::{Graph, Op, ValueId};
use shadernet::internals::with_outputs;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// The first node of a network at which a device's output differs from the reference.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Divergence {
    /// The node's name.
    pub node: String,
    /// Its operator, by PyTorch's name.
    pub kind: &'static str,
    /// The device's shaders that compute the node's value, after graph passes.
    pub shaders: Vec<String>,
    /// The largest difference, relative to the largest magnitude of the reference value.
    pub error: f64,
}

/// Finds the first node of `graph` at which `device` differs from `reference` ([`Device::reference`] or another
/// backend) by more than `tolerance`, relative to the value's largest magnitude. Returns `None` if the
/// network's outputs agree.
///
/// The search is a bisection: it assumes that every node after the first wrong one is wrong, too.
///
/// # Errors
/// As [`Session::run`].
pub fn first_divergence(
    reference: &Device,
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
    // The largest difference of any output; infinite if one has a NaN.
    let error = |graph: &Graph| -> Result<f64> {
        let outputs = session(device, graph)?.run(inputs)?;
        let expected = session(reference, graph)?.run(inputs)?;
        let pairs = outputs.iter().zip(&expected);
        Ok(pairs.map(|(a, b)| difference(a, b)).fold(0.0, f64::max))
    };
    let whole = error(graph)?;
    if whole <= tolerance {
        return Ok(None);
    }
    // Nodes that compute something, in order. The last one is wrong.
    let nodes: Vec<ValueId> = (graph.values())
        .filter(|(_, node)| !matches!(node.op(), Op::Input(_) | Op::Dropout))
        .map(|(value, _)| value)
        .collect();
    let (mut low, mut first_wrong) = (0, nodes.len().saturating_sub(1));
    let mut first_error = whole;
    while low < first_wrong {
        let middle = low.midpoint(first_wrong);
        let error = error(&up_to(graph, nodes[middle]))?;
        match error <= tolerance {
            true => low = middle + 1,
            false => (first_wrong, first_error) = (middle, error),
        }
    }
    let Some(&value) = nodes.get(first_wrong) else {
        return Ok(None);
    };
    let node = graph.node(value);
    let mut shaders = session(device, &up_to(graph, value))?.shaders(&shapes)?;
    shaders.retain(|(label, _)| label == node.name());
    Ok(Some(Divergence {
        node: node.name().to_owned(),
        kind: node.op().as_operator().kind(),
        shaders: shaders.into_iter().map(|(_, shader)| shader).collect(),
        error: first_error,
    }))
}

/// `graph` with `value` as its only output. The nodes after it remain, as their weights do.
fn up_to(graph: &Graph, value: ValueId) -> Graph {
    with_outputs(graph, vec![value])
}
