//! The reference backend: every operator on the CPU as a plain loop with PyTorch's semantics.
//!
//! GPU kernels are tested against it, and it runs networks where there is no GPU. Loops run in parallel
//! over images, channels or rows (rayon) and are otherwise simple. NaN in the input gives NaN in the
//! output.
//!
//! ```
//! use shadernet::graph::{Activation, GraphBuilder};
//! use shadernet::reference::Reference;
//! use shadernet::tensor::Tensor;
//! use shadernet::weights::Weights;
//!
//! let mut b = GraphBuilder::new("tiny");
//! let x = b.input("input", &[None, Some(3)]);
//! let x = b.activation("relu", x, Activation::Relu);
//! b.output(x);
//! let weights = Weights::from_tensors("none", []);
//! let reference: Reference = Reference::new(&b.build()?, &weights)?;
//!
//! let outputs = reference.run(&[Tensor::new([1, 3], vec![-1.0, 0.5, f32::NAN])?])?;
//! assert_eq!(outputs[0].data()[..2], [0.0, 0.5]);
//! assert!(outputs[0].data()[2].is_nan());
//! # Ok::<(), shadernet::Error>(())
//! ```

mod activation;
mod batch_norm;
mod channel_shuffle;
mod concat;
mod conv;
mod conv_transpose;
mod cum_sum;
mod elementwise;
mod embedding;
mod flatten;
mod gather;
mod grid_sample;
mod group_norm;
mod hardmax;
mod layer_scale;
mod linear;
mod local_response_norm;
mod matmul;
mod pad;
mod pool;
mod pool_backward;
mod real;
mod rearrange;
mod reduce;
mod reorg;
mod resample;
mod slice;
mod softmax;
mod top_k;
mod unary;
mod upsample;

use std::borrow::Cow;

pub(crate) use grid_sample::{
    coordinate as grid_coordinate, nearest as grid_nearest, pixel as grid_pixel,
};
pub(crate) use pool::{WindowSpan, bin, window_spans};
pub use real::Real;
pub(crate) use unary::unary_of;

use crate::error::Result;
use crate::graph::{CenterCropOrPad, Graph, Lifetime, Node, Op, ValueId, peak};
use crate::tensor::{Shape, Tensor};
use crate::util::memory::check_memory;
use crate::weights::Weights;

/// A graph with its parameters, ready to run on the CPU. `T` is the type of all arithmetic.
#[derive(Debug)]
pub struct Reference<T = f32> {
    graph: Graph,
    /// For every node, its parameters in the operator's order.
    parameters: Vec<Vec<Vec<T>>>,
    /// For every value, the index of the last node that reads it.
    last_use: Vec<usize>,
}

impl<T: Real> Reference<T> {
    /// Checks `weights` against `graph` and converts the parameters to `T`.
    ///
    /// # Errors
    /// [`Error::Weights`](crate::Error::Weights), listing everything that does not fit.
    pub fn new(graph: &Graph, weights: &Weights) -> Result<Self> {
        weights.check(graph)?;
        let parameters = graph.parameters();
        let lens = parameters.iter().map(|parameter| parameter.shape.len());
        check_memory(
            format_args!("the weights of {}", graph.name()),
            bytes_of::<T>(lens),
        )?;
        let convert = |node: &Node| -> Result<Vec<Vec<T>>> {
            let names = node.parameters().into_iter().map(|p| p.name);
            names
                .map(|name| Ok(T::from_f32_values(weights.read(&name)?)))
                .collect()
        };
        Ok(Self {
            parameters: graph.nodes().iter().map(convert).collect::<Result<_>>()?,
            last_use: graph.last_uses(graph.outputs()),
            graph: graph.clone(),
        })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Checks that inputs of `shapes` fit the graph, and that there is memory for its values.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn check(&self, shapes: &[Shape]) -> Result<()> {
        let inferred = self.graph.infer(shapes)?;
        let lens = inferred.iter().map(|shape| shape.len() as u64);
        self.check_memory(&inferred, lens, true)
    }

    /// Checks that there is memory for values of `shapes`, of which each needs `lens` elements; with `free`, a
    /// value is freed after its last use.
    fn check_memory(
        &self,
        shapes: &[Shape],
        lens: impl Iterator<Item = u64>,
        free: bool,
    ) -> Result<()> {
        let lifetimes = self.last_use.iter().enumerate();
        let lifetimes = lifetimes.map(|(first, &last)| Lifetime {
            first,
            last: if free { last } else { usize::MAX },
        });
        let alive = peak(lifetimes.zip(lens));
        let inputs: Vec<String> = (self.graph.inputs().iter())
            .map(|input| shapes[input.index()].to_string())
            .collect();
        let what = format!("{} for {}", self.graph.name(), inputs.join(" and "));
        check_memory(what, alive.saturating_mul(size_of::<T>() as u64))
    }

    /// Computes the outputs for these inputs, in the graph's order. A value is freed after its last use.
    ///
    /// # Errors
    /// If the number or the shapes of the inputs do not fit the graph;
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory) if its values do not fit into the machine's memory.
    pub fn run(&self, inputs: &[Tensor<T>]) -> Result<Vec<Tensor<T>>> {
        let mut values = self.evaluate(inputs, true, |_| false)?;
        let outputs = self.graph.outputs();
        let mut results = Vec::with_capacity(outputs.len());
        for (i, output) in outputs.iter().enumerate() {
            let value = &mut values[output.index()];
            // A value may be an output more than once; the last occurrence takes it.
            let used_again = outputs[i + 1..].contains(output);
            let value = if used_again {
                value.clone()
            } else {
                value.take()
            };
            // Outputs are never freed: their `last_use` is `usize::MAX`.
            results.extend(value.map(Cow::into_owned));
        }
        Ok(results)
    }

