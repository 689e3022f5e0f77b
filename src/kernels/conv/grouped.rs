//! Convolution in groups of any number of channels.

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::loop_iterations::{SumPart, nested, split_sum};
use super::super::weight::split;
use super::super::{Dispatch, LoweringContext, Read, TensorView, WORKGROUP};
use super::filter::Filter;
use super::window::{Outputs, Phase, Window};
use crate::error::Result;
use crate::gpu::CONV2D_GROUPED;
use crate::gpu::uniform::uniforms;

uniforms! {
    struct Params for CONV2D_GROUPED {
        input: TensorView,
        output: TensorView,
        window: Window,
        outputs: Outputs,
        epilogue: EpilogueParams,
        group_inputs: u32,
        group_outputs: u32,
        first_element: u32,
        unused: u32,
    }
}

pub(super) fn dispatches(
    context: &LoweringContext,
    filter: &Filter,
    phase: &Phase,
) -> Result<Vec<Dispatch>> {
    let limit = context.device.max_loop_iterations;
    let iterations = |kernel: [usize; 2]| loop_iterations(kernel, filter.group_inputs);
    let parts = split_sum(phase.kernel(), 1, limit, |kernel, _| iterations(kernel));
    let dispatches = (parts.iter())
        .map(|part| part_dispatches(context, filter, &phase.part(part), part))
        .collect::<Result<Vec<_>>>()?;
    Ok(dispatches.into_iter().flatten().collect())
}

fn loop_iterations([height, width]: [usize; 2], inputs: usize) -> u64 {
    nested([height as u64, width as u64, inputs as u64])
}

/// The dispatches for a part of the sums. `phase` has the part's taps.
fn part_dispatches(
    context: &LoweringContext,
    filter: &Filter,
    phase: &Phase,
    sum: &SumPart,
) -> Result<Vec<Dispatch>> {
    let out_channels = filter.groups * filter.group_outputs;
    let row_len = phase.taps() * filter.group_inputs;
    let element_bytes = row_len as u64 * context.device.precision.element_bytes();
    let tiles = u64::from(phase.outputs.pixels).div_ceil(WORKGROUP);
    let [x, z] = context.device.fold(&context.node.name, tiles)?;
    let elements = out_channels.div_ceil(4);
    let bias = match sum.is_first {
        true => context.bias(&filter.folding, elements * 4),
        false => context.zeros(elements * 4),
    };
    let epilogue = Epilogue::of_part(context, sum);
    let iterations = loop_iterations(phase.kernel(), filter.group_inputs);
    let mut steps = Vec::new();
    for part in split(context.device, &context.node.name, elements, element_bytes)? {
        let params = Params {
            input: context.inputs[0],
            output: context.output,
            window: phase.window,
            outputs: phase.outputs,
            epilogue: epilogue.params,
            group_inputs: filter.group_inputs as u32,
            group_outputs: filter.group_outputs as u32,
            first_element: part.start as u32,
            unused: 0,
        };
        let (filter, range, phase) = (filter.clone(), part.clone(), *phase);
        let (rows, columns) = (phase.rows, phase.columns);
        let layout = format!(
            "grouped {part:?} {rows:?} {columns:?}{}",
            filter.order_suffix()
        );
        let weight = context.weight(&layout, part.len() * row_len * 4, move |weights, name| {
            let outputs = range.start * 4..(range.end * 4).min(out_channels);
            let kernels = filter.read(weights, name, outputs.clone())?;
            let mut packed = vec![0.0; range.len() * row_len * 4];
            for (i, output) in outputs.enumerate() {
                for input in 0..filter.group_inputs {
                    let kernel = kernels.get(output, input);
                    for (tap, (row, column)) in phase.kernel_taps().enumerate() {
                        let k = tap * filter.group_inputs + input;
                        let at = (i / 4 * row_len + k) * 4 + i % 4;
                        packed[at] = kernel[filter.tap(row, column)];
                    }
                }
            }
            Ok(packed)
        });
        let grid = [x, part.len() as u32, z];
        let residual = epilogue.read(&bias);
        let reads = vec![Read::Input(0), weight, bias.clone(), residual];
        let dispatch = (context.device).dispatch(&CONV2D_GROUPED, &params, reads, grid, iterations);
        steps.push(epilogue.select(dispatch));
    }
    Ok(steps)
}
