//! The forms in which kernels use the shaders: values of their override constants.

use std::ops::Range;

use super::conv::{COOPERATIVE_TILES, TILES};
use crate::gpu::{Cooperative, MatrixKind, MatrixShape, Shader};

type Constant = (&'static str, Range<u32>);

/// Values of a shader's override constants: every tile of the convolutions, and every value of each other constant with
/// the defaults of the others, since no expression depends on two of them. Never empty: a shader without constants has
/// one form.
pub fn forms(shader: &Shader) -> Vec<Vec<(&'static str, u32)>> {
    const ACTIVATIONS: Constant = ("ACTIVATION", 0..9);
    const RESIDUAL: Constant = ("RESIDUAL", 0..3);
    const IN_PLACE: Constant = ("RESIDUAL_IN_PLACE", 0..2);
    const PROLOGUE: [Constant; 2] = [("PROLOGUE_NORM", 0..2), ("PROLOGUE_ACTIVATION", 0..9)];
    const ACCUMULATE: Constant = ("ACCUMULATE", 0..2);
    let epilogue = [ACTIVATIONS, RESIDUAL, IN_PLACE, ACCUMULATE];
    let nchw = (shader.name.ends_with("_nchw")).then_some(("CHANNELS", 1..5));
    let constants = match shader.name {
        "activation" | "activation_backward" => vec![ACTIVATIONS],
        "batch_norm" => PROLOGUE.to_vec(),
        "binary" => vec![("OPERATION", 0..18), ACTIVATIONS],
        name if !tiles(name).is_empty() => {
            (nchw.into_iter()).chain(epilogue).chain(PROLOGUE).collect()
        }
        "winograd_input" => vec![("TILE", 2..3), ("TILE", 4..5), ("ROUNDS", 2..3)],
        "winograd_output" => ([("TILE", 2..3), ("TILE", 4..5)].into_iter())
            .chain(epilogue)
            .collect(),
        "conv2d_depthwise_row" => {
            let kernels = [("KERNEL", 3..4), ("KERNEL", 5..6), ("STRIDE", 1..3)];
            kernels.into_iter().chain(epilogue).collect()
        }
        "conv2d_depthwise" | "conv2d_depthwise_transposed" | "conv2d_grouped" | "conv2d_sum" => {
            epilogue.to_vec()
        }
        "linear" | "linear_subgroup" => {
            let rows = [1, 2, 4, 8].map(|rows| ("ROWS", rows..rows + 1));
            rows.into_iter().chain(epilogue).collect()
        }
        "group_norm" | "group_norm_subgroup" => vec![
            ("GROUPS", 1..2),
            ("GROUPS", 4..5),
            ("CENTERED", 0..2),
            ("AFFINE", 0..2),
            ACTIVATIONS,
        ],
        "peak_fma" => vec![("INVOCATIONS", 64..65), ("INVOCATIONS", 256..257)],
        "peak_memory" => vec![("COPY", 0..2)],
        "pool" => vec![("OPERATION", 0..3), ACCUMULATE],
        "adaptive_avg_pool_backward" | "avg_pool_backward" | "max_pool_backward" => {
            vec![ACCUMULATE]
        }
        "grid_sample" => vec![("MODE", 0..3), ("PADDING", 0..3), ("ALIGN_CORNERS", 0..2)],
        "preprocess" => vec![
            ("LINEAR", 0..2),
            ("FLOAT", 0..2),
            ("GREY", 0..2),
            ("CHANNELS", 1..2),
            ("CHANNELS", 3..4),
        ],
        "reduce_channels" => vec![("OPERATION", 0..5), ACCUMULATE],
        "reduce_space" | "reduce_space_subgroup" => ([("OPERATION", 0..5), ACCUMULATE].into_iter())
            .chain(PROLOGUE)
            .collect(),
        "unary" | "unary_backward" => vec![("FUNCTION", 0..43)],
        "cum_sum" => vec![("EXCLUSIVE", 0..2), ("REVERSE", 0..2), ACCUMULATE],
        "matmul" => vec![ACCUMULATE],
        "top_k_channels" => vec![
            ("TEAM", 1..2),
            ("TEAM", 64..65),
            ("SMALLEST", 0..2),
            ("INDICES", 0..2),
        ],
        "where" => vec![
            ("CONDITION_IS_WHOLE", 0..2),
            ("A_IS_WHOLE", 0..2),
            ("B_IS_WHOLE", 0..2),
        ],
        "upsample" => vec![("MODE", 0..3)],
        "upsample_backward" => vec![("MODE", 0..3), ACCUMULATE],
        _ => Vec::new(),
    };
    // Some constants have an effect only together with another: RESIDUAL_IN_PLACE needs a residual.
    let required = |name| match name {
        "RESIDUAL_IN_PLACE" => vec![("RESIDUAL", 1)],
        _ => vec![],
    };
    let values = |(name, values): (&'static str, Range<u32>)| {
        values.map(move |value| [vec![(name, value)], required(name)].concat())
    };
    let of_constants = constants.into_iter().flat_map(values);
    let forms: Vec<_> = tiles(shader.name).into_iter().chain(of_constants).collect();
    match forms.is_empty() {
        true => vec![Vec::new()],
        false => forms,
    }
}

/// The tiles of a shader that computes implicit GEMMs; empty for the others.
fn tiles(name: &str) -> Vec<Vec<(&'static str, u32)>> {
    let m = |values: Range<u32>| values.map(|m| vec![("M_PER_INVOCATION", m)]).collect();
    match name {
        "conv2d" | "conv2d_nchw" => m(1..5),
        "conv2d_subgroup" | "conv2d_subgroup_nchw" => m(1..3),
        "conv2d_cooperative" => cooperative(MatrixKind::Native, 16),
        "conv2d_cooperative_8x8" => cooperative(MatrixKind::Native, 8),
        "conv2d_cooperative_emulated" => [8, 16]
            .map(|side| cooperative(MatrixKind::Emulated, side))
            .concat(),
        "conv2d_tiled" | "conv2d_tiled_nchw" => {
            let padded = |it: Vec<_>| [0, 1].map(|v| [it.clone(), vec![("PADDED", v)]].concat());
            let whole = TILES
                .map(|tile| tile.constants(name.ends_with("_nchw")).to_vec())
                .into_iter()
                .flat_map(padded);
            let others = [("K_PADDED", 1), ("SPLIT", 1)];
            whole.chain(others.map(|it| vec![it])).collect()
        }
        _ => Vec::new(),
    }
}

/// The tiles that are computed with matrices of `side` rows, for the paddings that there are.
fn cooperative(kind: MatrixKind, side: u32) -> Vec<Vec<(&'static str, u32)>> {
    // Most devices have so much workgroup memory; WebGPU guarantees half of it.
    let limits = wgpu::Limits {
        max_compute_workgroup_storage_size: 32_768,
        ..wgpu::Limits::default()
    };
    let paddings = [[1, 1], [1, 0], [0, 0]];
    let shapes = (MatrixShape::ALL.into_iter()).filter(|shape| shape.side() == side);
    let tiles = shapes.flat_map(|shape| {
        let fitting = COOPERATIVE_TILES.into_iter();
        let fitting = fitting.filter(|tile| tile.fits(shape, &limits));
        let fitting: Vec<_> = fitting.collect();
        fitting
            .into_iter()
            .map(move |it| it.constants(Cooperative { shape, kind }))
    });
    let padded = tiles.flat_map(|tile| {
        paddings.map(|[taps, channels]| {
            let padding = vec![("PADDED_TAPS", taps), ("PADDED_CHANNELS", channels)];
            [tile.clone(), padding].concat()
        })
    });
    padded.collect()
}