    /// Computes all values, inputs included, indexed by
    /// [`ValueId::index`](crate::graph::ValueId::index). Keeps all of them in memory. Meant for finding
    /// the node at which two runs diverge.
    ///
    /// # Errors
    /// As [`Reference::run`].
    pub fn run_all(&self, inputs: &[Tensor<T>]) -> Result<Vec<Tensor<T>>> {
        let values = self.evaluate(inputs, false, |_| false)?;
        Ok(values.into_iter().flatten().map(Cow::into_owned).collect())
    }

    /// Computes values until `is_last` of one of a node's outputs; returns that value.
    pub(crate) fn first(
        &self,
        inputs: &[Tensor<T>],
        is_last: impl Fn(&Tensor<T>) -> bool,
    ) -> Result<Option<ValueId>> {
        let mut found = false;
        let values = self.evaluate(inputs, true, |output| {
            found = is_last(output);
            found
        })?;
        Ok(found.then(|| ValueId::new(values.len() - 1)))
    }

    /// Computes all values, or those up to the first computed one for which `stop` is true. With `free`, drops
    /// each after its last use, so that only outputs remain.
    fn evaluate<'a>(
        &self,
        inputs: &'a [Tensor<T>],
        free: bool,
        mut stop: impl FnMut(&Tensor<T>) -> bool,
    ) -> Result<Vec<Option<Cow<'a, Tensor<T>>>>> {
        let shapes: Vec<Shape> = inputs.iter().map(|x| x.shape().clone()).collect();
        let shapes = self.graph.infer(&shapes)?;
        // The inputs have memory already.
        let lens = self.graph.nodes().iter().zip(&shapes);
        let lens = lens.map(|(node, shape)| match node.op {
            Op::Input(_) => 0,
            _ => shape.len() as u64,
        });
        self.check_memory(&shapes, lens, free)?;
        let mut given = inputs.iter();
        let mut values: Vec<Option<Cow<'a, Tensor<T>>>> = Vec::with_capacity(shapes.len());
        for (i, (node, shape)) in self.graph.nodes().iter().zip(shapes).enumerate() {
            let value = if matches!(node.op, Op::Input(_)) {
                given.next().map(Cow::Borrowed)
            } else {
                // None of them is freed yet, because this node reads them.
                let operands: Vec<&Tensor<T>> = node
                    .inputs
                    .iter()
                    .filter_map(|v| values[v.index()].as_deref())
                    .collect();
                let data = apply(&node.op, &self.parameters[i], &operands, &shape);
                let value = Tensor::new(shape, data)?;
                if stop(&value) {
                    values.push(None);
                    break;
                }
                Some(Cow::Owned(value))
            };
            values.push(value);
            if free {
                let read = node.inputs.iter().map(|operand| operand.index());
                for value in read.chain([i]) {
                    if self.last_use[value] <= i {
                        values[value] = None;
                    }
                }
            }
        }
        Ok(values)
    }
}

/// Bytes of that many elements; saturates.
fn bytes_of<T>(lens: impl Iterator<Item = usize>) -> u64 {
    let elements = lens.fold(0_u64, |sum, len| sum.saturating_add(len as u64));
    elements.saturating_mul(size_of::<T>() as u64)
}

/// Computes a node of an optimized graph, with the padding and the activation that passes have moved into it. Only
/// convolutions and averages have more, which the backends compute themselves.
pub(crate) fn compute(
    node: &Node,
    parameters: &[Vec<f32>],
    operands: &[&Tensor],
    output: &Shape,
) -> Vec<f32> {
    let fused = &node.fused;
    let padded = (fused.pad != [0; 4]).then(|| {
        let [n, c, h, w] = operands[0].shape().nchw();
        let [height, width] = fused.padded([h, w]);
        let shape = Shape::from([n, c, height, width]);
        let data = pad::pad2d(
            operands[0],
            [fused.pad[0], fused.pad[2]],
            fused.pad_value,
            &shape,
        );
        Tensor::from_fn(shape, |i| data[i])
    });
    let first = padded.as_ref().or(operands.first().copied());
    let operands: Vec<&Tensor> = first
        .into_iter()
        .chain(operands.iter().skip(1).copied())
        .collect();
    let y = apply(&node.op, parameters, &operands, output);
    match fused.activation {
        Some(op) => activation::activation(op, &Tensor::from_fn(output.clone(), |i| y[i])),
        None => y,
    }
}

