//! Looking up values by name, and adding them to a graph's outputs.

use super::{Binary, Graph, Op, ValueId};
use crate::error::{Error, Result, UnknownName};
use crate::tensor::Shape;

impl Graph {
    /// The output of the node `name`.
    ///
    /// # Errors
    /// [`Error::UnknownName`], with the nearest name if one is near.
    pub fn find(&self, name: &str) -> Result<ValueId> {
        let found = self.values().find(|(_, node)| node.name == name);
        found.map(|(value, _)| value).ok_or_else(|| {
            let names = self.nodes().iter().map(|node| node.name.as_str());
            Error::from(UnknownName::new("layer", name, names))
        })
    }

    /// This graph with the outputs of the named nodes as additional outputs, after its own. Their values do
    /// not depend on what passes fuse, because no pass moves work across an output.
    ///
    /// ```
    /// use shadernet::device::Device;
    /// use shadernet::session::Session;
    /// use shadernet::weights::Weights;
    /// use shadernet::zoo::{self, ZooOptions};
    ///
    /// let architecture = zoo::find("small_cnn")?;
    /// let graph = architecture.build(&ZooOptions::default())?;
    /// let shapes = architecture.input_shapes(1, &ZooOptions::default());
    /// let first = graph.nodes()[1].name();
    /// let extended = graph.with_intermediate_outputs(&[first])?;
    /// let weights = Weights::generated(&extended, 1.0);
    /// let mut session = Session::new(&Device::cpu(), &extended, weights, &Default::default(), &shapes)?;
    /// let input = shadernet::tensor::Tensor::zeros(shapes[0].clone());
    /// let outputs = session.run(&[input])?;
    /// assert_eq!(outputs.len(), 1 + graph.outputs().len());
    ///
    /// let error = graph.with_intermediate_outputs(&["con1"]).unwrap_err();
    /// assert!(error.to_string().contains("'con1'"), "{error}");
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::find`]; [`Error::Inputs`] for token ids, which no kernel computes.
    pub fn with_intermediate_outputs<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        let mut outputs = self.outputs.clone();
        for name in names {
            let value = self.find(name.as_ref())?;
            if matches!(&self.node(value).op, Op::Input(input) if input.is_ids()) {
                return Err(Error::Inputs(format!(
                    "'{}' are token ids; only an Embedding can read them",
                    name.as_ref()
                )));
            }
            outputs.push(value);
        }
        Ok(self.with_outputs(outputs))
    }

    /// This graph with these of its values as outputs instead of its own.
    pub(crate) fn with_outputs(&self, outputs: Vec<ValueId>) -> Self {
        Self {
            outputs,
            ..self.clone()
        }
    }

    /// The features that a classifier reads: the input of the last layer before the first output that is fully
    /// connected, or a convolution (as in SqueezeNet). `None` where there is no such layer.
    ///
    /// ```
    /// use shadernet::zoo::{self, ZooOptions};
    ///
    /// let graph = zoo::build("resnet18", &ZooOptions::default())?;
    /// let features = graph.classifier_input().expect("it ends in a Linear");
    /// assert_eq!(graph.infer(&[[1, 3, 64, 64].into()])?[features.index()].dims(), [1, 512]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    pub fn classifier_input(&self) -> Option<ValueId> {
        // Nodes are in an order in which inputs come before what reads them.
        let mut is_read = vec![false; self.nodes.len()];
        let output = *self.outputs.first()?;
        is_read[output.index()] = true;
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if !is_read[i] {
                continue;
            }
            if matches!(node.op, Op::Linear(_) | Op::Conv2d(_)) {
                return node.inputs.first().copied();
            }
            for input in &node.inputs {
                is_read[input.index()] = true;
            }
        }
        None
    }

    /// The feature map on which Grad-CAM works by default: the output of the last convolution with more
    /// than one pixel, or of the chain of nodes that follow it at the same size, each the only reader of
    /// the one before (norm, activation, concatenation, sum), but for the pooling of a squeeze-and-excitation. `None` if
    /// there is no such convolution.
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub fn last_feature_map(&self, inputs: &[Shape]) -> Result<Option<ValueId>> {
        let shapes = self.infer(inputs)?;
        let size = |value: ValueId| match shapes[value.index()].dims() {
            [_, _, h, w] if h * w > 1 => Some([*h, *w]),
            _ => None,
        };
        let is_conv = |op: &Op| matches!(op, Op::Conv2d(_) | Op::ConvTranspose2d(_));
        let convs = self.values().filter(|(_, node)| is_conv(&node.op));
        let Some((mut last, _)) = convs.filter(|(value, _)| size(*value).is_some()).last() else {
            return Ok(None);
        };
        let follows = |op: &Op| {
            matches!(
                op,
                Op::BatchNorm2d(_)
                    | Op::Activation(_)
                    | Op::Binary(_)
                    | Op::Concat(_)
                    | Op::GroupNorm(_)
                    | Op::LayerScale(_)
                    | Op::LocalResponseNorm(_)
                    | Op::Dropout
            )
        };
        // The nodes that read each value, in order and each once.
        let mut readers: Vec<Vec<ValueId>> = vec![Vec::new(); self.nodes.len()];
        for (reader, node) in self.values() {
            for input in &node.inputs {
                let readers = &mut readers[input.index()];
                if readers.last() != Some(&reader) {
                    readers.push(reader);
                }
            }
        }
        loop {
            let op = |value: ValueId| &self.node(value).op;
            let next = match readers[last.index()][..] {
                [next] => next,
                // A squeeze-and-excitation reads the map twice.
                [pool, next]
                    if matches!(op(pool), Op::AdaptiveAvgPool2d(_))
                        && matches!(op(next), Op::Binary(Binary::Mul)) =>
                {
                    next
                }
                _ => return Ok(Some(last)),
            };
            if !follows(op(next)) || size(next) != size(last) {
                return Ok(Some(last));
            }
            last = next;
        }
    }
}
