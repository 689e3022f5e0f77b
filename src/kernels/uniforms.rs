//! The uniform blocks of all kernels, for the test that compares them with the WGSL.

use super::*;
use crate::gpu::uniform::UniformBlock;

pub(crate) fn uniforms() -> Vec<UniformBlock> {
    [
        activation::uniforms(),
        batch_norm::uniforms(),
        channels::uniforms(),
        constant::uniforms(),
        conv::uniforms(),
        cum_sum::uniforms(),
        elementwise::uniforms(),
        embedding::uniforms(),
        flatten::uniforms(),
        grid_sample::uniforms(),
        gather::uniforms(),
        group_norm::uniforms(),
        layout::uniforms(),
        linear::uniforms(),
        local_response_norm::uniforms(),
        matmul::uniforms(),
        pad::uniforms(),
        pool::uniforms(),
        pool_backward::uniforms(),
        rearrange::uniforms(),
        reduce::uniforms(),
        reorg::uniforms(),
        resample::uniforms(),
        softmax::uniforms(),
        top_k::uniforms(),
        unary::uniforms(),
        upsample::uniforms(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
