//! Which kernel computes a node. Nothing here reads weights, so that a plan can be examined without them.

use super::conv::{self, ConvKernel, Placed, Problem};
use super::copy::{Copies, Copy};
use super::elementwise::{Elementwise, Function, Operand};
use super::fallback::Fallback;
use super::grid_sample::GridSampling;
use super::implicit_gemm::Rows;
use super::kernel::Kernel;
use super::layer_norm::LayerNorm;
use super::map::Map;
use super::packed::Building;
use super::pool::{Pool, Windows};
use super::prologue::Prologue;
use super::upsample::Upsampling;
use crate::error::Result;
use crate::graph::{
    Binary, GridSample, GroupNorm, Node, Norm, Op, Padding, Pool2d, PoolKind, Unary, Upsample,
};
use crate::kernels::ConvProblem;
use crate::reference::{WindowSpan, bin, window_spans};
use crate::tensor::Shape;

/// A node whose values have places.
#[derive(Clone, Debug)]
pub(super) struct PlacedNode<'a> {
    pub node: &'a Node,
    pub inputs: Vec<(Map, &'a Shape)>,
    pub output: (Map, &'a Shape),
    /// For each input of a concatenation, whether it is in the output's memory already.
    pub concat_in_place: Vec<bool>,
    /// Whether the first input is an input of the network, whose padding is zero.
    pub is_packed_input: bool,
    /// The node of the first input, where that exists only in this node's kernel.
    pub inside: Option<Box<PlacedNode<'a>>>,
}

impl<'a> PlacedNode<'a> {
    /// The node whose inputs its kernel reads: the one inside, where there is one.
    pub fn read(&self) -> &PlacedNode<'a> {
        self.inside.as_deref().unwrap_or(self)
    }

    fn as_conv(&self) -> Placed<'a> {
        let residual = (self.node.fused.residual).and_then(|_| self.inputs.last());
        Placed {
            node: self.node,
            input: self.inputs.first().map_or(self.output.0, |(map, _)| *map),
            output: self.output.0,
            residual: residual.map(|(map, _)| *map),
        }
    }
}

/// How a node is computed.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    Conv(Problem, ConvKernel),
    /// A depthwise convolution, and the 1x1 convolution inside its kernel.
    PointwiseDepthwise(Box<[ConvProblem; 2]>),
    Affine,
    Binary(Binary),
    Unary(Unary),
    LayerNorm(GroupNorm),
    Pool([Windows; 2], bool),
    Copies(Vec<(usize, Map, Copy)>),
    Upsample(Upsample),
    GridSample(GridSample),
    /// By the reference backend's loops.
    Reference,
}

