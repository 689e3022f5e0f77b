//! Gradients as nodes of the graph: the backward nodes are added to the forward graph, so that they are
//! planned, fused and run like any others. Each operator defines its own gradient
//! ([`Operator::backward`]).
//!
//! This is reverse accumulation (Linnainmaa 1970; Baydin et al. 2018, section 3.2). What a rectifier
//! propagates can be changed, see [`GradientRule`].

use super::ops::{Activation, Binary, Hardmax, Input, Op};
use super::{Fused, Graph, Node, ValueId};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// The gradient that backpropagation starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seed {
    /// 1 at the largest score of each image, 0 at the others.
    ArgMax,
    /// An additional input of the score's shape. A 1 at a class and 0 elsewhere selects that class.
    Input,
}

/// What a rectifier (ReLU and its variants, not sigmoid or tanh) propagates backward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GradientRule {
    /// The gradient.
    #[default]
    Gradient,
    /// The positive part of the gradient: guided backpropagation (Springenberg et al. 2015).
    Guided,
    /// The positive part of the incoming gradient, whatever the forward input was: the deconvnet of
    /// Zeiler and Fergus (2014). Max pooling still propagates to the position of its maximum, the
    /// paper's switches.
    Deconvnet,
}

impl GradientRule {
    /// The suffix of the backward nodes' names.
    fn name(self) -> &'static str {
        match self {
            Self::Gradient => "backward",
            Self::Guided => "guided",
            Self::Deconvnet => "deconvnet",
        }
    }
}

/// The forward node whose gradient is being built, and the graph that its backward nodes are added to.
/// See [`Operator::backward`](super::Operator::backward).
#[derive(Debug)]
pub struct Backward<'a> {
    nodes: &'a mut Vec<Node>,
    shapes: &'a [Shape],
    forward: ValueId,
    rule: GradientRule,
    needed: Vec<bool>,
    added: usize,
}

impl Backward<'_> {
    /// What rectifiers propagate backward.
    pub fn rule(&self) -> GradientRule {
        self.rule
    }

    /// Input `i` of the forward node.
    pub fn input(&self, i: usize) -> ValueId {
        self.nodes[self.forward.index()].inputs[i]
    }

    /// The number of inputs of the forward node.
    pub fn input_count(&self) -> usize {
        self.needed.len()
    }

    /// The output of the forward node.
    pub fn output(&self) -> ValueId {
        self.forward
    }

    /// The shape of input `i` of the forward node.
    pub fn input_shape(&self, i: usize) -> &Shape {
        &self.shapes[self.input(i).index()]
    }

    /// The shape of the forward node's output.
    pub fn output_shape(&self) -> &Shape {
        &self.shapes[self.forward.index()]
    }

    /// Whether the gradient with respect to input `i` is needed.
    pub fn needs_gradient(&self, i: usize) -> bool {
        self.needed[i]
    }

    /// Adds a backward node. If it has parameters, they are those of the forward node.
    pub fn node(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> ValueId {
        let forward = &self.nodes[self.forward.index()];
        let parameters_of = forward.parameter_prefix().to_owned();
        let rule = self.rule.name();
        let name = match self.added {
            0 => format!("{}.{rule}", forward.name),
            more => format!("{}.{rule}.{more}", forward.name),
        };
        self.added += 1;
        push(self.nodes, name, op, inputs, Some(parameters_of))
    }
}

/// Appends a node and returns its value.
fn push(
    nodes: &mut Vec<Node>,
    name: String,
    op: impl Into<Op>,
    inputs: &[ValueId],
    parameters_of: Option<String>,
) -> ValueId {
    nodes.push(Node {
        name,
        op: op.into(),
        inputs: inputs.to_vec(),
        fused: Fused::default(),
        parameters_of,
    });
    ValueId::new(nodes.len() - 1)
}

