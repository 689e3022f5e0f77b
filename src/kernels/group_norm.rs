//! Group, layer and instance normalization.

use super::activation::code;
use super::loop_iterations::REDUCTION_ITERATIONS;
use super::{Dispatch, LoweringContext, Read, TensorView};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{
    GROUP_NORM, GROUP_NORM_BACKWARD, GROUP_NORM_BACKWARD_SUBGROUP, GROUP_NORM_SUBGROUP, Precision,
};
use crate::graph::{GroupNorm, NormOver};

uniforms! {
    struct Params for GROUP_NORM, GROUP_NORM_SUBGROUP {
        input: TensorView,
        output: TensorView,
        pixels: u32,
        group_channels: u32,
        block_c4: u32,
        eps: f32,
        slope: f32,
        unused: [u32; 3],
    }

    struct BackwardParams for GROUP_NORM_BACKWARD, GROUP_NORM_BACKWARD_SUBGROUP {
        gradient: TensorView,
        input: TensorView,
        output: TensorView,
        pixels: u32,
        group_channels: u32,
        block_c4: u32,
        eps: f32,
    }
}

/// Passes over the values of a block: for the mean, for the variance, and to write.
const PASSES: u64 = 3;

/// Those of the gradient: one more, for the mean of its products with the normalized values.
const BACKWARD_PASSES: u64 = 4;

/// Elements of a block, of which a team computes all.
fn block_c4(op: &GroupNorm) -> usize {
    op.block_channels() / 4
}

/// Elements that a subgroup would read for the gradient, which takes longer, with what its reductions need; `None` where a block has many pixels, which
/// a whole workgroup computes.
pub(super) fn subgroup_elements(op: &GroupNorm) -> Option<u64> {
    // There are no more invocations in a team than 64.
    let reductions = 4 * 64 * REDUCTION_ITERATIONS;
    (op.over == NormOver::Pixel).then(|| BACKWARD_PASSES * block_c4(op) as u64 + reductions)
}

pub(super) fn dispatches(context: &LoweringContext, op: &GroupNorm) -> Result<Vec<Dispatch>> {
    let (activation, slope) = code(context.node.fused.activation);
    let team = Team::new(context, context.inputs[0], op, PASSES, 2)?;
    let params = Params {
        input: context.inputs[0],
        output: context.output,
        pixels: team.pixels,
        group_channels: team.group_channels,
        block_c4: team.block_c4,
        eps: op.eps as f32,
        slope,
        unused: [0; 3],
    };
    let (shader, reason) = context.reducing(&GROUP_NORM, &GROUP_NORM_SUBGROUP);
    let reads = vec![Read::Input(0), affine(context, op)];
    let dispatch = (context.device).dispatch(shader, &params, reads, team.grid, team.iterations);
    let dispatch = dispatch.selected(None, reason).constants(&constants(op));
    Ok(vec![dispatch.constant("ACTIVATION", activation)])
}

pub(super) fn backward_dispatches(
    context: &LoweringContext,
    op: &GroupNorm,
) -> Result<Vec<Dispatch>> {
    let team = Team::new(context, context.inputs[1], op, BACKWARD_PASSES, 4)?;
    let params = BackwardParams {
        gradient: context.inputs[0],
        input: context.inputs[1],
        output: context.output,
        pixels: team.pixels,
        group_channels: team.group_channels,
        block_c4: team.block_c4,
        eps: op.eps as f32,
    };
    let shaders = (&GROUP_NORM_BACKWARD, &GROUP_NORM_BACKWARD_SUBGROUP);
    let (shader, reason) = context.reducing(shaders.0, shaders.1);
    let reads = vec![Read::Input(0), Read::Input(1), affine(context, op)];
    let dispatch = (context.device).dispatch(shader, &params, reads, team.grid, team.iterations);
    let dispatch = dispatch.selected(None, reason).constants(&constants(op));
    Ok(vec![dispatch])
}

/// What `shaders/shared/channel_groups.wgsl` takes.
fn constants(op: &GroupNorm) -> [(&'static str, u32); 3] {
    let is_one_group = op.group_channels().is_multiple_of(4) || op.groups == 1;
    [
        ("GROUPS", if is_one_group { 1 } else { 4 }),
        ("CENTERED", u32::from(op.centered)),
        ("AFFINE", u32::from(op.affine)),
    ]
}

/// How teams share the work.
struct Team {
    /// Pixels that are normalized together.
    pixels: u32,
    group_channels: u32,
    block_c4: u32,
    grid: [u32; 3],
    /// Of an invocation.
    iterations: u64,
}

impl Team {
    /// For a shader that reads the values `passes` times and reduces `reductions` times.
    fn new(
        context: &LoweringContext,
        input: TensorView,
        op: &GroupNorm,
        passes: u64,
        reductions: u64,
    ) -> Result<Self> {
        let block_c4 = block_c4(op);
        let pixels = match op.over {
            NormOver::Pixel => 1,
            NormOver::Image => input.height * input.width,
            NormOver::Batch => input.pixels,
        };
        let regions = u64::from(input.pixels) / u64::from(pixels.max(1));
        let blocks = u64::from(input.c4).div_ceil(block_c4 as u64);
        let workgroups = context.teams(regions * blocks);
        let [x, y] = (context.device).fold(&context.node.name, workgroups)?;
        let share = (u64::from(pixels) * block_c4 as u64).div_ceil(context.team_members());
        Ok(Self {
            pixels,
            // Both are at most the input's channels, which fit.
            group_channels: op.group_channels() as u32,
            block_c4: block_c4 as u32,
            grid: [x, y, 1],
            iterations: passes * share + reductions * REDUCTION_ITERATIONS,
        })
    }
}

/// The weights and biases of each element side by side.
fn affine(context: &LoweringContext, op: &GroupNorm) -> Read {
    if !op.affine {
        return Read::Input(0);
    }
    let len = op.channels.next_multiple_of(4) * 2;
    let bias = context.node.parameter_name("bias");
    context.weight_in_blocks(
        Precision::F32,
        "and bias",
        1,
        len,
        move |weights, weight, _| {
            let (weight, bias) = (weights.read(weight)?, weights.read(&bias)?);
            let mut packed = vec![0.0; len];
            let elements = weight.chunks(4).zip(bias.chunks(4));
            for (packed, (weight, bias)) in packed.chunks_mut(8).zip(elements) {
                packed[..weight.len()].copy_from_slice(weight);
                packed[4..][..bias.len()].copy_from_slice(bias);
            }
            Ok(packed)
        },
    )
}
