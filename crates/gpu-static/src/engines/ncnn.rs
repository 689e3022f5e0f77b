//! ncnn, with its default options but in float32, and shapes as constants.

use std::path::{Path, PathBuf};

use shadernet::plan::Transfer;

use super::{Anchor, Step};
use crate::module::Module;
use crate::problem::{Problem, Transformed};

/// An invocation of ncnn computes four channels of four pixels, a workgroup 8x8 such blocks.
const SUMS: u64 = 16;
/// Channels of a step along K: eight groups of four.
const STEP: u64 = 32;
const INVOCATIONS: u32 = 64;

fn workgroups(problem: &Problem, pixels: u64) -> u64 {
    pixels.div_ceil(4).div_ceil(8) * problem.outputs.div_ceil(4).div_ceil(8)
}

/// A dispatch of a module with sums of `depth` products, which has no loop where that is 0.
fn step(
    path: PathBuf,
    constants: Vec<u32>,
    workgroups: u64,
    depth: u64,
    transfers: Vec<Transfer>,
) -> Step {
    Step {
        module: Module {
            path,
            form: "pack4".to_owned(),
            invocations: INVOCATIONS,
            constants: (0..).zip(constants).collect(),
        },
        workgroups,
        products: SUMS * depth,
        turns: depth.div_ceil(STEP),
        transfers,
    }
}

/// Without Winograd's convolution. That the input is padded by a dispatch of its own is left out, here and there.
pub fn gemm(problem: &Problem, folder: &Path) -> Anchor {
    let quarter = |channels: u64| (channels / 4) as u32;
    let kernel = problem.kernel as u32;
    let size = problem.size as u32;
    let pixels = problem.pixels() as u32;
    let padded = size + kernel - 1;
    // Neither bias nor activation, channels in groups of four, and the shapes as constants.
    let head = [0, 0, 0, 0, 4, 4];
    let tail = [problem.outputs as u32, problem.inputs as u32];
    let (file, constants) = if problem.kernel == 1 {
        let shapes = [
            quarter(problem.inputs),
            pixels,
            quarter(problem.outputs),
            pixels,
            pixels / 4,
            pixels.div_ceil(4),
        ];
        (
            "convolution_packed_1x1s1d1.spv",
            [&head[..], &shapes, &tail].concat(),
        )
    } else {
        let window = [kernel, kernel, 1, 1, 1, 1];
        let shapes = [
            padded,
            padded,
            quarter(problem.inputs),
            padded * padded,
            size,
            size,
            quarter(problem.outputs),
            pixels,
        ];
        (
            "convolution_packed_gemm.spv",
            [&window[..], &head, &shapes, &tail].concat(),
        )
    };
    let step = step(
        folder.join(file),
        constants,
        workgroups(problem, problem.pixels()),
        problem.depth(),
        problem.transfers(),
    );
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step],
    }
}

/// F(4x4, 3x3). The transforms have no loop, hence no products that tell how often one runs.
pub fn winograd(problem: &Problem, folder: &Path) -> Anchor {
    let transformed = Transformed::new(problem, 4);
    let [to, gemm, from] = transformed.transfers(problem);
    let quarter = |channels: u64| (channels / 4) as u32;
    let (inputs, outputs) = (quarter(problem.inputs), quarter(problem.outputs));
    let (side, tiles) = (transformed.side as u32, transformed.tiles() as u32);
    let size = problem.size as u32;
    let padded = size + 2;
    let blocks = transformed.side.div_ceil(8).pow(2);
    let step = |name: &str, constants, workgroups, depth, transfers| {
        let path = folder.join(format!("convolution_pack4_3x3s1d1_winograd{name}.spv"));
        step(path, constants, workgroups, depth, transfers)
    };
    let steps = vec![
        step(
            "43_transform_input",
            vec![inputs, padded, padded, padded * padded, tiles, side, side],
            blocks * u64::from(inputs),
            0,
            to,
        ),
        step(
            "_gemm",
            vec![
                transformed.taps as u32,
                inputs,
                outputs,
                tiles,
                tiles,
                tiles,
            ],
            transformed.taps * workgroups(problem, transformed.tiles()),
            problem.inputs,
            gemm,
        ),
        step(
            "43_transform_output",
            vec![
                0,
                0,
                0,
                0,
                outputs,
                tiles,
                side,
                side,
                size,
                size,
                size * size,
            ],
            blocks * u64::from(outputs),
            0,
            from,
        ),
    ];
    Anchor {
        algorithm: "Winograd F(4x4, 3x3)",
        steps,
    }
}
