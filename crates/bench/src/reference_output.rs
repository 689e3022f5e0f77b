//! The output that a kernel's is checked against.

use std::sync::Arc;

use shadernet::device::Device;
use shadernet::error::Result;
use shadernet::graph::Graph;
use shadernet::session::{Session, SessionOptions};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;
use shadernet::weights::generate::generated_inputs;

/// Generated inputs of `shapes`, and the reference backend's first output of `graph` for them.
///
/// Through a session: with [`shadernet::reference::Reference`], whose type of numbers is generic,
/// this crate would compile all operators of the reference backend again.
///
/// # Errors
/// Where the reference backend cannot compute the graph.
pub(crate) fn reference_output(
    graph: &Graph,
    weights: Arc<Weights>,
    shapes: &[Shape],
) -> Result<(Vec<Tensor>, Tensor)> {
    let options = SessionOptions::default();
    // First, as it checks that there is enough memory.
    let mut session = Session::new(&Device::reference(), graph, weights, &options, shapes)?;
    let inputs = generated_inputs(shapes);
    let output = session.run(&inputs)?.swap_remove(0);
    Ok((inputs, output))
}
