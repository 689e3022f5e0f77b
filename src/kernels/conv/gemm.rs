//! Convolution as an implicit GEMM: M output pixels by N output channels, K taps times input channels.

use std::ops::Range;

use rayon::prelude::*;

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::loop_iterations::{SumPart, split_sum};
use super::super::prologue::Prologue;
use super::super::weight::split;
use super::super::{Dispatch, LoweringContext, Read, TensorView, WORKGROUP};
use super::filter::Filter;
use super::gemm_shader::{GemmShader, SUBGROUP, WeightLayout, subgroup_tiles};
use super::problem::N_TILE;
use super::window::{Outputs, Phase, Window};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{
    CONV2D, CONV2D_COOPERATIVE, CONV2D_COOPERATIVE_8X8, CONV2D_COOPERATIVE_EMULATED, CONV2D_NCHW,
    CONV2D_SUBGROUP, CONV2D_SUBGROUP_NCHW, CONV2D_TILED, CONV2D_TILED_NCHW, MatrixKind,
};
use crate::weights::Weights;

uniforms! {
    /// `Params` of `shaders/shared/conv2d.wgsl`.
    pub(super) struct Params for CONV2D, CONV2D_COOPERATIVE, CONV2D_COOPERATIVE_8X8, CONV2D_COOPERATIVE_EMULATED, CONV2D_NCHW, CONV2D_SUBGROUP, CONV2D_SUBGROUP_NCHW, CONV2D_TILED, CONV2D_TILED_NCHW {
        pub input: TensorView,
        pub output: TensorView,
        pub window: Window,
        pub outputs: Outputs,
        pub epilogue: EpilogueParams,
        /// Elements of the input (four channels) that an output channel reads at a tap.
        pub k_c4: u32,
        /// Elements of the output in a channel group.
        pub group_out_c4: u32,
        /// N tiles of a channel group.
        pub group_n_tiles: u32,
        /// The first N tile of the dispatch.
        pub first_n_tile: u32,
        /// N tiles of each GEMM in the dispatch.
        pub n_tiles: u32,
        pub prologue_slope: f32,
        /// Input rows from one GEMM of the batch to the next.
        pub gemm_rows: u32,
        /// GEMMs of the batch: stride phases, or points of Winograd's transform.
        pub gemms: u32,
        /// N tiles of weights from one GEMM to the next.
        pub weight_gemm_stride: u32,
        /// N tiles of weights from one N tile to the next.
        pub weight_n_tile_stride: u32,
        /// Whether neighboring workgroups compute different N tiles of the same pixels.
        pub n_fastest: u32,
        /// Elements of the input at a tap; `k_c4` may be more.
        pub input_k_c4: u32,
        /// Steps along K of each GEMM, where they are parts of one sum, or else 0.
        pub part_steps: u32,
        pub unused: [u32; 2],
    }
}

impl Params {
    /// Those of one GEMM, a convolution's outputs `phase` by all channels of the filter, which writes the node's output
    /// without an epilogue. `k_c4` are the elements that the weights have at a tap.
    pub fn of(context: &LoweringContext, filter: &Filter, phase: &Phase, k_c4: usize) -> Self {
        let group_n_tiles = filter.group_outputs.div_ceil(N_TILE) as u32;
        Self {
            input: context.inputs[0],
            output: context.output,
            window: phase.window,
            outputs: phase.outputs,
            epilogue: EpilogueParams::nothing(context.output),
            k_c4: k_c4 as u32,
            group_out_c4: filter.group_outputs.div_ceil(4) as u32,
            group_n_tiles,
            first_n_tile: 0,
            n_tiles: group_n_tiles * filter.groups as u32,
            prologue_slope: 0.0,
            gemm_rows: 0,
            gemms: 1,
            weight_gemm_stride: 0,
            weight_n_tile_stride: 1,
            n_fastest: 0,
            input_k_c4: filter.group_inputs.div_ceil(4) as u32,
            part_steps: 0,
            unused: [0; 2],
        }
    }

    /// Whether the weights have channels beyond the input's last.
    fn has_padded_channels(&self) -> bool {
        self.k_c4 != self.input_k_c4
    }

