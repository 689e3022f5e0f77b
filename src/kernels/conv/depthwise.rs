//! One kernel a channel.

use bytemuck::{Pod, Zeroable};

use super::super::{Dispatch, Map, NodeContext, Read};
use super::geometry::Window;
use crate::error::Result;
use crate::gpu::CONV2D_DEPTHWISE;
use crate::graph::Conv2d;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    input: Map,
    output: Map,
    window: Window,
}

pub(super) fn dispatch(context: &NodeContext, op: &Conv2d) -> Result<Dispatch> {
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        window: Window::new(op, &context.inputs[0]),
    };
    let channels = op.out_channels;
    let padded = channels.next_multiple_of(4);
    let taps = op.kernel[0] * op.kernel[1];
    let weight = context.weight("depthwise", taps * padded, move |weights, name| {
        let values = weights.read(name)?;
        let mut packed = vec![0.0; taps * padded];
        for channel in 0..channels {
            for tap in 0..taps {
                packed[tap * padded + channel] = values[channel * taps + tap];
            }
        }
        Ok(packed)
    });
    let reads = vec![Read::Input(0), weight, context.bias(op.bias, padded)];
    context.per_element(&CONV2D_DEPTHWISE, &params, reads)
}
