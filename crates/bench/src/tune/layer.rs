//! One convolution of an optimized graph, by itself.

use std::sync::Arc;

use crate::reference_output::reference_output;
use shadernet::error::Result;
use shadernet::graph::{Conv2d, Graph, GraphBuilder, Input, Node, Op, Pad2d};
use shadernet::internals::{self, ConvLayer, Fused, Prologue, Residual, Storage, value_id};
use shadernet::tensor::{Shape, Tensor};
use shadernet::weights::Weights;

/// The convolution's name here.
pub(super) const NAME: &str = "conv";

/// A convolution with all that is fused into it, its inputs and its expected output.
pub(super) struct Layer {
    /// The convolution and its inputs.
    pub graph: Graph,
    pub weights: Arc<Weights>,
    pub inputs: Vec<Tensor>,
    pub expected: Tensor,
}

impl Layer {
    /// Computes the expected output by the reference implementation, which takes a while.
    ///
    /// # Errors
    /// Where the reference implementation cannot compute the layer.
    pub fn new(layer: &ConvLayer) -> Result<Self> {
        let fused = renamed(internals::fused(&layer.node));
        let layers = unfused(&layer.op, &fused)?;
        let weights = Arc::new(Weights::generated(&layers, 1.0));
        let (inputs, expected) = reference_output(&layers, weights, &layer.inputs)?;
        let graph = alone(&layer.op, fused, &layer.inputs);
        Ok(Self {
            weights: Arc::new(Weights::generated(&graph, 1.0)),
            graph,
            inputs,
            expected,
        })
    }

    pub fn shapes(&self) -> Vec<Shape> {
        self.inputs.iter().map(|t| t.shape().clone()).collect()
    }
}

/// The same with names that no other node has.
fn renamed(fused: &Fused) -> Fused {
    let mut fused = fused.clone();
    fused.storage = Storage::Owned;
    if let Some(norm) = &mut fused.norm {
        norm.name = "norm".to_owned();
    }
    for (i, branch) in fused.branches.iter_mut().enumerate() {
        if let Some((name, _)) = &mut branch.conv {
            *name = format!("branch{i}");
        }
        if let Some(norm) = &mut branch.norm {
            norm.name = format!("branch{i}.norm");
        }
    }
    if let Some(norm) = fused.prologue.as_mut().and_then(|p| p.norm.as_mut()) {
        norm.name = "prologue".to_owned();
    }
    fused
}

/// A graph of the convolution with all that is fused into it.
fn alone(op: &Conv2d, fused: Fused, inputs: &[Shape]) -> Graph {
    let mut nodes: Vec<Node> = (inputs.iter().enumerate())
        .map(|(i, shape)| {
            let op = Op::Input(Input::image(shape.nchw()[1]));
            internals::node(format!("input.{i}"), op, Vec::new(), Fused::default())
        })
        .collect();
    let inputs = (0..nodes.len()).map(value_id).collect();
    let output = value_id(nodes.len());
    nodes.push(internals::node(NAME, Op::Conv2d(op.clone()), inputs, fused));
    internals::graph_from_nodes("layer", nodes, vec![output])
}

/// The same with nothing fused, as the reference implementation requires.
fn unfused(op: &Conv2d, fused: &Fused) -> Result<Graph> {
    let mut b = GraphBuilder::new("layer");
    let mut x = b.image_input("input.0", op.in_channels);
    let residual = (fused.residual.is_some()).then(|| b.image_input("input.1", op.out_channels));
    if let Some(Prologue { norm, activation }) = &fused.prologue {
        if let Some(norm) = norm {
            x = b.node(&norm.name, norm.op.clone(), &[x]);
        }
        if let Some(activation) = activation {
            x = b.activation("prologue.activation", x, *activation);
        }
    }
    if fused.pad != [0; 4] {
        let [top, bottom, left, right] = fused.pad;
        x = b.node("pad", Pad2d::zeros(top, bottom, left, right), &[x]);
    }
    let input = x;
    x = b.conv2d(NAME, x, op.clone());
    if let Some(norm) = &fused.norm {
        x = b.node(&norm.name, norm.op.clone(), &[x]);
    }
    for (i, branch) in fused.branches.iter().enumerate() {
        let mut y = input;
        if let Some((name, conv)) = &branch.conv {
            y = b.conv2d(name, y, conv.clone());
        }
        if let Some(norm) = &branch.norm {
            y = b.node(&norm.name, norm.op.clone(), &[y]);
        }
        x = b.add(format!("branch{i}.sum"), x, y);
    }
    let is_before = fused.residual == Some(Residual::BeforeActivation);
    let (before, after) = match is_before {
        true => (residual, None),
        false => (None, residual),
    };
    if let Some(residual) = before {
        x = b.add("sum", x, residual);
    }
    if let Some(activation) = fused.activation {
        x = b.activation("activation", x, activation);
    }
    if let Some(residual) = after {
        x = b.add("sum", x, residual);
    }
    b.output(x);
    b.build()
}
