//! Batch normalisation.

use super::{Dispatch, Map, NodeContext, Read};
use crate::error::Result;
use crate::gpu::BATCH_NORM;
use crate::graph::BatchNorm2d;

pub(super) fn dispatches(context: &NodeContext, op: &BatchNorm2d) -> Result<Vec<Dispatch>> {
    let params: [Map; 2] = [context.inputs[0], context.output];
    let padded = op.channels.next_multiple_of(4);
    let eps = op.eps;
    let name = |suffix| context.node.parameter_name(suffix);

    let (weight, var) = (name("weight"), name("running_var"));
    let scale = context.per_channel("scale", padded, move |weights| {
        let (weight, var) = (weights.read(&weight)?, weights.read(&var)?);
        Ok(scales(&weight, &var, eps).map(|s| s as f32).collect())
    });
    let (weight, var) = (name("weight"), name("running_var"));
    let (bias, mean) = (name("bias"), name("running_mean"));
    let shift = context.per_channel("shift", padded, move |weights| {
        let (weight, var) = (weights.read(&weight)?, weights.read(&var)?);
        let (bias, mean) = (weights.read(&bias)?, weights.read(&mean)?);
        Ok(
            (scales(&weight, &var, eps).zip(bias.iter().zip(mean.iter())))
                .map(|(scale, (bias, mean))| (f64::from(*bias) - f64::from(*mean) * scale) as f32)
                .collect(),
        )
    });
    let reads = vec![Read::Input(0), scale, shift];
    Ok(vec![context.per_element(&BATCH_NORM, &params, reads)?])
}

/// `weight / sqrt(running_var + eps)`, in float64: made once, so its rounding should not show.
fn scales(weight: &[f32], var: &[f32], eps: f64) -> impl Iterator<Item = f64> {
    weight
        .iter()
        .zip(var)
        .map(move |(weight, var)| f64::from(*weight) / (f64::from(*var) + eps).sqrt())
}
