//! Convolutions, transposed convolutions and fully connected layers: which kernel computes them.

use super::conv_weights::{bias, depthwise_weights, sweep, winograd_weights};
use super::depthwise::Depthwise;
use super::implicit_gemm::{ImplicitGemm, Rows};
use super::kernel::Kernel;
use super::map::Map;
use super::packed::Building;
use super::pointwise::Pointwise;
use super::prologue::Prologue;
use super::simd::Epilogue;
use super::winograd::Winograd;
use crate::error::Result;
use crate::graph::{Branch, Node, Op};
use crate::kernels::{ConvProblem, Filter, Phase, TransposedConvProblem, stride_phases};
use crate::tensor::Shape;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConvKernel {
    Depthwise,
    /// With this many outputs along a side of a tile.
    Winograd(usize),
    Gemm(Rows),
}

/// A convolution of either kind.
#[derive(Clone, Debug)]
pub(super) enum Problem {
    Plain(ConvProblem),
    Strided(TransposedConvProblem),
}

impl Problem {
    /// What `node` computes, where it is a convolution or a fully connected layer.
    pub fn of(node: &Node, input: &Shape, output: &Shape) -> Option<Self> {
        let fused = &node.fused;
        Some(match &node.op {
            Op::Conv2d(op) => Self::Plain(ConvProblem::new(op, fused, input, output, false)),
            Op::ConvTranspose2d(op) if op.stride == [1, 1] => {
                Self::Plain(ConvProblem::from_transposed(op, fused, input, output))
            }
            Op::ConvTranspose2d(op) => Self::Strided(TransposedConvProblem::new(op, fused, output)),
            Op::Linear(op) => Self::Plain(ConvProblem::from_linear(op, fused, output)),
            Op::LinearBackward(op) => {
                Self::Plain(ConvProblem::from_linear_backward(&op.0, fused, output))
            }
            _ => return None,
        })
    }

    fn filter(&self, node: &Node) -> Filter {
        match self {
            Self::Plain(problem) => Filter::new(node, &problem.filter),
            Self::Strided(problem) => Filter::new(node, &problem.filter),
        }
    }

    fn phases(&self) -> Vec<Phase> {
        match self {
            Self::Plain(problem) => vec![problem.phase()],
            Self::Strided(problem) => stride_phases(problem),
        }
    }

    /// Selects the kernel. `is_packed_input` says that the padding of the input's channels is zero.
    pub fn select(&self, node: &Node, input: &Map, is_packed_input: bool) -> ConvKernel {
        let has_prologue = node.fused.prologue.is_some();
        let Self::Plain(problem) = self else {
            return ConvKernel::Gemm(Rows::Pixels);
        };
        if problem.filter.is_depthwise() {
            return ConvKernel::Depthwise;
        }
        if has_prologue {
            return ConvKernel::Gemm(Rows::Copies);
        }
        let columns = problem.filter.kernel[1];
        let is_thin = problem.filter.in_channels <= 4 && problem.filter.groups == 1;
        if is_thin
            && is_packed_input
            && input.is_dense()
            && problem.dilation[1] == 1
            && columns > 1
            && matches!(node.op, Op::Conv2d(_))
        {
            return ConvKernel::Gemm(Rows::Runs { columns });
        }
        match winograd_tile(problem) {
            Some(tile) => ConvKernel::Winograd(tile),
            None => ConvKernel::Gemm(Rows::Pixels),
        }
    }
}

/// The tile that is estimated to be faster than a product, if any.
fn winograd_tile(problem: &ConvProblem) -> Option<usize> {
    let costs = winograd_costs(problem)?;
    (costs.best < costs.product).then_some(costs.tile)
}

/// Estimated costs in vectors of multiply-adds, and what else takes as long as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct WinogradCosts {
    pub product: u64,
    /// Winograd's, with the tile that costs the least.
    pub best: u64,
    tile: usize,
}

/// What a convolution costs as a product and by Winograd, where that can compute it.
pub(super) fn winograd_costs(problem: &ConvProblem) -> Option<WinogradCosts> {
    let filter = &problem.filter;
    let fits = filter.kernel == [3, 3]
        && problem.stride == [1, 1]
        && problem.dilation == [1, 1]
        && filter.groups == 1;
    if !fits {
        return None;
    }
    // Of 16 floats whatever the processor, so that a network has the same kernels everywhere.
    let lanes = 16;
    let (inputs, outputs) = (filter.in_channels as u64, filter.out_channels as u64);
    let columns = outputs.div_ceil(2 * lanes) * 2;
    // Weights that are read once per pass, from memory or a shared cache: 4 bytes a cycle.
    let reading = |points: u64| points * inputs * columns * lanes;
    // Of one image whatever the batch, so that an image gives the same output in any.
    let [height, width] = problem.output.map(|size| size as u64);
    let pixels = height * width;
    let product = (pixels * 9 * inputs * columns).max(reading(9));
    let cost = |tile: u64| {
        let side = (tile + 2) * (tile + 2);
        let tiles = height.div_ceil(tile) * width.div_ceil(tile);
        let products = (tiles.max(4) * side * inputs * columns).max(reading(side));
        let transforms = tiles * side * 4 * (inputs.div_ceil(lanes) + columns);
        products + transforms
    };
    let (best, tile) = [(cost(4), 4), (cost(2), 2)].into_iter().min()?;
    Some(WinogradCosts {
        product,
        best,
        tile,
    })
}

