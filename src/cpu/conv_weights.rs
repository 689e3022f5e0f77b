//! The weights of convolutions in the layouts of their kernels.

use std::sync::Arc;

use rayon::prelude::*;

use super::conv::Placed;
use super::implicit_gemm::{Rows, panel_columns};
use super::memory::Floats;
use super::packed::Building;
use super::sweep::{Interior, Sweep};
use super::winograd_transform::KernelTransform;
use crate::error::{Error, Result};
use crate::kernels::{ConvProblem, Filter, Kernels, Phase};
use crate::weights::Weights;

/// The bias with all that is folded into it, each group padded to whole panels.
pub(super) fn bias(
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

pub(super) fn depthwise_weights(
    filter: &Filter,
    conv: &ConvProblem,
    placed: &Placed,
    building: &mut Building,
) -> Result<Arc<Floats>> {
    let weights = building.weights;
    let taps = filter.taps();
    let channels = conv.filter.out_channels;
    let columns = panel_columns();
    let padded = channels.next_multiple_of(columns);
    let name = placed.weight_name(&format!("depthwise {columns}{}", filter.order_suffix()));
    building.packed.get(name, taps * padded, |packed| {
        let parameter = placed.node.parameter_name("weight");
        let kernels = filter.read(weights, &parameter, 0..channels)?;
        for channel in 0..channels {
            let kernel = kernels.in_window_order(channel, 0);
            for (tap, value) in kernel.iter().enumerate() {
                let (panel, column) = (channel / columns, channel % columns);
                packed[(panel * taps + tap) * columns + column] = *value;
            }
        }
        Ok(())
    })
}

/// The window of a phase with its weights.
pub(super) fn sweep(
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
        interior: Interior::new(&taps, &placed.input),
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
    weights: &Weights,
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
        Ok::<(), Error>(())
    })?;
    weights.release_pages();
    Ok(())
}

pub(super) fn winograd_weights(
    filter: &Filter,
    tile: usize,
    placed: &Placed,
    building: &mut Building,
) -> Result<Arc<Floats>> {
    let columns = panel_columns();
    let transform = KernelTransform::new(tile);
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
                        let values = transform.apply(&kernel);
                        for (point, value) in values.into_iter().take(points).enumerate() {
                            panel[(point * inputs + input) * columns + output] = value;
                        }
                    }
                }
            },
        )
    })
}
