//! An ONNX model as the source of networks.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex};

use super::network_source::{Network, NetworkSource};
use super::{Session, SessionOptions};
use crate::device::Device;
use crate::error::Result;
use crate::graph::Node;
use crate::onnx::{ImportedModel, OnnxModel};
use crate::tensor::Shape;
use crate::util::sync::lock_ignoring_poison as lock;
use crate::weights::Weights;

impl Session {
    /// A session for an ONNX model, prepared for inputs of `shapes`. The model is imported anew for inputs of other
    /// shapes, which share the weights on the device.
    ///
    /// ```
    /// use shadernet::onnx::OnnxModel;
    /// use shadernet::{Device, Session, SessionOptions, Shape, Tensor};
    ///
    /// let model = OnnxModel::open("tests/onnx/yunet_n_dynamic.onnx")?;
    /// let shape = Shape::from([1, 3, 64, 96]);
    /// let options = SessionOptions::default();
    /// let mut session = Session::from_onnx(&Device::cpu(), model, &options, &[shape.clone()])?;
    /// assert_eq!(session.run(&[Tensor::zeros(shape)])?[0].shape().dims(), [1, 8 * 12, 1]);
    /// let larger = Tensor::zeros([2, 3, 96, 96]);
    /// assert_eq!(session.run(&[larger])?[0].shape().dims(), [2, 12 * 12, 1]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`OnnxModel::import`] and [`Self::new`].
    pub fn from_onnx(
        device: &Device,
        model: impl Into<Arc<OnnxModel>>,
        options: &SessionOptions,
        shapes: &[Shape],
    ) -> Result<Self> {
        let source = NetworkSource::Onnx(OnnxSource::new(model.into()));
        Self::from_source(device, source, options, shapes, None)
    }
}

/// A model that is imported for each set of shapes.
pub(crate) struct OnnxSource {
    model: Arc<OnnxModel>,
    name: String,
    /// Hashes of the weights that each node had in the networks so far. Some weights are computed from the shapes
    /// of the inputs, and a session keeps weights by their names: different weights get different names.
    seen: Mutex<HashMap<String, Vec<u64>>>,
}

impl OnnxSource {
    pub fn new(model: Arc<OnnxModel>) -> Self {
        Self {
            name: model.name(),
            model,
            seen: Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network for inputs of `shapes`.
    pub fn network(&self, shapes: &[Shape]) -> Result<Network> {
        let ImportedModel {
            mut graph,
            mut weights,
        } = self.model.import(shapes)?;
        let renamed: HashMap<String, String> = (graph.nodes().iter())
            .filter_map(|node| Some((node.name().to_owned(), self.other_name(node, &weights)?)))
            .collect();
        for node in graph.nodes() {
            if let Some(new) = renamed.get(node.name()) {
                for parameter in node.parameters() {
                    let suffix = &parameter.name[node.name().len()..];
                    weights.rename(&parameter.name, format!("{new}{suffix}"));
                }
            }
        }
        graph.rename_nodes(&renamed);
        Ok(Network {
            graph,
            weights: Arc::new(weights),
        })
    }

    /// Another name for a node whose weights are not those that the first node of its name had.
    fn other_name(&self, node: &Node, weights: &Weights) -> Option<String> {
        let mut hasher = DefaultHasher::new();
        let parameters = node.parameters();
        if parameters.is_empty() {
            return None;
        }
        for parameter in parameters {
            weights.hash_content(&parameter.name, &mut hasher);
        }
        let content = hasher.finish();
        let mut seen = lock(&self.seen);
        let versions = seen.entry(node.name().to_owned()).or_default();
        let known = versions.iter().position(|version| *version == content);
        let version = known.unwrap_or_else(|| {
            versions.push(content);
            versions.len() - 1
        });
        (version > 0).then(|| format!("{} #{version}", node.name()))
    }
}