/// A node as its kernel is made.
pub(super) struct Placed<'a> {
    pub node: &'a Node,
    pub input: Map,
    pub output: Map,
    /// That of the value it adds.
    pub residual: Option<Map>,
}

impl Placed<'_> {
    pub fn epilogue(&self) -> Epilogue {
        Epilogue {
            residual: self.node.fused.residual,
            activation: self.node.fused.activation,
        }
    }

    /// The name of a packed weight of the node: unique among those of a session, whose plans may fuse differently.
    pub fn weight_name(&self, layout: &str) -> String {
        let fused = &self.node.fused;
        let norm = fused.norm.iter().map(|norm| norm.name.clone());
        let branches = fused.branches.iter().map(Branch::names);
        let folded: String = norm
            .chain(branches)
            .map(|names| format!(" with {names}"))
            .collect();
        format!("{} {layout}{folded}", self.node.parameter_name("weight"))
    }
}

/// Makes the kernel of a depthwise convolution with the 1x1 convolution inside.
pub(super) fn build_pair(
    [depthwise, pointwise]: &[ConvProblem; 2],
    [placed, inner]: &[Placed; 2],
    building: &mut Building,
) -> Result<Depthwise> {
    let filter = Filter::new(inner.node, &pointwise.filter);
    let sweep = sweep(&filter, &pointwise.phase(), Rows::Pixels, inner, building)?;
    let pointwise = Pointwise {
        input: inner.input,
        channels: inner.output.channels,
        weights: sweep.weights,
        bias: bias(&filter, 1, inner, building)?,
        epilogue: inner.epilogue(),
    };
    build_depthwise(depthwise, placed, Some(pointwise), building)
}

fn build_depthwise(
    conv: &ConvProblem,
    placed: &Placed,
    pointwise: Option<Pointwise>,
    building: &mut Building,
) -> Result<Depthwise> {
    let filter = Filter::new(placed.node, &conv.filter);
    let weights = depthwise_weights(&filter, conv, placed, building)?;
    // The kernel reads the channels of all groups side by side.
    let bias = bias(&filter, 1, placed, building)?;
    Ok(Depthwise::new(
        placed.input,
        placed.output,
        placed.residual,
        *conv,
        weights,
        bias,
        placed.epilogue(),
        pointwise,
        building.threads,
    ))
}

/// Makes the kernel that was selected.
pub(super) fn build(
    problem: &Problem,
    kernel: ConvKernel,
    placed: &Placed,
    building: &mut Building,
) -> Result<Box<dyn Kernel>> {
    let filter = problem.filter(placed.node);
    let Placed {
        input,
        output,
        residual,
        ..
    } = *placed;
    let threads = building.threads;
    if let (ConvKernel::Depthwise, Problem::Plain(conv)) = (kernel, problem) {
        return Ok(Box::new(build_depthwise(conv, placed, None, building)?));
    }
    let bias = bias(&filter, filter.groups, placed, building)?;
    let epilogue = placed.epilogue();
    Ok(match (kernel, problem) {
        (ConvKernel::Winograd(tile), Problem::Plain(conv)) => {
            let weights = winograd_weights(&filter, tile, placed, building)?;
            Box::new(Winograd::new(
                input,
                output,
                residual,
                tile,
                conv.padding,
                weights,
                bias,
                epilogue,
                threads,
            ))
        }
        (ConvKernel::Gemm(rows), _) => {
            let prologue = placed.node.fused.prologue.as_ref();
            let prologue = prologue
                .map(|prologue| Prologue::new(prologue, input.channels, building))
                .transpose()?;
            let mut sweeps = Vec::new();
            for phase in problem.phases() {
                sweeps.push(sweep(&filter, &phase, rows, placed, building)?);
            }
            Box::new(ImplicitGemm::new(
                input,
                output,
                residual,
                filter.groups,
                sweeps,
                rows,
                prologue,
                bias,
                epilogue,
                threads,
            ))
        }
        // Only plain convolutions are selected for the others.
        (ConvKernel::Depthwise | ConvKernel::Winograd(_), _) => {
            build(problem, ConvKernel::Gemm(Rows::Pixels), placed, building)?
        }
    })
}
