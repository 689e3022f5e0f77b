//! Values by name, and as outputs.

use super::{Graph, Op, ValueId};
use crate::error::{Error, Result, UnknownName};
use crate::tensor::Shape;

impl Graph {
    /// The value that the node `name` answers.
    ///
    /// # Errors
    /// [`Error::UnknownName`] with the names that are most like it.
    pub fn find(&self, name: &str) -> Result<ValueId> {
        let found = self.values().find(|(_, node)| node.name == name);
        found.map(|(value, _)| value).ok_or_else(|| {
            let names = self.nodes().iter().map(|node| node.name.as_str());
            Error::from(UnknownName::new("layer", name, names))
        })
    }

    /// This graph with the values of these names as more outputs, behind its own: taps. A value is what
    /// the node that it is named after answers, whatever passes fuse: none is moved over an output.
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
    /// let first = graph.nodes()[1].name.clone();
    /// let tapped = graph.with_intermediate_outputs(&[&first])?;
    /// let weights = Weights::generated(&tapped, 1.0);
    /// let mut session = Session::new(&Device::cpu(), &tapped, weights, &Default::default(), &shapes)?;
    /// let input = shadernet::tensor::Tensor::zeros(shapes[0].clone());
    /// let answers = session.run(&[input])?;
    /// assert_eq!(answers.len(), 1 + graph.outputs().len());
    ///
    /// let error = graph.with_intermediate_outputs(&["con1"]).unwrap_err();
    /// assert!(error.to_string().contains("'con1'"), "{error}");
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::find`]; [`Error::Inputs`] for token ids, which are no value that kernels compute.
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

    /// This graph with other outputs: values of its own.
    pub(crate) fn with_outputs(&self, outputs: Vec<ValueId>) -> Self {
        Self {
            outputs,
            ..self.clone()
        }
    }

    /// The value whose gradient tells most of where: the last map of more than one pixel that a
    /// convolution made, and what follows it at the same size, one by one (its norm, its activation, the
    /// concatenation or the sum that it goes into). `None` where there is no such map.
    ///
    /// # Errors
    /// As [`Graph::infer`].
    pub fn last_map(&self, inputs: &[Shape]) -> Result<Option<ValueId>> {
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
                    | Op::LocalResponseNorm(_)
                    | Op::Dropout
            )
        };
        loop {
            let mut readers = (self.values()).filter(|(_, node)| node.inputs.contains(&last));
            match (readers.next(), readers.next()) {
                (Some((next, node)), None) if follows(&node.op) && size(next) == size(last) => {
                    last = next;
                }
                _ => return Ok(Some(last)),
            }
        }
    }
}
