//! Constants: weights as values.

use super::weight::split;
use super::{Dispatch, LoweringContext, NO_LOOPS, TensorView};
use crate::error::Result;
use crate::gpu::CONSTANT;
use crate::gpu::uniform::uniforms;
use crate::graph::Constant;

uniforms! {
    struct Params for CONSTANT {
        output: TensorView,
        first_pixel: u32,
        end_pixel: u32,
        unused: [u32; 2],
    }
}

pub(super) fn dispatches(context: &LoweringContext, op: &Constant) -> Result<Vec<Dispatch>> {
    let [batch, channels, height, width] = op.shape.nchw();
    let plane = height * width;
    let padded = channels.next_multiple_of(4);
    let pixel_bytes = padded as u64 / 4 * context.device.precision.element_bytes();
    let mut steps = Vec::new();
    for part in split(
        context.device,
        &context.node.name,
        batch * plane,
        pixel_bytes,
    )? {
        let params = Params {
            output: context.output,
            first_pixel: part.start as u32,
            end_pixel: part.end as u32,
            unused: [0; 2],
        };
        let layout = format!("constant {part:?}");
        let weight = context.weight(&layout, part.len() * padded, move |weights, name| {
            let values = weights.read(name)?;
            let mut packed = vec![0.0; part.len() * padded];
            for (pixel, packed) in part.clone().zip(packed.chunks_mut(padded)) {
                let first = pixel / plane * channels * plane + pixel % plane;
                let values = values[first..].iter().step_by(plane);
                for (packed, value) in packed[..channels].iter_mut().zip(values) {
                    *packed = *value;
                }
            }
            Ok(packed)
        });
        steps.push(context.per_element(&CONSTANT, &params, vec![weight], NO_LOOPS)?);
    }
    Ok(steps)
}
