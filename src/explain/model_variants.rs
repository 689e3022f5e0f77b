//! A network that can be asked for more than it answers.

use std::sync::Arc;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, ValueId};
use crate::session::{Session, SessionOptions};
use crate::tensor::{Shape, Tensor};
use crate::vision::Preprocessing;
use crate::weights::Weights;

/// A graph with its weights on a device, and the session of the variant that was asked for last.
pub(super) struct VariantRunner<K> {
    pub graph: Graph,
    pub preprocessing: Preprocessing,
    device: Device,
    weights: Arc<Weights>,
    options: SessionOptions,
    session: Option<(K, Session)>,
}

impl<K: PartialEq> VariantRunner<K> {
    pub fn new(
        device: &Device,
        graph: &Graph,
        weights: impl Into<Arc<Weights>>,
        preprocessing: &Preprocessing,
        options: &SessionOptions,
    ) -> Result<Self> {
        let opened = Self {
            graph: graph.clone(),
            preprocessing: preprocessing.clone(),
            device: device.clone(),
            weights: weights.into(),
            options: options.clone(),
            session: None,
        };
        if graph.inputs().len() != 1 {
            return Err(Error::Inputs(format!(
                "a network of one input, a picture, was expected; {} has {}",
                graph.name(),
                graph.inputs().len()
            )));
        }
        opened.graph.infer(&[opened.shape(1)])?;
        opened.weights.check(graph)?;
        Ok(opened)
    }

    /// The shape of a batch.
    pub fn shape(&self, batch: usize) -> Shape {
        let [channels, height, width] = self.preprocessing.input_size;
        Shape::from([batch, channels, height, width])
    }

    /// Every layer that answers a map: its name, its operator in PyTorch's terms, and its shape.
    pub fn layers(&self) -> Result<Vec<(String, &'static str, Shape)>> {
        let shapes = self.graph.infer(&[self.shape(1)])?;
        let maps = (self.graph.values().zip(shapes))
            .filter(|((_, node), shape)| shape.rank() == 4 && !matches!(node.op, Op::Input(_)));
        Ok(maps
            .map(|((_, node), shape)| (node.name.clone(), node.op.as_operator().kind(), shape))
            .collect())
    }

    /// The picture's value.
    pub fn input(&self) -> ValueId {
        // `new` has seen that there is one.
        self.graph.inputs()[0]
    }

    /// Runs the variant `key` of the graph, which `make` makes where it is not the last one's.
    pub fn run(
        &mut self,
        key: K,
        make: impl FnOnce(&Graph) -> Result<Graph>,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        let session = match self.session.take() {
            Some((last, session)) if last == key => session,
            last => {
                // The last one's memory goes before the new one takes its own.
                drop(last);
                let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape().clone()).collect();
                let graph = make(&self.graph)?;
                let weights = self.weights.clone();
                Session::new(&self.device, &graph, weights, &self.options, &shapes)?
            }
        };
        let (_, session) = self.session.insert((key, session));
        session.run(inputs)
    }

    /// What the user should be told about how the network runs; see [`Session::warning`].
    pub fn warning(&self) -> Option<&str> {
        self.session
            .as_ref()
            .and_then(|(_, session)| session.warning())
    }

    /// Moves to another device.
    pub fn restore(&mut self, device: &Device) {
        self.session = None;
        self.device = device.clone();
    }
}
