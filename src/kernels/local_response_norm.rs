//! Local response normalization.

use super::loop_iterations::nested;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{LOCAL_RESPONSE_NORM, LOCAL_RESPONSE_NORM_BACKWARD};
use crate::graph::LocalResponseNorm;

uniforms! {
    struct Params for LOCAL_RESPONSE_NORM {
        input: TensorView,
        output: TensorView,
        before: u32,
        after: u32,
        share: f32,
        beta: f32,
        k: f32,
        unused: [u32; 3],
    }

    struct BackwardParams for LOCAL_RESPONSE_NORM_BACKWARD {
        gradient: TensorView,
        input: TensorView,
        output: TensorView,
        before: u32,
        after: u32,
        share: f32,
        beta: f32,
        k: f32,
        unused: [u32; 3],
    }
}

/// The settings that both uniform blocks have.
struct Settings {
    before: u32,
    after: u32,
    share: f32,
    beta: f32,
    k: f32,
}

impl Settings {
    fn new(op: &LocalResponseNorm, channels: u32) -> Self {
        // Limited to the number of channels, which changes nothing and cannot overflow.
        let reach = |size: usize| size.min(channels as usize) as u32;
        Self {
            before: reach(op.size / 2),
            after: reach((op.size - 1) / 2),
            share: (op.alpha / op.size as f64) as f32,
            beta: op.beta as f32,
            k: op.k as f32,
        }
    }

    /// The most channels that the sums of an element include.
    fn most_channels(&self) -> u64 {
        u64::from(self.before) + u64::from(self.after) + 4
    }
}

pub(super) fn dispatches(
    context: &LoweringContext,
    op: &LocalResponseNorm,
) -> Result<Vec<Dispatch>> {
    let settings = Settings::new(op, context.output.channels);
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        before: settings.before,
        after: settings.after,
        share: settings.share,
        beta: settings.beta,
        k: settings.k,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0)];
    let iterations = nested([settings.most_channels()]);
    let dispatch = context.per_element(&LOCAL_RESPONSE_NORM, &params, reads, iterations)?;
    Ok(vec![dispatch])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &LocalResponseNorm,
) -> Result<Vec<Dispatch>> {
    let settings = Settings::new(op, context.output.channels);
    let params = BackwardParams {
        gradient: context.inputs[0],
        input: context.inputs[1],
        output: context.output,
        before: settings.before,
        after: settings.after,
        share: settings.share,
        beta: settings.beta,
        k: settings.k,
        unused: [0; 3],
    };
    let reads = vec![Read::Input(0), Read::Input(1)];
    let channels = settings.most_channels();
    let iterations = nested([channels, channels]);
    let dispatch =
        context.per_element(&LOCAL_RESPONSE_NORM_BACKWARD, &params, reads, iterations)?;
    Ok(vec![dispatch])
}
