//! meganeura, without cooperative matrices and without tuning.

use std::path::Path;

use super::{Anchor, Step};
use crate::module::Module;
use crate::problem::{Problem, Transformed};

/// Tiles of 64x64, 4x4 sums an invocation. Problems of fewer than 16 such tiles, which it gives smaller ones, are not
/// among ours.
const TILE: u64 = 64;
const SUMS: u64 = 16;
const STEP: u64 = 16;
const INVOCATIONS: u32 = 256;

fn workgroups(problem: &Problem, pixels: u64) -> u64 {
    pixels.div_ceil(TILE) * problem.outputs.div_ceil(TILE)
}

pub fn gemm(problem: &Problem, folder: &Path) -> Anchor {
    let step = Step {
        module: Module {
            path: folder.join("conv2d_gemm.wgsl"),
            form: "64x64".to_owned(),
            invocations: INVOCATIONS,
            constants: Vec::new(),
        },
        workgroups: workgroups(problem, problem.pixels()),
        products: SUMS * problem.depth(),
        turns: problem.depth().div_ceil(STEP),
        transfers: problem.transfers(),
    };
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step],
    }
}

/// F(2x2, 3x3), without the transform of the weights, which it repeats each pass.
pub fn winograd(problem: &Problem, folder: &Path) -> Anchor {
    let transformed = Transformed::new(problem, 2);
    let [to, gemm, from] = transformed.transfers(problem);
    let per_tile = |channels: u64| (transformed.tiles() * channels).div_ceil(INVOCATIONS.into());
    let parts = [
        ("input_transform", "", per_tile(problem.inputs), 0, to),
        (
            "matmul",
            "64x64",
            transformed.taps * workgroups(problem, transformed.tiles()),
            problem.inputs,
            gemm,
        ),
        ("output_transform", "", per_tile(problem.outputs), 0, from),
    ];
    let steps = parts.map(|(name, form, workgroups, depth, transfers)| Step {
        module: Module {
            path: folder.join(format!("winograd_{name}.wgsl")),
            form: form.to_owned(),
            invocations: INVOCATIONS,
            constants: Vec::new(),
        },
        workgroups,
        products: SUMS * depth,
        turns: depth.div_ceil(STEP),
        transfers,
    });
    Anchor {
        algorithm: "Winograd F(2x2, 3x3)",
        steps: steps.into(),
    }
}