impl Selection {
    /// The kernel's name in plans and profiles.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_, ConvKernel::Depthwise) => "depthwise",
            Self::Conv(_, ConvKernel::Winograd(2)) => "winograd 2x2",
            Self::Conv(_, ConvKernel::Winograd(_)) => "winograd 4x4",
            Self::Conv(_, ConvKernel::Gemm(Rows::Pixels)) => "implicit_gemm",
            Self::Conv(_, ConvKernel::Gemm(Rows::Runs { .. })) => "implicit_gemm rows",
            Self::Conv(_, ConvKernel::Gemm(Rows::Copies)) => "implicit_gemm prologue",
            Self::PointwiseDepthwise(_) => "pointwise depthwise",
            Self::Affine => "affine",
            Self::Binary(_) | Self::Unary(_) => "elementwise",
            Self::LayerNorm(_) => "layer_norm",
            Self::Pool(..) => "pool",
            Self::Copies(_) => "copy",
            Self::Upsample(_) => "upsample",
            Self::GridSample(_) => "grid_sample",
            Self::Reference => "reference",
        }
    }

    /// Selects the kernel of a node.
    pub fn new(placed: &PlacedNode) -> Self {
        let PlacedNode {
            node,
            inputs,
            output: (output, output_shape),
            ..
        } = placed;
        let Some(&(input, input_shape)) = inputs.first() else {
            return Self::Reference;
        };
        if let Some(problem) = Problem::of(node, input_shape, output_shape) {
            if let Some(inside) = &placed.inside
                && let Some((_, shape)) = inside.inputs.first()
                && let Some(Problem::Plain(pointwise)) =
                    Problem::of(inside.node, shape, inside.output.1)
                && let Problem::Plain(depthwise) = problem
            {
                return Self::PointwiseDepthwise(Box::new([depthwise, pointwise]));
            }
            let kernel = problem.select(node, &input, placed.is_packed_input);
            return Self::Conv(problem, kernel);
        }
        match &node.op {
            Op::BatchNorm2d(_) | Op::LayerScale(_) | Op::Activation(_) => Self::Affine,
            Op::Pool2d(op) => match pool_windows(op, node, &input, output) {
                Some((windows, is_max)) => Self::Pool(windows, is_max),
                None => Self::Reference,
            },
            Op::AdaptiveAvgPool2d(op) => {
                let windows = |size: usize, out: usize| {
                    let pixels: Vec<_> = (0..out).map(|i| bin(i, size, out)).collect();
                    Windows {
                        divisors: pixels.iter().map(|bin| bin.len().max(1) as f32).collect(),
                        pixels,
                        step: 1,
                    }
                };
                let rows = windows(input.height, op.output[0]);
                let columns = windows(input.width, op.output[1]);
                Self::Pool([rows, columns], false)
            }
            Op::Binary(op) if Function::is_fast(*op) && operands(placed).is_some() => {
                Self::Binary(*op)
            }
            Op::Unary(op) => Self::Unary(*op),
            Op::GroupNorm(op) if LayerNorm::can_compute(op) => Self::LayerNorm(op.clone()),
            Op::ChannelShuffle(op) => {
                let groups = op.groups;
                Self::Copies(vec![(0, input, Copy::Shuffle { groups })])
            }
            Op::Concat(_) => {
                let mut to = 0;
                let mut copies = Vec::new();
                for (i, (map, _)) in inputs.iter().enumerate() {
                    if !placed.concat_in_place[i] {
                        let count = map.channels;
                        copies.push((i, *map, Copy::Channels { from: 0, to, count }));
                    }
                    to += map.channels;
                }
                Self::Copies(copies)
            }
            Op::SliceChannels(op) => {
                let (from, count) = (op.start, op.end - op.start);
                Self::Copies(vec![(0, input, Copy::Channels { from, to: 0, count })])
            }
            Op::Flatten(_) => {
                let image = output.stride;
                Self::Copies(vec![(0, input, Copy::Unpack { image })])
            }
            Op::Unflatten(_) => {
                let image = input.stride;
                Self::Copies(vec![(0, input, Copy::Pack { image })])
            }
            Op::Upsample(op) => Self::Upsample(*op),
            Op::GridSample(op) if GridSampling::can_compute(op) && inputs.len() == 2 => {
                Self::GridSample(*op)
            }
            _ => Self::Reference,
        }
    }

    /// Multiplications and additions of the kernel, for a node of so many: Winograd's has fewer.
    pub fn operations(&self, operations: u64, placed: &PlacedNode) -> u64 {
        let Self::Conv(_, ConvKernel::Winograd(tile)) = self else {
            return operations;
        };
        let (output, tile) = (placed.output.0, *tile);
        let tiles = output.batch * output.height.div_ceil(tile) * output.width.div_ceil(tile);
        let products = tiles * (tile + 2) * (tile + 2);
        2 * (products * placed.inputs[0].0.channels * output.channels) as u64
    }

    /// Makes the kernel.
    ///
    /// # Errors
    /// Where weights cannot be read.
    pub fn build(&self, placed: &PlacedNode, building: &mut Building) -> Result<Box<dyn Kernel>> {
        let PlacedNode {
            node,
            inputs,
            output: (output, _),
            ..
        } = placed;
        let threads = building.threads;
        let input = inputs.first().map(|(map, _)| *map).unwrap_or(*output);
        let channels = input.channels;
        let whole = Operand {
            map: input,
            is_broadcast: false,
        };
        Ok(match self {
            Self::Conv(problem, kernel) => {
                conv::build(problem, *kernel, &placed.as_conv(), building)?
            }
            Self::PointwiseDepthwise(problems) => {
                let placed = [placed.as_conv(), placed.read().as_conv()];
                Box::new(conv::build_pair(problems, &placed, building)?)
            }
            Self::Affine => {
                let norm = Norm::of(node);
                let activation = match &node.op {
                    Op::Activation(activation) => Some(*activation),
                    _ => node.fused.activation,
                };
                let affine = Prologue::made_of(norm.as_ref(), activation, channels, building)?;
                let function = Function::Affine(affine);
                Box::new(Elementwise::new(vec![whole], *output, function, threads))
            }
            Self::Unary(op) => {
                let function = Function::One(*op);
                Box::new(Elementwise::new(vec![whole], *output, function, threads))
            }
            Self::LayerNorm(op) => Box::new(LayerNorm::new(node, op, input, *output, building)?),
            Self::Binary(op) => {
                let operands = operands(placed).unwrap_or_default();
                let function = Function::Two(*op, node.fused.activation);
                Box::new(Elementwise::new(operands, *output, function, threads))
            }
            Self::Pool(windows, is_max) => {
                let prologue = node.fused.prologue.as_ref();
                let prologue = prologue
                    .map(|prologue| Prologue::new(prologue, channels, building))
                    .transpose()?;
                let windows = windows.clone();
                Box::new(Pool::new(
                    input, *output, windows, *is_max, prologue, threads,
                ))
            }
            Self::Copies(copies) => {
                // Copies between pixels and a tensor are by the pixels.
                let by = match copies.first() {
                    Some((_, map, Copy::Unpack { .. })) => *map,
                    _ => *output,
                };
                Box::new(Copies::new(copies.clone(), by, threads))
            }
            Self::Upsample(op) => {
                let (from, to) = ([input.height, input.width], [output.height, output.width]);
                let scale = op.scale(from, to);
                let sources = [0, 1].map(|axis| {
                    (0..to[axis])
                        .map(|i| op.source(i, scale[axis], from[axis]))
                        .collect()
                });
                Box::new(Upsampling::new(input, *output, sources, threads))
            }
            Self::GridSample(op) => {
                let positions = inputs.get(1).map_or(input, |(map, _)| *map);
                Box::new(GridSampling::new(*op, [input, positions], *output, threads))
            }
            Self::Reference => reference(placed, building)?,
        })
    }
}

