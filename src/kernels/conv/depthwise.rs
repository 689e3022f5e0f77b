//! One kernel a channel.

use bytemuck::{Pod, Zeroable};

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::{Dispatch, Map, NodeContext, Read};
use super::geometry::{Filter, Window};
use crate::error::Result;
use crate::gpu::CONV2D_DEPTHWISE;
use crate::graph::Conv2d;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    window: Window,
    epilogue: EpilogueParams,
}

pub(super) fn dispatch(context: &NodeContext, op: &Conv2d) -> Result<Dispatch> {
    let filter = Filter::of(context, op);
    let epilogue = Epilogue::of(context);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        window: Window::new(context, op),
        epilogue: epilogue.params,
    };
    let channels = op.out_channels;
    let padded = channels.next_multiple_of(4);
    let taps = op.kernel[0] * op.kernel[1];
    let bias = context.bias(&filter.folding, padded);
    let weight = context.weight("depthwise", taps * padded, move |weights, name| {
        let kernels = filter.read(weights, name, 0..channels)?;
        let mut packed = vec![0.0; taps * padded];
        for channel in 0..channels {
            for (tap, value) in kernels.get(channel, 0).iter().enumerate() {
                packed[tap * padded + channel] = *value;
            }
        }
        Ok(packed)
    });
    let residual = epilogue.read(&bias);
    let reads = vec![Read::Input(0), weight, bias, residual];
    let dispatch = context.per_element(&CONV2D_DEPTHWISE, &params, reads)?;
    Ok(epilogue.select(dispatch))
}