/// Computes one operator. [`Graph::infer`] has checked the shapes and the number of operands, and
/// [`Weights::check`] the parameters.
fn apply<T: Real>(
    op: &Op,
    parameters: &[Vec<T>],
    operands: &[&Tensor<T>],
    output: &Shape,
) -> Vec<T> {
    if let Op::Constant(_) = op {
        return parameters[0].clone();
    }
    let x = operands[0];
    match op {
        Op::Conv2d(op) => conv::conv2d(op, parameters, x, output),
        Op::Linear(op) => linear::linear(op, parameters, x),
        Op::BatchNorm2d(op) => batch_norm::batch_norm(op, parameters, x),
        Op::LayerScale(_) => layer_scale::layer_scale(&parameters[0], x),
        Op::Activation(op) => activation::activation(*op, x),
        Op::Pool2d(op) => pool::pool2d(op, x, output),
        Op::AdaptiveAvgPool2d(op) => pool::adaptive_avg_pool2d(*op, x),
        Op::GroupNorm(op) => group_norm::group_norm(op, x, parameters),
        Op::Softmax(_) => softmax::softmax(x),
        Op::Binary(op) => elementwise::binary(*op, x, operands[1], output),
        Op::Concat(_) => concat::concat(operands),
        Op::GridSample(op) => grid_sample::grid_sample(op, x, operands[1], output),
        Op::GridSampleBackward(op) => grid_sample::backward(op, x, operands[1]),
        Op::GridSamplePositionsBackward(op) => {
            grid_sample::positions_backward(&op.0, x, operands[1], operands[2])
        }
        Op::Flatten(_) => flatten::flatten(x),
        Op::ConvTranspose2d(op) => conv_transpose::conv_transpose2d(op, parameters, x, output),
        Op::Upsample(op) => upsample::upsample(op, x, output),
        Op::LocalResponseNorm(op) => local_response_norm::local_response_norm(op, x),
        Op::SliceChannels(op) => slice::slice_channels(*op, x),
        Op::Pad2d(op) => pad::pad2d(x, [op.top, op.left], T::from_f32(op.value), output),
        Op::CenterCropOrPad(_) => {
            let ([_, _, h, w], [_, _, out_h, out_w]) = (x.shape().nchw(), output.nchw());
            let [top, _, left, _] = CenterCropOrPad::sides([h, w], [out_h, out_w]);
            pad::pad2d(x, [top, left], T::zero(), output)
        }
        Op::Reorg(op) => reorg::reorg(*op, x, output),
        Op::Resample(op) => resample::resample(op, x, output),
        Op::Rearrange(op) => rearrange::rearrange(op, x),
        Op::ChannelShuffle(op) => channel_shuffle::channel_shuffle(*op, x),
        Op::Reduce(op) => reduce::reduce(*op, x),
        Op::Embedding(op) => embedding::embedding(*op, parameters, x),
        Op::ActivationBackward(op) => activation::backward(op.0, x, operands[1]),
        Op::AdaptiveAvgPool2dBackward(op) => pool_backward::adaptive_avg_pool2d(*op, x, output),
        Op::AvgPool2dBackward(op) => pool_backward::avg_pool2d(op, x, output),
        Op::BatchNorm2dBackward(op) => batch_norm::backward(&op.0, parameters, x),
        Op::GroupNormBackward(op) => group_norm::backward(&op.0, parameters, x, operands[1]),
        Op::Hardmax(_) => hardmax::hardmax(x),
        Op::LinearBackward(op) => linear::backward(&op.0, parameters, x),
        Op::LocalResponseNormBackward(op) => local_response_norm::backward(&op.0, x, operands[1]),
        Op::MaxPool2dBackward(op) => pool_backward::max_pool2d(&op.0, x, operands[1], operands[2]),
        Op::Unary(op) => unary::unary(*op, x),
        Op::UnaryBackward(op) => unary::backward(op.0, x, operands[1]),
        // Only the shape changes, because tensors are stored in NCHW order.
        Op::Unflatten(_) => x.data().to_vec(),
        Op::UpsampleBackward(op) => upsample::backward(op, x, output),
        Op::CumSum(op) => cum_sum::cum_sum(*op, x),
        Op::Gather(op) => gather::gather(op, x),
        Op::MatMul(_) => matmul::matmul(x, operands[1], output),
        Op::TopK(op) => top_k::top_k(*op, x),
        Op::Where(_) => elementwise::choose(x, operands[1], operands[2], output),
        // Dropout is the identity in inference. `evaluate` does not call this for inputs.
        Op::Dropout | Op::Input(_) | Op::Constant(_) => x.data().to_vec(),
    }
}

#[cfg(test)]
mod tests;