fn reference(placed: &PlacedNode, building: &mut Building) -> Result<Box<dyn Kernel>> {
    let inputs = placed.inputs.iter();
    let inputs = inputs
        .map(|(map, shape)| (*map, (*shape).clone()))
        .collect();
    let output = (placed.output.0, placed.output.1.clone());
    Ok(Box::new(Fallback::new(
        placed.node,
        inputs,
        output,
        building,
    )?))
}

/// The operands of a function of two values, where vectors can compute it: each has the output's pixels, or one for
/// each image, and all its channels.
fn operands(placed: &PlacedNode) -> Option<Vec<Operand>> {
    let (output, shape) = &placed.output;
    let operand = |(map, own): &(Map, &Shape)| {
        let is_same = own.dims() == shape.dims();
        let is_broadcast = own.rank() == shape.rank()
            && map.batch == output.batch
            && map.channels == output.channels
            && (map.height, map.width) == (1, 1)
            && own.dims().iter().skip(2).all(|extent| *extent == 1);
        (is_same || is_broadcast).then_some(Operand {
            map: *map,
            is_broadcast: !is_same,
        })
    };
    placed.inputs.iter().map(operand).collect()
}

/// The windows of a pooling layer, and whether it is a maximum; `None` where the padding that is fused into it has
/// values of its own, or it is a norm.
fn pool_windows(
    op: &Pool2d,
    node: &Node,
    input: &Map,
    output: &Map,
) -> Option<([Windows; 2], bool)> {
    let fused = &node.fused;
    let size = [input.height, input.width];
    let mut op = op.clone();
    if fused.pad != [0; 4] {
        let own = op.padding_for(fused.padded(size));
        let mut sides = [0; 4];
        for (i, side) in sides.iter_mut().enumerate() {
            *side = own[i].checked_add_signed(fused.pad[i])?;
            if fused.pad[i] < 0 {
                return None;
            }
        }
        let [top, bottom, left, right] = sides;
        op.padding = Padding::Explicit {
            top,
            bottom,
            left,
            right,
        };
        match &mut op.kind {
            PoolKind::Max if fused.pad_value == f32::NEG_INFINITY => {}
            // Padding that a pass has fused counts toward the divisor.
            PoolKind::Average { count_include_pad } if !op.ceil_mode => *count_include_pad = true,
            _ => return None,
        }
    }
    let count_padding = match op.kind {
        PoolKind::Max => false,
        PoolKind::Average { count_include_pad } => count_include_pad,
        PoolKind::Lp { .. } => return None,
    };
    let windows = window_spans(&op, size, [output.height, output.width]);
    let mut axis = 0..;
    let windows = windows.map(|spans| {
        let step = op.dilation[axis.next().unwrap_or(1)];
        let divisor = |span: &WindowSpan| match count_padding {
            true => span.padded,
            false => span.taps.len(),
        };
        Windows {
            divisors: spans
                .iter()
                .map(|span| divisor(span).max(1) as f32)
                .collect(),
            pixels: spans.iter().map(|span| span.range()).collect(),
            step,
        }
    });
    Some((windows, op.kind == PoolKind::Max))
}
