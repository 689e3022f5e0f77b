//! Builds a [`Graph`] node by node. Mistakes (a name used twice, a value of another graph) are reported
//! by [`GraphBuilder::build`], so that the code of a network is a plain list of layers.

use std::collections::HashSet;

use super::ops::{
    Activation, AdaptiveAvgPool2d, BatchNorm2d, Binary, Concat, Conv2d, Flatten, Input, Linear, Op,
    Pool2d, Softmax,
};
use super::{Fused, Graph, Node, ValueId};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// See [`crate::graph`] for an example.
#[derive(Debug)]
pub struct GraphBuilder {
    name: String,
    nodes: Vec<Node>,
    names: HashSet<String>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    first_error: Option<Error>,
}

impl GraphBuilder {
    /// An empty graph called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            nodes: Vec::new(),
            names: HashSet::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            first_error: None,
        }
    }

    /// Adds a node of any operator and returns the value it produces.
    pub fn node(
        &mut self,
        name: impl Into<String>,
        op: impl Into<Op>,
        inputs: &[ValueId],
    ) -> ValueId {
        let node = Node {
            name: name.into(),
            op: op.into(),
            inputs: inputs.to_vec(),
            fused: Fused::default(),
            parameters_of: None,
        };
        let id = ValueId(self.nodes.len());
        let problem = if !self.names.insert(node.name.clone()) {
            Some("the name is used twice in this graph".to_owned())
        } else if inputs.iter().any(|v| v.0 >= id.0) {
            Some("it reads a value that no earlier node of this graph produces".to_owned())
        } else if let Err(reason) = node.op.as_operator().check(inputs.len()) {
            Some(reason)
        } else {
            parameter_problem(&node).or_else(|| self.ids_problem(&node))
        };
        if let (Some(reason), None) = (problem, &self.first_error) {
            self.first_error = Some(node.error(reason));
        }
        if matches!(node.op, Op::Input(_)) {
            self.inputs.push(id);
        }
        self.nodes.push(node);
        id
    }

    /// Why the node cannot read its inputs: an embedding reads token ids only, and only an embedding reads
    /// them.
    fn ids_problem(&self, node: &Node) -> Option<String> {
        let is_embedding = matches!(node.op, Op::Embedding(_));
        let is_ids = |v: &ValueId| matches!(&self.nodes[v.0].op, Op::Input(i) if i.is_ids());
        let fits = node.inputs.iter().all(|v| is_ids(v) == is_embedding);
        (!fits).then(|| match is_embedding {
            true => "it takes token ids, from an input made by Input::ids".to_owned(),
            false => "it reads token ids, which only an Embedding can".to_owned(),
        })
    }

    /// An image input `[N, channels, H, W]` of any batch and size.
    pub fn image_input(&mut self, name: impl Into<String>, channels: usize) -> ValueId {
        self.node(name, Input::image(channels), &[])
    }

    /// An input. Extents are fixed where `Some` and free where `None`.
    pub fn input(&mut self, name: impl Into<String>, dims: &[Option<usize>]) -> ValueId {
        self.node(name, Input::new(dims), &[])
    }

    /// A 2-D convolution.
    pub fn conv2d(&mut self, name: impl Into<String>, x: ValueId, op: Conv2d) -> ValueId {
        self.node(name, op, &[x])
    }

    /// A fully connected layer.
    pub fn linear(&mut self, name: impl Into<String>, x: ValueId, op: Linear) -> ValueId {
        self.node(name, op, &[x])
    }

    /// Batch normalization with running statistics.
    pub fn batch_norm(&mut self, name: impl Into<String>, x: ValueId, op: BatchNorm2d) -> ValueId {
        self.node(name, op, &[x])
    }

    /// An element-wise activation.
    pub fn activation(&mut self, name: impl Into<String>, x: ValueId, op: Activation) -> ValueId {
        self.node(name, op, &[x])
    }

    /// Max or average pooling over windows.
    pub fn pool2d(&mut self, name: impl Into<String>, x: ValueId, op: Pool2d) -> ValueId {
        self.node(name, op, &[x])
    }

    /// Average pooling to a given size; `AdaptiveAvgPool2d::new(1, 1)` is global.
    pub fn adaptive_avg_pool2d(
        &mut self,
        name: impl Into<String>,
        x: ValueId,
        op: AdaptiveAvgPool2d,
    ) -> ValueId {
        self.node(name, op, &[x])
    }

    /// Softmax over the channels.
    pub fn softmax(&mut self, name: impl Into<String>, x: ValueId) -> ValueId {
        self.node(name, Softmax, &[x])
    }

    /// The element-wise sum of two values.
    pub fn add(&mut self, name: impl Into<String>, a: ValueId, b: ValueId) -> ValueId {
        self.node(name, Binary::Add, &[a, b])
    }

    /// The element-wise product of two values.
    pub fn mul(&mut self, name: impl Into<String>, a: ValueId, b: ValueId) -> ValueId {
        self.node(name, Binary::Mul, &[a, b])
    }

    /// Concatenation along the channels.
    pub fn concat(&mut self, name: impl Into<String>, values: &[ValueId]) -> ValueId {
        self.node(name, Concat, values)
    }

    /// `[N, …]` to `[N, F]`, in NCHW order.
    pub fn flatten(&mut self, name: impl Into<String>, x: ValueId) -> ValueId {
        self.node(name, Flatten, &[x])
    }

    /// Dropout, which is the identity in inference. A graph can contain it so that its nodes match the
    /// network's definition.
    pub fn dropout(&mut self, name: impl Into<String>, x: ValueId) -> ValueId {
        self.node(name, Op::Dropout, &[x])
    }

    /// Adds `value` to the end of the list of outputs.
    pub fn output(&mut self, value: ValueId) {
        self.outputs.push(value);
    }

    /// The finished graph.
    ///
    /// # Errors
    /// The first mistake made while building, with its node's name; or that the graph has no input or no
    /// output.
    pub fn build(self) -> Result<Graph> {
        if let Some(error) = self.first_error {
            return Err(error);
        }
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err(Error::Inputs(format!(
                "graph '{}' has {} input(s) and {} output(s); it needs at least one of each",
                self.name,
                self.inputs.len(),
                self.outputs.len()
            )));
        }
        let is_ids = |v: &ValueId| matches!(&self.nodes[v.0].op, Op::Input(i) if i.is_ids());
        if self
            .outputs
            .iter()
            .any(|v| v.0 < self.nodes.len() && is_ids(v))
        {
            return Err(Error::Inputs(format!(
                "graph '{}' has token ids as an output; only an Embedding can read them",
                self.name
            )));
        }
        if self.outputs.iter().any(|v| v.0 >= self.nodes.len()) {
            return Err(Error::Inputs(format!(
                "an output of graph '{}' is a value of another graph",
                self.name
            )));
        }
        Ok(Graph {
            name: self.name,
            nodes: self.nodes,
            inputs: self.inputs,
            outputs: self.outputs,
        })
    }
}

/// Why the node's parameters cannot exist. Its settings have been checked.
fn parameter_problem(node: &Node) -> Option<String> {
    // Shaders index elements in 32 bits.
    let is_too_large =
        |shape: &Shape| (shape.checked_len()).is_none_or(|len| len > u32::MAX as usize);
    let parameters = node.op.as_operator().parameters();
    let too_large = parameters.iter().find(|p| is_too_large(&p.shape))?;
    Some(format!(
        "its {} {} would have more than 2^32 elements",
        too_large.name, too_large.shape
    ))
}
