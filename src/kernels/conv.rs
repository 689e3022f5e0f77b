//! Convolution: depthwise, dense (groups included where both sides of a group are whole elements),
//! and any other groups.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use super::weight::split;
use super::{Dispatch, Map, NodeContext, Read, WORKGROUP};
use crate::error::Result;
use crate::gpu::{CONV2D, CONV2D_DEPTHWISE, CONV2D_GROUPED};
use crate::graph::Conv2d;

/// `Window` of `shaders/shared/window.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Window {
    kernel: [u32; 2],
    stride: [u32; 2],
    dilation: [u32; 2],
    padding: [u32; 2],
}

impl Window {
    fn new(op: &Conv2d, input: &Map) -> Self {
        let [top, _, left, _] = op.padding_for([input.height as usize, input.width as usize]);
        Self {
            kernel: op.kernel.map(|v| v as u32),
            stride: op.stride.map(|v| v as u32),
            dilation: op.dilation.map(|v| v as u32),
            padding: [top as u32, left as u32],
        }
    }
}

/// The rule that selects a shader for a convolution.
pub(super) fn dispatches(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let whole_elements = (op.in_channels / op.groups).is_multiple_of(4)
        && (op.out_channels / op.groups).is_multiple_of(4);
    if op.is_depthwise() {
        Ok(vec![depthwise(context, op)?])
    } else if op.groups == 1 || whole_elements {
        dense(context, op)
    } else {
        grouped(context, op)
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct DepthwiseParams {
    input: Map,
    output: Map,
    window: Window,
}

fn depthwise(context: &NodeContext, op: &Conv2d) -> Result<Dispatch> {
    let params = DepthwiseParams {
        input: context.inputs[0],
        output: context.output,
        window: Window::new(op, &context.inputs[0]),
    };
    let channels = op.out_channels;
    let padded = channels.next_multiple_of(4);
    let taps = op.kernel[0] * op.kernel[1];
    let weight = context.weight("depthwise", &(0..1), taps * padded, move |weights, name| {
        let values = weights.read(name)?;
        let mut packed = vec![0.0; taps * padded];
        for channel in 0..channels {
            for tap in 0..taps {
                packed[tap * padded + channel] = values[channel * taps + tap];
            }
        }
        Ok(packed)
    });
    let bias = context.bias(op.bias, padded);
    context.per_element(
        &CONV2D_DEPTHWISE,
        &params,
        vec![Read::Input(0), weight, bias],
    )
}

/// Output channels of a block of `conv2d.wgsl`.
const BLOCK: usize = 16;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct DenseParams {
    input: Map,
    output: Map,
    window: Window,
    inner: u32,
    group_elements: u32,
    group_blocks: u32,
    first_block: u32,
}

fn dense(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let group_inputs = op.in_channels / op.groups;
    let group_outputs = op.out_channels / op.groups;
    let inner = group_inputs.div_ceil(4);
    let group_blocks = group_outputs.div_ceil(BLOCK);
    let blocks = group_blocks * op.groups;
    let taps = op.kernel[0] * op.kernel[1];
    let block_len = taps * inner * 4 * BLOCK;
    let block_bytes = block_len as u64 / 4 * context.device.precision.element_bytes();

    // As many pixels an invocation as leave none of a workgroup's invocations without one.
    let pixels = u64::from(context.output.pixels);
    let pixels_each: u32 = match pixels.div_ceil(WORKGROUP) {
        0 | 1 => 1,
        2 => 2,
        _ => 4,
    };
    let tiles = pixels.div_ceil(WORKGROUP * u64::from(pixels_each));
    let [x, z] = context.device.fold(&context.node.name, tiles)?;

    let bias = dense_bias(context, op, group_blocks, group_outputs);
    let mut steps = Vec::new();
    for part in split(context.device, &context.node.name, blocks, block_bytes)? {
        let params = DenseParams {
            input: context.inputs[0],
            output: context.output,
            window: Window::new(op, &context.inputs[0]),
            inner: inner as u32,
            group_elements: group_outputs.div_ceil(4) as u32,
            group_blocks: group_blocks as u32,
            first_block: part.start as u32,
        };
        let range = part.clone();
        let len = part.len() * block_len;
        let weight = context.weight("dense", &part, len, move |weights, name| {
            let block_outputs = |block: usize| {
                let first = block % group_blocks * BLOCK;
                let group = block / group_blocks;
                let outputs = BLOCK.min(group_outputs - first);
                let first = group * group_outputs + first;
                first..first + outputs
            };
            // Only this part's output channels are read: a weight may be larger than memory likes.
            let output_len = group_inputs * taps;
            let first = block_outputs(range.start).start;
            let end = block_outputs(range.end - 1).end;
            let values = weights.read_range(name, first * output_len..end * output_len)?;
            let mut packed = vec![0.0; range.len() * block_len];
            packed
                .par_chunks_mut(block_len)
                .zip(range.clone())
                .for_each(|(packed, block)| {
                    for (i, output) in block_outputs(block).enumerate() {
                        let values = &values[(output - first) * output_len..][..output_len];
                        for input in 0..group_inputs {
                            for tap in 0..taps {
                                let at = (tap * inner * 4 + input) * BLOCK + i;
                                packed[at] = values[input * taps + tap];
                            }
                        }
                    }
                });
            Ok(packed)
        });
        let grid = [x, part.len() as u32, z];
        let reads = vec![Read::Input(0), weight, bias.clone()];
        let dispatch = context.device.dispatch(&CONV2D, &params, reads, grid);
        steps.push(dispatch.constant("PIXELS", pixels_each));
    }
    Ok(steps)
}

/// The bias, laid out block by block as the weights are.
fn dense_bias(
    context: &NodeContext,
    op: &Conv2d,
    group_blocks: usize,
    group_outputs: usize,
) -> Read {
    let (groups, has_bias) = (op.groups, op.bias);
    let len = groups * group_blocks * BLOCK;
    let parameter = context.node.parameter_name("bias");
    context.per_channel("bias dense", len, move |weights| {
        let mut packed = vec![0.0; len];
        if has_bias {
            let values = weights.read(&parameter)?;
            for (group, values) in values.chunks(group_outputs).enumerate() {
                packed[group * group_blocks * BLOCK..][..group_outputs].copy_from_slice(values);
            }
        }
        Ok(packed)
    })
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct GroupedParams {
    input: Map,
    output: Map,
    window: Window,
    group_inputs: u32,
    group_outputs: u32,
    first_element: u32,
}

fn grouped(context: &NodeContext, op: &Conv2d) -> Result<Vec<Dispatch>> {
    let group_inputs = op.in_channels / op.groups;
    let taps = op.kernel[0] * op.kernel[1];
    let row_len = taps * group_inputs;
    let element_bytes = row_len as u64 * context.device.precision.element_bytes();
    let tiles = u64::from(context.output.pixels).div_ceil(WORKGROUP);
    let [x, z] = context.device.fold(&context.node.name, tiles)?;
    let elements = op.out_channels.div_ceil(4);
    let bias = context.bias(op.bias, elements * 4);
    let out_channels = op.out_channels;
    let mut steps = Vec::new();
    for part in split(context.device, &context.node.name, elements, element_bytes)? {
        let params = GroupedParams {
            input: context.inputs[0],
            output: context.output,
            window: Window::new(op, &context.inputs[0]),
            group_inputs: group_inputs as u32,
            group_outputs: (op.out_channels / op.groups) as u32,
            first_element: part.start as u32,
        };
        let range = part.clone();
        let len = part.len() * row_len * 4;
        let weight = context.weight("grouped", &part, len, move |weights, name| {
            let first = range.start * 4;
            let end = (range.end * 4).min(out_channels);
            let values = weights.read_range(name, first * row_len..end * row_len)?;
            let mut packed = vec![0.0; range.len() * row_len * 4];
            for (output, values) in values.chunks(row_len).enumerate() {
                for input in 0..group_inputs {
                    for tap in 0..taps {
                        let at = (output / 4 * row_len + tap * group_inputs + input) * 4;
                        packed[at + output % 4] = values[input * taps + tap];
                    }
                }
            }
            Ok(packed)
        });
        let grid = [x, part.len() as u32, z];
        let reads = vec![Read::Input(0), weight, bias.clone()];
        steps.push((context.device).dispatch(&CONV2D_GROUPED, &params, reads, grid));
    }
    Ok(steps)
}
