//! What is computed, independent of the device: nodes, values and shapes.
//!
//! A [`Graph`] holds nodes in an order in which every node follows its inputs. Each node produces
//! one value, known by the node's [`ValueId`] and name; the names of its parameters are the node's
//! name, a dot and PyTorch's suffix (`layer1.0.conv1.weight`). A graph is free of batch and image
//! size: [`Graph::infer`] derives every value's shape from the shapes of the inputs.
//!
//! ```
//! use shadernet::graph::{Activation, Conv2d, GraphBuilder};
//! use shadernet::tensor::Shape;
//!
//! let mut b = GraphBuilder::new("tiny");
//! let x = b.image_input("input", 3);
//! let x = b.conv2d("conv", x, Conv2d::new(3, 8, 3).stride(2).padding(1));
//! let x = b.activation("relu", x, Activation::Relu);
//! b.output(x);
//! let graph = b.build()?;
//!
//! let shapes = graph.infer(&[Shape::from([2, 3, 15, 16])])?;
//! assert_eq!(shapes[x.index()], Shape::from([2, 8, 8, 8]));
//! # Ok::<(), shadernet::Error>(())
//! ```

mod builder;
mod fused;
mod gradient;
mod input_window;
#[cfg(feature = "internals")]
pub(crate) mod internals;
mod lifetimes;
mod ops;
mod outputs;
mod summary;

pub use builder::GraphBuilder;
pub use gradient::{Backward, GradientRule, Seed};
pub use ops::{
    Activation, ActivationBackward, AdaptiveAvgPool2d, AdaptiveAvgPool2dBackward,
    AvgPool2dBackward, BatchNorm2d, BatchNorm2dBackward, Binary, CenterCropOrPad, ChannelShuffle,
    Concat, Constant, Conv2d, ConvTranspose2d, CumSum, Embedding, Factor, Flatten, Gather,
    GridSample, GridSampleBackward, GridSampleMode, GridSamplePadding, GridSamplePositionsBackward,
    GroupNorm, GroupNormBackward, Hardmax, Input, LayerScale, Linear, LinearBackward,
    LocalResponseNorm, LocalResponseNormBackward, MatMul, MaxPool2dBackward, NormOver, Op,
    Operator, Pad2d, Padding, Parameter, Pool2d, PoolKind, Rearrange, Reduce, ReduceKind,
    ReduceOver, Reorg, Resample, SliceChannels, Softmax, TapWindow, Taps, TopK, TopKOutput, Unary,
    UnaryBackward, Unflatten, Upsample, UpsampleBackward, UpsampleMode, UpsampleSize, Where,
};

pub(crate) use fused::{Branch, Fused, Norm, Prologue, Residual, Storage};
pub(crate) use input_window::{InputWindow, InputWindows};
pub(crate) use lifetimes::{Lifetime, Places, peak};
pub(crate) use ops::{ChannelAffine, MAX_EXTENT};
#[cfg(feature = "onnx")]
pub(crate) use ops::{factors_by_dimension, merged_factors};
pub use summary::{LayerSummary, Reach, ReceptiveField, Summary};

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::tensor::Shape;

/// One value of a graph: the output of the node of the same index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(usize);

impl ValueId {
    pub(crate) fn new(index: usize) -> Self {
        Self(index)
    }

    /// The index of the node that produces the value in [`Graph::nodes`], and of the value's shape in
    /// the result of [`Graph::infer`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// An operator with its name and the values that it reads.
///
/// In an optimized graph a node may also do work of nodes that passes have removed;
/// [`PassReport`](crate::passes::PassReport) and [`PlanReport`](crate::plan::PlanReport) list it.
#[derive(Clone, Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) op: Op,
    /// All produced by earlier nodes. A residual, if any, is the last.
    pub(crate) inputs: Vec<ValueId>,
    /// The work that passes have moved into the node.
    pub(crate) fused: Fused,
    /// The node whose parameters it reads, if not its own: a gradient node reads those of its forward
    /// node.
    pub(crate) parameters_of: Option<String>,
}

impl Node {
    /// The name: unique in its graph, and the prefix of its parameters' names.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operator.
    pub fn op(&self) -> &Op {
        &self.op
    }