impl Graph {
    /// This graph with additional outputs: the gradients of `score` with respect to each of `targets`, in
    /// that order. The new graph takes inputs of the extents of `inputs`, in batches of any size. With
    /// [`Seed::Input`] it has one more input, the last, of the shape of `score`.
    ///
    /// ```
    /// use shadernet::graph::{Activation, GradientRule, GraphBuilder, Linear, Seed};
    /// use shadernet::reference::Reference;
    /// use shadernet::tensor::{Shape, Tensor};
    /// use shadernet::weights::Weights;
    ///
    /// let mut b = GraphBuilder::new("tiny");
    /// let x = b.input("input", &[None, Some(2)]);
    /// let y = b.linear("fc", x, Linear::new(2, 3).bias(false));
    /// let y = b.activation("relu", y, Activation::Relu);
    /// b.output(y);
    /// let graph = b.build()?;
    /// let shapes = [Shape::from([1, 2])];
    /// let graph = graph.with_gradients(&shapes, y, Seed::ArgMax, &[x], GradientRule::Gradient)?;
    ///
    /// let weight = Tensor::new([3, 2], vec![1.0, 2.0, 3.0, 4.0, -5.0, -6.0])?;
    /// let weights = Weights::from_tensors("w", [("fc.weight".to_owned(), weight)]);
    /// let reference: Reference = Reference::new(&graph, &weights)?;
    /// let outputs = reference.run(&[Tensor::new([1, 2], vec![1.0, 1.0])?])?;
    /// assert_eq!(outputs[0].data(), [3.0, 7.0, 0.0]);
    /// // The gradient of the second score, the largest, is the second row of the weights.
    /// assert_eq!(outputs[1].data(), [3.0, 4.0]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Graph::infer`]; [`Error::Node`] if an operator between a target and the score has no gradient
    /// here; [`Error::Inputs`] if `score` does not depend on a target.
    pub fn with_gradients(
        &self,
        inputs: &[Shape],
        score: ValueId,
        seed: Seed,
        targets: &[ValueId],
        rule: GradientRule,
    ) -> Result<Graph> {
        let shapes = self.infer(inputs)?;
        let mut nodes = self.nodes.clone();
        for (input, shape) in self.inputs.iter().zip(inputs) {
            // The backward nodes are built for these extents.
            if let Op::Input(op) = &mut nodes[input.index()].op {
                op.fix(shape);
            }
        }
        let depends_on_target = self.depends_on(targets);
        for target in targets {
            if !self.depends_on(&[*target])[score.index()] {
                return Err(Error::Inputs(format!(
                    "'{}' of {} does not depend on '{}', so there is no gradient with respect to it",
                    self.node(score).name,
                    self.name,
                    self.node(*target).name
                )));
            }
        }
        let start = match seed {
            Seed::ArgMax => {
                let name = format!("{}.argmax", self.node(score).name);
                push(&mut nodes, name, Hardmax, &[score], None)
            }
            Seed::Input => {
                let mut op = Input::new(&vec![None; shapes[score.index()].rank()]);
                op.fix(&shapes[score.index()]);
                push(&mut nodes, format!("seed.{}", rule.name()), op, &[], None)
            }
        };
        // The gradients with respect to each value, one per reader, to be summed.
        let mut parts: Vec<Vec<ValueId>> = vec![Vec::new(); self.nodes.len()];
        parts[score.index()].push(start);
        for i in (0..=score.index()).rev() {
            let Some(gradient) = sum(&mut nodes, &self.nodes[i].name, &parts[i]) else {
                continue;
            };
            parts[i] = vec![gradient];
            let node = &self.nodes[i];
            let needed: Vec<bool> = (node.inputs.iter())
                .map(|v| depends_on_target[v.index()])
                .collect();
            if !needed.contains(&true) {
                continue;
            }
            let mut backward = Backward {
                nodes: &mut nodes,
                shapes: &shapes,
                forward: ValueId::new(i),
                rule,
                needed,
                added: 0,
            };
            let operator = node.op.as_operator();
            let gradients = (operator.backward(&mut backward, gradient))
                .map_err(|reason| node.error(reason))?;
            let needed = backward.needed;
            for ((value, gradient), needed) in node.inputs.iter().zip(gradients).zip(needed) {
                // `None` for an input of which the operator uses only the shape.
                if let Some(gradient) = gradient.filter(|_| needed) {
                    parts[value.index()].push(gradient);
                }
            }
        }
        let mut outputs = self.outputs.clone();
        for target in targets {
            match parts[target.index()][..] {
                [gradient] => outputs.push(gradient),
                _ => return Err(self.node(*target).error("no gradient reaches it")),
            }
        }
        Ok(Self::from_nodes(&self.name, nodes, outputs))
    }

    /// For every value, whether it is one of `targets` or depends on one of them.
    fn depends_on(&self, targets: &[ValueId]) -> Vec<bool> {
        let mut depends = vec![false; self.nodes.len()];
        for (value, node) in self.values() {
            depends[value.index()] =
                targets.contains(&value) || node.values_read().iter().any(|v| depends[v.index()]);
        }
        depends
    }

    /// The scores of this classifier: its first output or, if that is a softmax, the softmax's input.
    /// Grad-CAM and related methods explain scores, because the gradient of a probability also depends on
    /// all other classes (Selvaraju et al. 2017, section 3).
    pub fn scores(&self) -> ValueId {
        // A built graph has an output.
        let output = self.outputs[0];
        match &self.node(output).op {
            Op::Softmax(_) => self.node(output).inputs[0],
            _ => output,
        }
    }
}

/// The sum of the gradients that reach the value `name`.
fn sum(nodes: &mut Vec<Node>, name: &str, parts: &[ValueId]) -> Option<ValueId> {
    let (first, rest) = parts.split_first()?;
    let mut sum = *first;
    for (i, part) in rest.iter().enumerate() {
        let name = match i {
            0 => format!("{name}.gradient"),
            more => format!("{name}.gradient.{more}"),
        };
        sum = push(nodes, name, Binary::Add, &[sum, *part], None);
    }
    Some(sum)
}

impl Activation {
    /// Whether it is a rectifier: unbounded for positive inputs, and near 0 for negative ones.
    pub(super) fn is_rectifier(self) -> bool {
        !matches!(self, Self::Sigmoid | Self::Tanh)
    }
}
