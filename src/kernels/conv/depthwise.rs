//! One kernel a channel.

use bytemuck::{Pod, Zeroable};

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::{Dispatch, Map, NodeContext, Read};
use super::geometry::{Plain, Window};
use crate::error::Result;
use crate::gpu::{CONV2D_DEPTHWISE, CONV2D_DEPTHWISE_ROW};
use crate::graph::Conv2d;

/// Pixels an invocation of `conv2d_depthwise_row.wgsl`.
const COLUMNS: u32 = 4;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    window: Window,
    epilogue: EpilogueParams,
}

pub(super) fn dispatch(context: &NodeContext, conv: &Plain) -> Result<Dispatch> {
    let op = &conv.op;
    let filter = conv.filter.clone();
    let epilogue = Epilogue::of(context);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        window: conv.part.window,
        epilogue: epilogue.params,
    };
    let channels = op.out_channels;
    let padded = channels.next_multiple_of(4);
    let taps = op.kernel[0] * op.kernel[1];
    let bias = context.bias(&filter.folding, padded);
    let layout = format!("depthwise{}", filter.form());
    let weight = context.weight(&layout, taps * padded, move |weights, name| {
        let kernels = filter.read(weights, name, 0..channels)?;
        let mut packed = vec![0.0; taps * padded];
        for channel in 0..channels {
            for (tap, value) in kernels.in_order(channel, 0).iter().enumerate() {
                packed[tap * padded + channel] = *value;
            }
        }
        Ok(packed)
    });
    let residual = epilogue.read(&bias);
    let reads = vec![Read::Input(0), weight, bias, residual];
    let dispatch = match in_rows(op) {
        None => context.per_element(&CONV2D_DEPTHWISE, &params, reads)?,
        Some([kernel, stride]) => {
            let output = &context.output;
            let strips = u64::from(output.batch * output.height * output.width.div_ceil(COLUMNS));
            let count = strips * u64::from(output.groups);
            let grid = context.device.flat_grid(&context.node.name, count)?;
            (context.device)
                .dispatch(&CONV2D_DEPTHWISE_ROW, &params, reads, grid)
                .constant("KERNEL", kernel)
                .constant("STRIDE", stride)
        }
    };
    Ok(epilogue.select(dispatch))
}

/// Kernel and stride, where the shader for several pixels an invocation has them: sizes beyond those
/// that networks use would be more pipelines to compile.
pub(super) fn in_rows(op: &Conv2d) -> Option<[u32; 2]> {
    let kernel = [3, 5].into_iter().find(|&k| op.kernel == [k, k])?;
    let stride = [1, 2].into_iter().find(|&s| op.stride == [s, s])?;
    (op.dilation == [1, 1]).then_some([kernel as u32, stride as u32])
}
