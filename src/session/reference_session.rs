//! A session on the reference backend.

use std::sync::Arc;

use super::network_source::NetworkSource;
use crate::error::Result;
use crate::reference::Reference;
use crate::tensor::Shape;

/// The reference backend, for inputs of the shapes used last.
#[derive(Debug)]
pub(super) struct ReferenceSession {
    source: Arc<NetworkSource>,
    reference: Arc<Reference>,
    shapes: Vec<Shape>,
}

impl ReferenceSession {
    pub fn new(source: Arc<NetworkSource>, shapes: &[Shape]) -> Result<Self> {
        Ok(Self {
            reference: make(&source, shapes)?,
            source,
            shapes: shapes.to_vec(),
        })
    }

    /// What computes inputs of `shapes`. A source with a network for each set of shapes makes it where they have
    /// changed.
    pub fn reference(&mut self, shapes: &[Shape]) -> Result<&Arc<Reference>> {
        if !self.source.is_one_graph() && self.shapes != shapes {
            self.reference = make(&self.source, shapes)?;
            self.shapes = shapes.to_vec();
        }
        Ok(&self.reference)
    }
}

fn make(source: &NetworkSource, shapes: &[Shape]) -> Result<Arc<Reference>> {
    let network = source.network(shapes)?;
    Ok(Arc::new(Reference::new(&network.graph, &network.weights)?))
}
