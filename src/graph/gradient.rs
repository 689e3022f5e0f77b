//! Gradients as more nodes: the backward graph is added to the forward one, and so is planned, fused
//! and run by what runs any graph. Each operator's rule stands beside its definition
//! ([`Operator::backward`]).
//!
//! This is reverse accumulation (Linnainmaa 1970; Baydin et al. 2018, section 3.2) with one change of
//! rules: what a rectifier passes back, see [`GradientRule`].

use super::ops::{Activation, Binary, Hardmax, Input, Op};
use super::{Fused, Graph, Node, ValueId};
use crate::error::{Error, Result};
use crate::tensor::Shape;

/// Where a gradient starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// At the largest score of each image: 1 there, 0 at the others.
    ArgMax,
    /// At what the caller gives: one more input, of the score's shape. A 1 at a class and 0 elsewhere
    /// asks for that class.
    Input,
}

/// What a rectifier (ReLU and its kind, not sigmoid or tanh) passes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GradientRule {
    /// The gradient.
    #[default]
    Gradient,
    /// The gradient where it is positive: guided backpropagation (Springenberg et al. 2015).
    Guided,
    /// What is positive of what comes back, whatever went forth: the deconvnet of Zeiler and Fergus
    /// (2014). Max pooling still gives back to where its maximum was, which are that paper's switches.
    Deconvnet,
}

impl GradientRule {
    /// What the names of its nodes end in.
    fn name(self) -> &'static str {
        match self {
            Self::Gradient => "backward",
            Self::Guided => "guided",
            Self::Deconvnet => "deconvnet",
        }
    }
}

/// A node as its gradient is made: what an operator's rule may ask for, and adds to.
#[derive(Debug)]
pub struct Backward<'a> {
    nodes: &'a mut Vec<Node>,
    shapes: &'a [Shape],
    forward: ValueId,
    rule: GradientRule,
    wanted: Vec<bool>,
    added: usize,
}

impl Backward<'_> {
    /// What rectifiers pass back.
    pub fn rule(&self) -> GradientRule {
        self.rule
    }

    /// The value that the operator read as its input `i`.
    pub fn input(&self, i: usize) -> ValueId {
        self.nodes[self.forward.index()].inputs[i]
    }

    /// How many inputs it has.
    pub fn inputs(&self) -> usize {
        self.wanted.len()
    }

    /// The value that it answered.
    pub fn output(&self) -> ValueId {
        self.forward
    }

    /// The shape of its input `i`.
    pub fn input_shape(&self, i: usize) -> &Shape {
        &self.shapes[self.input(i).index()]
    }

    /// The shape of its output.
    pub fn output_shape(&self) -> &Shape {
        &self.shapes[self.forward.index()]
    }

    /// Whether the gradient with respect to its input `i` is asked for.
    pub fn is_wanted(&self, i: usize) -> bool {
        self.wanted[i]
    }

    /// Adds a node that reads the forward operator's parameters, if it reads any.
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
    /// This graph with the gradients of `score` with respect to each of `targets` as more outputs, in
    /// that order behind its own; for inputs of the extents of `inputs`, in batches of any size. With
    /// [`Seed::Input`] the graph has one more input behind its own, of the shape of `score`.
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
    /// let twin: Reference = Reference::new(&graph, &Weights::from_tensors("w", [("fc.weight".to_owned(), weight)]))?;
    /// let answers = twin.run(&[Tensor::new([1, 2], vec![1.0, 1.0])?])?;
    /// assert_eq!(answers[0].data(), [3.0, 7.0, 0.0]);
    /// // The largest is the second, and its weights are its gradient.
    /// assert_eq!(answers[1].data(), [3.0, 4.0]);
    /// # Ok::<(), shadernet::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Graph::infer`]; [`Error::Node`] for an operator on the way that has no rule, and
    /// [`Error::Inputs`] where `score` does not depend on a target.
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
            // The rules below are for these extents.
            if let Op::Input(op) = &mut nodes[input.index()].op {
                op.fix(shape);
            }
        }
        let on_the_way = self.depends_on(targets);
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
                let name = format!("{}.likeliest", self.node(score).name);
                push(&mut nodes, name, Hardmax, &[score], None)
            }
            Seed::Input => {
                let mut op = Input::new(&vec![None; shapes[score.index()].rank()]);
                op.fix(&shapes[score.index()]);
                push(&mut nodes, format!("seed.{}", rule.name()), op, &[], None)
            }
        };
        // What has come back to each value, to be added up.
        let mut parts: Vec<Vec<ValueId>> = vec![Vec::new(); self.nodes.len()];
        parts[score.index()].push(start);
        for i in (0..=score.index()).rev() {
            let Some(gradient) = sum(&mut nodes, &self.nodes[i].name, &parts[i]) else {
                continue;
            };
            parts[i] = vec![gradient];
            let node = &self.nodes[i];
            let wanted: Vec<bool> = (node.inputs.iter())
                .map(|v| on_the_way[v.index()])
                .collect();
            if !wanted.contains(&true) {
                continue;
            }
            let mut backward = Backward {
                nodes: &mut nodes,
                shapes: &shapes,
                forward: ValueId::new(i),
                rule,
                wanted,
                added: 0,
            };
            let operator = node.op.as_operator();
            let gradients = (operator.backward(&mut backward, gradient))
                .map_err(|reason| node.error(reason))?;
            let wanted = backward.wanted;
            for ((value, gradient), wanted) in node.inputs.iter().zip(gradients).zip(wanted) {
                // None where it takes no more than the shape.
                if let Some(gradient) = gradient.filter(|_| wanted) {
                    parts[value.index()].push(gradient);
                }
            }
        }
        let mut outputs = self.outputs.clone();
        for target in targets {
            match parts[target.index()][..] {
                [gradient] => outputs.push(gradient),
                _ => return Err(self.node(*target).error("no gradient comes back to it")),
            }
        }
        Ok(Self::from_nodes(&self.name, nodes, outputs))
    }

    /// For every value, whether it is one of `targets` or depends on one.
    fn depends_on(&self, targets: &[ValueId]) -> Vec<bool> {
        let mut depends = vec![false; self.nodes.len()];
        for (value, node) in self.values() {
            depends[value.index()] =
                targets.contains(&value) || node.values_read().iter().any(|v| depends[v.index()]);
        }
        depends
    }

    /// The scores that this classifier answers: its output or, where that is a softmax, what it is of.
    /// Grad-CAM and its kind explain those: a probability's gradient has all other classes in it
    /// (Selvaraju et al. 2017, section 3).
    pub fn scores(&self) -> ValueId {
        // A built graph has an output.
        let output = self.outputs[0];
        match &self.node(output).op {
            Op::Softmax(_) => self.node(output).inputs[0],
            _ => output,
        }
    }
}

/// The sum of what has come back to the value `name`.
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
    /// Whether it is a rectifier: large where its input is, and next to nothing where that is negative.
    pub(super) fn is_rectifier(self) -> bool {
        !matches!(self, Self::Sigmoid | Self::Tanh)
    }
}