    /// Whether taps may be outside of the input.
    fn has_padded_taps(&self) -> bool {
        let Window {
            kernel,
            stride,
            dilation,
            padding,
        } = self.window;
        let size = [self.input.height, self.input.width];
        // Coordinates in 64 bits. The padding is negative where the first window begins inside the input.
        let is_inside = |i: usize| {
            let first = -i64::from(padding[i] as i32);
            let taps = i64::from(dilation[i]) * (i64::from(kernel[i]) - 1);
            let last = first + i64::from(stride[i]) * (i64::from(self.outputs.size[i]) - 1) + taps;
            first >= 0 && last < i64::from(size[i])
        };
        !(is_inside(0) && is_inside(1))
    }
}

/// The dispatches for `phases`, whose windows and numbers of outputs are equal: one, where the weights
/// of all fit one binding and the device's limit of loop iterations allows it.
pub(super) fn dispatches(
    context: &LoweringContext,
    filter: &Filter,
    phases: &[Phase],
    shader: GemmShader,
    nchw_input: bool,
) -> Result<Vec<Dispatch>> {
    let Some(phase) = phases.first() else {
        return Ok(Vec::new());
    };
    let k_c4 = shader.padded_k_c4(filter.group_inputs, nchw_input);
    let prologue = context.node.fused.prologue.as_ref();
    // Channels are counted from those of a group, and scales from the first.
    let splits_channels = filter.groups == 1
        && !nchw_input
        && prologue.is_none_or(|prologue| prologue.norm.is_none());
    let limit = context.device.max_loop_iterations;
    let parts = match splits_channels {
        true => split_sum(phase.kernel(), k_c4, limit, |kernel, k_c4| {
            shader.loop_iterations(kernel, k_c4)
        }),
        false => split_sum(phase.kernel(), 1, limit, |kernel, _| {
            shader.loop_iterations(kernel, k_c4)
        })
        .into_iter()
        .map(|part| SumPart {
            inner: 0..k_c4,
            ..part
        })
        .collect(),
    };
    let mut dispatches = Vec::with_capacity(parts.len());
    for part in &parts {
        let phases: Vec<Phase> = phases.iter().map(|phase| phase.part(part)).collect();
        dispatches.extend(part_dispatches(
            context, filter, &phases, part, shader, nchw_input,
        )?);
    }
    Ok(dispatches)
}

/// The dispatches for a part of the sums. `phases` have the part's taps.
fn part_dispatches(
    context: &LoweringContext,
    filter: &Filter,
    phases: &[Phase],
    sum: &SumPart,
    shader: GemmShader,
    nchw_input: bool,
) -> Result<Vec<Dispatch>> {
    let Some(phase) = phases.first() else {
        return Ok(Vec::new());
    };
    let k_c4 = sum.inner.len();
    let group_n_tiles = filter.group_outputs.div_ceil(N_TILE);
    let n_tiles = group_n_tiles * filter.groups;
    let tile_len = phase.taps() * k_c4 * 4 * N_TILE;
    let precision = context.device.precision;
    let tile_bytes = tile_len as u64 / 4 * precision.element_bytes();
    let parts = split(
        context.device,
        &context.node.name,
        n_tiles * phases.len(),
        tile_bytes,
    )?;
    if phases.len() > 1 && parts.len() > 1 {
        let separate = phases
            .iter()
            .map(|phase| part_dispatches(context, filter, &[*phase], sum, shader, nchw_input))
            .collect::<Result<Vec<_>>>()?;
        return Ok(separate.into_iter().flatten().collect());
    }

    let bias = match sum.is_first {
        true => bias(context, filter, group_n_tiles),
        false => context.zeros(filter.groups * group_n_tiles * N_TILE),
    };
    let epilogue = Epilogue::of_part(context, sum);
    let prologue = Prologue::of(context, filter.groups * filter.group_inputs);
    let input = TensorView {
        offset: context.inputs[0].offset + sum.inner.start as u32,
        ..context.inputs[0]
    };
    let input_bytes = u64::from(input.pixels) * u64::from(input.c4) * precision.element_bytes();
    let mut dispatches = Vec::with_capacity(parts.len());
    for part in parts {
        // N tiles are counted through all phases; this is the range within each phase.
        let tiles = part.start..part.end.min(part.start + n_tiles);
        let params = Params {
            input,
            epilogue: epilogue.params,
            first_n_tile: tiles.start as u32,
            n_tiles: tiles.len() as u32,
            prologue_slope: prologue.slope,
            gemms: phases.len() as u32,
            weight_gemm_stride: tiles.len() as u32,
            // The larger of both operands should be read once.
            n_fastest: u32::from(input_bytes > tiles.len() as u64 * tile_bytes),
            input_k_c4: (filter.group_inputs.div_ceil(4).min(sum.inner.end) - sum.inner.start)
                as u32,
            ..Params::of(context, filter, phase, k_c4)
        };
        let layout = shader.weight_layout();
        let weight = weight(context, filter, layout, phases, &sum.inner, part, tiles);
        let residual = epilogue.read(&bias);
        let scales = prologue.read(&bias);
        let reads = vec![Read::Input(0), weight, bias.clone(), residual, scales];
        let dispatch = dispatch(context, shader, nchw_input, &params, reads)?;
        dispatches.push(prologue.select(epilogue.select(dispatch)));
    }
    Ok(dispatches)
}

