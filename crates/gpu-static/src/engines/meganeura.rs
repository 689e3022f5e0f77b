//! meganeura, without cooperative matrices and without tuning.

use std::path::{Path, PathBuf};

use shadernet::plan::Transfer;

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

/// A dispatch of a module with sums of `depth` products, which has no loop where that is 0.
fn step(path: PathBuf, workgroups: u64, depth: u64, transfers: Vec<Transfer>) -> Step {
    Step {
        module: Module {
            path,
            form: if depth == 0 { "" } else { "64x64" }.to_owned(),
            invocations: INVOCATIONS,
            constants: Vec::new(),
        },
        workgroups,
        products: SUMS * depth,
        turns: depth.div_ceil(STEP),
        transfers,
    }
}

pub fn gemm(problem: &Problem, folder: &Path) -> Anchor {
    let step = step(
        folder.join("conv2d_gemm.wgsl"),
        workgroups(problem, problem.pixels()),
        problem.depth(),
        problem.transfers(),
    );
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
        ("input_transform", per_tile(problem.inputs), 0, to),
        (
            "matmul",
            transformed.taps * workgroups(problem, transformed.tiles()),
            problem.inputs,
            gemm,
        ),
        ("output_transform", per_tile(problem.outputs), 0, from),
    ];
    let steps = parts.map(|(name, workgroups, depth, transfers)| {
        let path = folder.join(format!("winograd_{name}.wgsl"));
        step(path, workgroups, depth, transfers)
    });
    Anchor {
        algorithm: "Winograd F(2x2, 3x3)",
        steps: steps.into(),
    }
}
