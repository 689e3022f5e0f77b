//! Convolutions, transposed convolutions and fully connected layers: which kernel computes them, and their weights.

use std::sync::Arc;

use rayon::prelude::*;

use super::depthwise::Depthwise;
use super::implicit_gemm::{ImplicitGemm, Rows, Sweep, panel_columns};
use super::kernel::Kernel;
use super::map::Map;
use super::memory::Floats;
use super::packed::Building;
use super::prologue::Prologue;
use super::simd::{Epilogue, lanes};
use super::winograd::{Winograd, transformed_kernel};
use crate::error::Result;
use crate::graph::{Branch, Node, Op};
use crate::kernels::{ConvProblem, Filter, Kernels, Phase, TransposedConvProblem, stride_phases};
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
    let pixels = problem.m();
    let product = (pixels * 9 * inputs * columns).max(reading(9));
    let cost = |tile: u64| {
        let side = (tile + 2) * (tile + 2);
        let tiles = problem.batch as u64
            * (problem.output[0] as u64).div_ceil(tile)
            * (problem.output[1] as u64).div_ceil(tile);
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
    fn weight_name(&self, layout: &str) -> String {
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
    // A depthwise kernel reads the channels of all groups side by side.
    let bias_groups = match kernel {
        ConvKernel::Depthwise => 1,
        ConvKernel::Winograd(_) | ConvKernel::Gemm(_) => filter.groups,
    };
    let bias = bias(&filter, bias_groups, placed, building)?;
    let epilogue = placed.epilogue();
    Ok(match (kernel, problem) {
        (ConvKernel::Depthwise, Problem::Plain(conv)) => {
            let weights = depthwise_weights(&filter, conv, placed, building)?;
            let geometry = [conv.filter.kernel, conv.stride, conv.dilation];
            Box::new(Depthwise::new(
                input,
                output,
                residual,
                geometry,
                conv.padding,
                weights,
                bias,
                epilogue,
                threads,
            ))
        }
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
        // Only plain convolutions are selected for the two others.
        (_, Problem::Strided(_)) => {
            build(problem, ConvKernel::Gemm(Rows::Pixels), placed, building)?
        }
    })
}

/// The bias with all that is folded into it, each group padded to whole panels.
fn bias(
    filter: &Filter,
    groups: usize,
    placed: &Placed,
    building: &mut Building,
) -> Result<Arc<Floats>> {
    let weights = building.weights;
    let outputs = filter.groups * filter.group_outputs / groups;
    let padded = outputs.next_multiple_of(panel_columns());
    let name = match filter.folding.has_no_bias() {
        true => format!("zeros {}", groups * padded),
        false => placed.weight_name(&format!("bias {groups} {padded}")),
    };
    building.packed.get(name, groups * padded, |packed| {
        if !filter.folding.has_no_bias() {
            let bias = filter.folding.bias(weights)?;
            let chunks = packed.chunks_mut(padded.max(1));
            for (to, from) in chunks.zip(bias.chunks(outputs.max(1))) {
                to[..from.len()].copy_from_slice(from);
            }
        }
        Ok(())
    })
}

fn depthwise_weights(
    filter: &Filter,
    conv: &ConvProblem,
    placed: &Placed,
    building: &mut Building,
) -> Result<Arc<Floats>> {
    let weights = building.weights;
    let taps = filter.taps();
    let channels = conv.filter.out_channels;
    let padded = channels.next_multiple_of(lanes());
    let name = placed.weight_name(&format!("depthwise {padded}{}", filter.order_suffix()));
    building.packed.get(name, taps * padded, |packed| {
        let parameter = placed.node.parameter_name("weight");
        let kernels = filter.read(weights, &parameter, 0..channels)?;
        for channel in 0..channels {
            let kernel = kernels.in_window_order(channel, 0);
            for (tap, value) in kernel.iter().enumerate() {
                packed[tap * padded + channel] = *value;
            }
        }
        Ok(())
    })
}

/// The window of a phase with its weights.
fn sweep(
    filter: &Filter,
    phase: &Phase,
    rows: Rows,
    placed: &Placed,
    building: &mut Building,
) -> Result<Sweep> {
    let window = phase.window;
    let [dilation, padding] = [window.dilation, window.padding];
    let offset = |axis: usize, tap: usize| {
        tap as isize * dilation[axis] as isize - padding[axis] as i32 as isize
    };
    let taps: Vec<[isize; 2]> = (0..phase.rows.len())
        .flat_map(|row| (0..phase.columns.len()).map(move |column| (row, column)))
        .map(|(row, column)| [offset(0, row), offset(1, column)])
        .collect();
    let kernel_taps: Vec<usize> = phase
        .kernel_taps()
        .map(|(row, column)| filter.tap(row, column))
        .collect();
    // Floats of a tap: of its channels, and of the padding where pixels are read as one row.
    let k = match rows {
        Rows::Runs { .. } => placed.input.stride,
        Rows::Pixels | Rows::Copies => filter.group_inputs,
    };
    let columns = panel_columns();
    let layout = format!(
        "panels {columns} {k} {kernel_taps:?}{}",
        filter.order_suffix()
    );
    let weights = building.weights;
    let name = placed.weight_name(&layout);
    let panel_len = kernel_taps.len() * k * columns;
    let len = panels(filter) * panel_len;
    let packed = building.packed.get(name, len, |packed| {
        pack_panels(
            packed,
            panel_len,
            filter,
            weights,
            placed,
            |panel, kernels, first, count| {
                for input in 0..filter.group_inputs {
                    for output in 0..count {
                        let kernel = kernels.get(first + output, input);
                        for (t, tap) in kernel_taps.iter().enumerate() {
                            panel[(t * k + input) * columns + output] = kernel[*tap];
                        }
                    }
                }
            },
        )
    })?;
    let size = phase.outputs.size.map(|v| v as usize);
    Ok(Sweep {
        size,
        step: phase.outputs.step.map(|v| v as usize),
        origin: phase.outputs.origin.map(|v| v as usize),
        stride: window.stride.map(|v| v as usize),
        taps,
        weights: packed,
    })
}

/// Panels of all groups.
fn panels(filter: &Filter) -> usize {
    filter.groups * filter.group_outputs.div_ceil(panel_columns())
}

/// Packs each panel of each group by itself: `pack` gets the panel, the kernels, the first output and how many.
fn pack_panels(
    packed: &mut [f32],
    panel_len: usize,
    filter: &Filter,
    weights: &crate::weights::Weights,
    placed: &Placed,
    pack: impl Fn(&mut [f32], &Kernels, usize, usize) + Sync,
) -> Result<()> {
    let columns = panel_columns();
    let panels = filter.group_outputs.div_ceil(columns);
    let parameter = placed.node.parameter_name("weight");
    let chunks = packed.par_chunks_mut(panel_len.max(1));
    chunks.enumerate().try_for_each(|(i, panel)| {
        let (group, index) = (i / panels, i % panels);
        let first = group * filter.group_outputs + index * columns;
        let count = (filter.group_outputs - index * columns).min(columns);
        let kernels = filter.read(weights, &parameter, first..first + count)?;
        pack(panel, &kernels, first, count);
        Ok::<(), crate::error::Error>(())
    })?;
    weights.release_pages();
    Ok(())
}

fn winograd_weights(
    filter: &Filter,
    tile: usize,
    placed: &Placed,
    building: &mut Building,
) -> Result<Arc<Floats>> {
    let columns = panel_columns();
    let points = (tile + 2) * (tile + 2);
    let inputs = filter.group_inputs;
    let layout = format!("winograd {tile} {columns}{}", filter.order_suffix());
    let weights = building.weights;
    let name = placed.weight_name(&layout);
    let panel_len = points * inputs * columns;
    let len = panels(filter) * panel_len;
    building.packed.get(name, len, |packed| {
        pack_panels(
            packed,
            panel_len,
            filter,
            weights,
            placed,
            |panel, kernels, first, count| {
                for input in 0..inputs {
                    for output in 0..count {
                        let kernel = kernels.in_window_order(first + output, input);
                        let values = transformed_kernel(tile, &kernel);
                        for (point, value) in values.into_iter().enumerate() {
                            panel[(point * inputs + input) * columns + output] = value as f32;
                        }
                    }
                }
            },
        )
    })
}