/// The weights of the N tiles `part`, counted through `phases`, as `[phase][N tile][tap]` with `layout` in each, and the
/// elements `k` of a group's input channels. `tiles` are those of each phase.
pub(super) fn weight(
    context: &LoweringContext,
    filter: &Filter,
    layout: WeightLayout,
    phases: &[Phase],
    k: &Range<usize>,
    part: Range<usize>,
    tiles: Range<usize>,
) -> Read {
    let taps: Vec<_> = (phases.iter())
        .map(|phase| (phase.rows, phase.columns))
        .collect();
    let suffix = filter.order_suffix();
    let k_c4 = k.len();
    let inputs = 4 * k.start..filter.group_inputs.min(4 * k.end);
    let suffix = match inputs.len() == filter.group_inputs {
        true => suffix.to_owned(),
        false => format!("{suffix} of inputs {inputs:?}"),
    };
    let name = format!("{} {k_c4} {part:?} {taps:?}{suffix}", layout.name());
    let filter = filter.clone();
    let phases = phases.to_vec();
    let group_n_tiles = filter.group_outputs.div_ceil(N_TILE);
    // All phases have the same number of taps.
    let tile_len = phases.first().map_or(0, Phase::taps) * k_c4 * 4 * N_TILE;
    let pack = move |weights: &Weights, name: &str, indices: Range<usize>| {
        let tile = |i: usize| tiles.start + i % tiles.len();
        let outputs = |tile: usize| {
            let within = tile % group_n_tiles * N_TILE;
            let first = tile / group_n_tiles * filter.group_outputs + within;
            first..first + N_TILE.min(filter.group_outputs - within)
        };
        let read = indices.clone().map(|i| outputs(tile(i)));
        let first = read.clone().map(|outputs| outputs.start).min();
        let end = read.map(|outputs| outputs.end).max();
        let kernels = filter.read(weights, name, first.unwrap_or(0)..end.unwrap_or(0))?;
        let mut packed = vec![0.0; indices.len() * tile_len];
        // A stride phase of a transposed convolution may have no taps, and so no weights.
        let chunks = packed.par_chunks_mut(tile_len.max(1)).zip(indices);
        chunks.for_each(|(packed, i)| {
            let phase = &phases[i / tiles.len()];
            for (i, output) in outputs(tile(i)).enumerate() {
                for (at, input) in inputs.clone().enumerate() {
                    let kernel = kernels.get(output, input);
                    for (tap, (row, column)) in phase.kernel_taps().enumerate() {
                        let at = tap * k_c4 * 4 * N_TILE + layout.at(at, i);
                        packed[at] = kernel[filter.tap(row, column)];
                    }
                }
            }
        });
        Ok(packed)
    };
    let precision = context.device.precision;
    context.weight_in_blocks(precision, &name, part.len(), tile_len, pack)
}