    /// The values that the node reads, all produced by earlier nodes. A residual that a pass has moved
    /// into the node is the last.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The parameters the node reads, under their full names.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut parameters = self.op.as_operator().parameters();
        for parameter in &mut parameters {
            parameter.name = self.parameter_name(&parameter.name);
        }
        let prologue = self.fused.prologue.as_ref();
        let norms = prologue.and_then(|p| p.norm.as_ref());
        let norms = norms.into_iter().chain(&self.fused.norm);
        parameters.extend(norms.flat_map(Norm::parameters));
        parameters.extend(self.fused.branches.iter().flat_map(Branch::parameters));
        parameters
    }

    /// The full name of the parameter with PyTorch's suffix `suffix`.
    pub fn parameter_name(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.parameter_prefix())
    }

    /// The prefix of its parameters' names.
    pub(crate) fn parameter_prefix(&self) -> &str {
        self.parameters_of.as_ref().unwrap_or(&self.name)
    }

    /// The inputs whose elements it reads. Of the other inputs it uses only the shape.
    pub(crate) fn values_read(&self) -> &[ValueId] {
        match &self.op {
            Op::CenterCropOrPad(_) => &self.inputs[..1],
            Op::Upsample(op) if op.size == UpsampleSize::OfSecondInput => &self.inputs[..1],
            _ => &self.inputs,
        }
    }

    /// The shape of its output.
    fn output_shape(&self, operands: &[&Shape]) -> Result<Shape, String> {
        let operator = self.op.as_operator();
        if self.fused.crop != [0; 4] {
            let whole = operator.output_shape(operands)?;
            return Pad2d::crop(self.fused.crop)?.output_shape(&[&whole]);
        }
        let [top, bottom, left, right] = self.fused.pad;
        if self.fused.pad == [0; 4] {
            return operator.output_shape(operands);
        }
        let padded = Pad2d::zeros(top, bottom, left, right).output_shape(&operands[..1])?;
        let operands: Vec<&Shape> = [&padded]
            .into_iter()
            .chain(operands[1..].iter().copied())
            .collect();
        operator.output_shape(&operands)
    }

    /// An [`Error::Node`] about this node.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        Error::Node {
            node: self.name.clone(),
            kind: self.op.as_operator().kind(),
            reason: reason.into(),
        }
    }
}

/// A network: nodes in execution order, inputs and outputs.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
}

impl Graph {
    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The nodes, each after those it reads. Indexed by [`ValueId::index`].
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that produces `value`.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.0]
    }

    /// Every value with its node, in execution order.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (ValueId(i), n))
    }

    /// The inputs, in the order in which a session takes its input tensors.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// The outputs, in the order in which a session returns its output tensors.
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// Every parameter of every node, in execution order, under its full name. A parameter that several
    /// nodes read is listed once.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut seen = HashSet::new();
        let all = self.nodes.iter().flat_map(Node::parameters);
        all.filter(|p| seen.insert(p.name.clone())).collect()
    }

    /// The number of learnable elements, without running statistics: PyTorch's
    /// `sum(p.numel() for p in model.parameters())`.
    pub fn parameter_count(&self) -> u64 {
        self.parameters()
            .iter()
            .filter(|p| p.learnable)
            .map(|p| p.shape.len() as u64)
            .fold(0, u64::saturating_add)
    }

    /// A graph of these nodes, each after those it reads. Its inputs are the `Input` nodes.
    pub(crate) fn from_nodes(name: &str, nodes: Vec<Node>, outputs: Vec<ValueId>) -> Self {
        let inputs = (0..nodes.len())
            .filter(|&i| matches!(nodes[i].op, Op::Input(_)))
            .map(ValueId)
            .collect();
        Self {
            name: name.to_owned(),
            nodes,
            inputs,
            outputs,
        }
    }

    /// Gives nodes other names, by their names now. Names stay unique if the new ones are.
    #[cfg(feature = "onnx")]
    pub(crate) fn rename_nodes(&mut self, names: &std::collections::HashMap<String, String>) {
        for node in &mut self.nodes {
            if let Some(name) = names.get(&node.name) {
                node.name.clone_from(name);
            }
        }
    }

    /// This graph without the nodes that no output depends on, except for inputs.
    #[cfg(feature = "onnx")]
    pub(crate) fn without_dead_nodes(self) -> Self {
        let mut alive: Vec<bool> = (self.nodes.iter())
            .map(|node| matches!(node.op, Op::Input(_)))
            .collect();
        for output in &self.outputs {
            alive[output.0] = true;
        }
        for (i, node) in self.nodes.iter().enumerate().rev() {
            if alive[i] {
                node.inputs.iter().for_each(|input| alive[input.0] = true);
            }
        }
        // The index of each node among those that stay.
        let mut next = 0;
        let indexes = alive.iter().map(|&is_alive| {
            let index = next;
            next += usize::from(is_alive);
            ValueId(index)
        });
        let indexes: Vec<ValueId> = indexes.collect();
        let mut nodes: Vec<Node> = (self.nodes.into_iter().zip(&alive))
            .filter_map(|(node, &is_alive)| is_alive.then_some(node))
            .collect();
        for input in nodes.iter_mut().flat_map(|node| &mut node.inputs) {
            *input = indexes[input.0];
        }
        let outputs = self.outputs.iter().map(|output| indexes[output.0]);
        Self::from_nodes(&self.name, nodes, outputs.collect())
    }

    /// This graph with a bias in every convolution and fully connected layer without one whose bias, by its
    /// full name, `has_bias`.
    pub(crate) fn with_biases(mut self, has_bias: impl Fn(&str) -> bool) -> Self {
        for node in &mut self.nodes {
            let name = node.parameter_name("bias");
            let bias = match &mut node.op {
                Op::Conv2d(op) => &mut op.bias,
                Op::ConvTranspose2d(op) => &mut op.bias,
                Op::Linear(op) => &mut op.bias,
                _ => continue,
            };
            *bias = *bias || has_bias(&name);
        }
        self
    }

    /// For every value, the index of the last node that reads it; `usize::MAX` for those `kept`.
    pub(crate) fn last_uses(&self, kept: &[ValueId]) -> Vec<usize> {
        // A value that nothing reads dies with the node that produces it.
        let mut last: Vec<usize> = (0..self.nodes.len()).collect();
        for (reader, node) in self.values() {
            for operand in node.values_read() {
                last[operand.index()] = reader.index();
            }
        }
        for output in kept {
            last[output.index()] = usize::MAX;
        }
        last
    }

    /// The shape of every value, indexed by [`ValueId::index`], for inputs of these shapes.
    ///
    /// # Errors
    /// Names the node whose inputs do not fit it, or the input whose shape is not as declared.
    pub fn infer(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::Inputs(format!(
                "{} takes {} input(s) ({}), but {} were given",
                self.name,
                self.inputs.len(),
                self.inputs
                    .iter()
                    .map(|&v| self.node(v).name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                inputs.len()
            )));
        }
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes.len());
        let mut given = inputs.iter();
        for node in &self.nodes {
            // Every graph input is one Input node, in order, so `given` cannot run short.
            let given_shape = matches!(node.op, Op::Input(_))
                .then(|| given.next())
                .flatten();
            let operands: Vec<&Shape> = match given_shape {
                Some(shape) => vec![shape],
                None => node.inputs.iter().map(|v| &shapes[v.0]).collect(),
            };
            let shape = node
                .output_shape(&operands)
                .map_err(|reason| node.error(reason))?;
            if shape.is_empty() {
                return Err(node.error(format!(
                    "its output would be empty, {shape}, from {}; give a larger input",
                    list(&operands)
                )));
            }
            if let Some(extent) = shape.dims().iter().find(|extent| **extent > MAX_EXTENT) {
                return Err(node.error(format!(
                    "its output {shape} would have {extent} elements along one dimension; at most \
                     {MAX_EXTENT} are possible"
                )));
            }
            // Shaders index elements in 32 bits.
            if shape
                .checked_len()
                .is_none_or(|len| len > u32::MAX as usize)
            {
                return Err(node.error(format!(
                    "its output {shape} has more than 2^32 elements; give a smaller batch or image"
                )));
            }
            shapes.push(shape);
        }
        Ok(shapes)
    }
}

/// A list of shapes for a message: `[1, 3, 4, 4] and [1, 3, 5, 5]`.
pub(crate) fn list(shapes: &[&Shape]) -> String {
    shapes
        .iter()
        .map(|s| s.to_string())
        .collect::<Vec<_>>()
        .join(" and ")
}

#[cfg(test)]
mod tests;