/// One dispatch of a GEMM shader.
pub(super) fn dispatch(
    context: &LoweringContext,
    shader: GemmShader,
    nchw_input: bool,
    params: &Params,
    reads: Vec<Read>,
) -> Result<Dispatch> {
    let device = context.device;
    let name = &context.node.name;
    let m = u64::from(params.outputs.pixels);
    let n_tiles = params.n_tiles * params.gemms;
    let wgsl = match (shader, nchw_input) {
        (GemmShader::Direct { .. }, false) => &CONV2D,
        (GemmShader::Direct { .. }, true) => &CONV2D_NCHW,
        (GemmShader::Subgroup { .. }, false) => &CONV2D_SUBGROUP,
        (GemmShader::Subgroup { .. }, true) => &CONV2D_SUBGROUP_NCHW,
        (GemmShader::Tiled(..), false) => &CONV2D_TILED,
        (GemmShader::Tiled(..), true) => &CONV2D_TILED_NCHW,
        // Never selected for an NCHW input.
        (GemmShader::Cooperative(_, it), _) => match (it.kind, it.shape.side()) {
            (MatrixKind::Emulated, _) => &CONV2D_COOPERATIVE_EMULATED,
            (MatrixKind::Native, 8) => &CONV2D_COOPERATIVE_8X8,
            (MatrixKind::Native, _) => &CONV2D_COOPERATIVE,
        },
    };
    let kernel = params.window.kernel.map(|v| v as usize);
    let iterations = shader.loop_iterations(kernel, params.k_c4 as usize);
    // `split` keeps the N tiles within a dimension of a dispatch.
    let dispatch = match shader {
        GemmShader::Subgroup { m_per_invocation } => {
            let subgroups = subgroup_tiles(m, m_per_invocation) * u64::from(n_tiles);
            let [x, y] = device.fold(name, subgroups.div_ceil(WORKGROUP / SUBGROUP))?;
            let dispatch = device.dispatch(wgsl, params, reads, [x, y, 1], iterations);
            dispatch.constant("M_PER_INVOCATION", m_per_invocation)
        }
        GemmShader::Direct { m_per_invocation } => {
            let tile_m = WORKGROUP * u64::from(m_per_invocation);
            let [x, z] = device.fold(name, m.div_ceil(tile_m))?;
            let dispatch = device.dispatch(wgsl, params, reads, [x, n_tiles, z], iterations);
            dispatch.constant("M_PER_INVOCATION", m_per_invocation)
        }
        GemmShader::Tiled(tile, _) => {
            let [x, z] = device.fold(name, m.div_ceil(u64::from(tile.pixels)))?;
            let rows = params.n_tiles.div_ceil(tile.n_tiles()) * params.gemms;
            let dispatch = device.dispatch(wgsl, params, reads, [x, rows, z], iterations);
            let padded = [
                ("PADDED", u32::from(params.has_padded_taps())),
                ("K_PADDED", u32::from(params.has_padded_channels())),
            ];
            let dispatch = dispatch.constants(&tile.constants(nchw_input));
            let dispatch = dispatch.constants(&padded);
            match params.part_steps {
                0 => dispatch,
                _ => dispatch.constant("SPLIT", 1),
            }
        }
        GemmShader::Cooperative(tile, cooperative) => {
            let [x, z] = device.fold(name, m.div_ceil(u64::from(tile.pixels)))?;
            let rows = params.n_tiles.div_ceil(tile.n_tiles()) * params.gemms;
            let dispatch = device.dispatch(wgsl, params, reads, [x, rows, z], iterations);
            let dispatch = dispatch.constants(&tile.constants(cooperative));
            dispatch.constants(&[
                ("PADDED_TAPS", u32::from(params.has_padded_taps())),
                ("PADDED_CHANNELS", u32::from(params.has_padded_channels())),
            ])
        }
    };
    let elements = match (shader, params.part_steps) {
        (GemmShader::Tiled(tile, _), steps @ 1..) => steps * tile.k_step_c4,
        _ => params.window.kernel[0] * params.window.kernel[1] * params.k_c4,
    };
    let taps = u64::from(elements.div_ceil(params.k_c4.max(1)));
    let dispatch = dispatch.products(shader.products(elements), taps);
    Ok(match nchw_input {
        true => dispatch.constant("CHANNELS", params.input.channels),
        false => dispatch,
    })
}

/// The bias, padded to N tiles as the weights are.
pub(super) fn bias(context: &LoweringContext, filter: &Filter, group_n_tiles: usize) -> Read {
    let len = filter.groups * group_n_tiles * N_TILE;
    if filter.folding.has_no_bias() {
        return context.zeros(len);
    }
    let filter = filter.clone();
    context.per_channel("bias gemm", len, move |weights| {
        let mut packed = vec![0.0; len];
        let values = filter.folding.bias(weights)?;
        for (group, values) in values.chunks(filter.group_outputs).enumerate() {
            let first = group * group_n_tiles * N_TILE;
            packed[first..][..filter.group_outputs].copy_from_slice(values);
        }
        Ok(packed)
    })
}
