//! What other engines dispatch for a convolution in float32: which shaders, with which constants and workgroups. The
//! rules are those of the versions that `scripts/gpu-static-anchors` names.

use std::path::{Path, PathBuf};

use crate::cards::Card;
use crate::error::Error;
use crate::module::Module;
use crate::predict::Dispatch;
use crate::problem::{Problem, Transformed};

/// A dispatch of a module.
#[derive(Debug)]
pub struct Step {
    /// What is dispatched.
    pub module: Module,
    /// How often, and what it has to do.
    pub dispatch: Dispatch,
}

/// How an engine computes a problem.
#[derive(Debug)]
pub struct Anchor {
    /// The algorithm.
    pub algorithm: &'static str,
    /// Its dispatches.
    pub steps: Vec<Step>,
}

/// An engine whose modules are in `folder`, which is called as the engine with its version: `ggml-0.26.0`.
#[derive(Debug)]
pub struct Engine {
    /// The folder's name.
    pub name: String,
    folder: PathBuf,
}

impl Engine {
    /// Those in `folder`, by name.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn all(folder: &Path) -> Result<Vec<Self>, Error> {
        let io = |source| Error::Io {
            what: folder.display().to_string(),
            source,
        };
        let mut engines = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            engines.push(Self {
                name: entry.file_name().to_string_lossy().into_owned(),
                folder: entry.path(),
            });
        }
        engines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(engines)
    }

    /// How it computes a problem, with and without Winograd's algorithm. None where its rules are not known here.
    pub fn anchors(&self, problem: &Problem, card: &Card) -> Vec<Anchor> {
        let folder = &self.folder;
        let (gemm, winograd): (_, fn(&Problem, &Path) -> Anchor) = match self.name.split('-').next()
        {
            Some("ggml") => return vec![ggml(problem, card, folder)],
            Some("ncnn") => (ncnn(problem, folder), ncnn_winograd),
            Some("meganeura") => (meganeura(problem, folder), meganeura_winograd),
            _ => return Vec::new(),
        };
        let winograd = (problem.kernel == 3).then(|| winograd(problem, folder));
        [gemm].into_iter().chain(winograd).collect()
    }
}

/// A dispatch of the module at `path`.
fn step(
    path: impl AsRef<Path>,
    form: &str,
    invocations: u32,
    constants: Vec<(u32, u32)>,
    dispatch: Dispatch,
) -> Step {
    Step {
        module: Module {
            path: path.as_ref().to_owned(),
            form: form.to_owned(),
            invocations,
            constants,
        },
        dispatch,
    }
}

/// `conv2d_mm.comp`. Tiles of 128x128 where there are enough for two a compute unit.
fn ggml(problem: &Problem, card: &Card, folder: &Path) -> Anchor {
    struct Shape {
        form: &'static str,
        file: &'static str,
        invocations: u32,
        /// Output channels and pixels of a tile, its step along K, and the channels of an invocation.
        tile: [u64; 4],
    }
    let large = Shape {
        form: "128x128",
        file: "conv2d_mm.spv",
        invocations: 256,
        tile: [128, 128, 16, 8],
    };
    let small = Shape {
        form: "64x32",
        file: "conv2d_mm_unroll.spv",
        invocations: 128,
        tile: [64, 32, 32, 4],
    };
    let workgroups = |shape: &Shape| {
        problem.outputs.div_ceil(shape.tile[0]) * problem.pixels().div_ceil(shape.tile[1])
    };
    let shape = match workgroups(&large) >= 2 * card.compute_units {
        true => large,
        false => small,
    };
    let [channels, pixels, depth, _] = shape.tile;
    let aligned = problem.outputs.is_multiple_of(channels)
        && problem.pixels().is_multiple_of(pixels)
        && problem.depth().is_multiple_of(depth);
    let padding = (problem.kernel / 2) as u32;
    let kernel = problem.kernel as u32;
    let [bs_k, bs_npq, bs_crs, ts_k] = shape.tile.map(|it| it as u32);
    // Without the subgroup operations that it has for GCN.
    let constants = [
        shape.invocations,
        bs_k,
        bs_crs,
        bs_npq,
        ts_k,
        0,
        4,
        1,
        1,
        padding,
        padding,
        1,
        1,
        kernel,
        kernel,
        u32::from(aligned),
    ];
    let dispatch = Dispatch {
        workgroups: workgroups(&shape),
        products: (channels * pixels * problem.depth().next_multiple_of(depth)) as f64
            / f64::from(shape.invocations),
        around: problem.depth().div_ceil(depth) as f64,
        bytes: problem.bytes(),
    };
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step(
            folder.join(shape.file),
            shape.form,
            shape.invocations,
            (0..).zip(constants).collect(),
            dispatch,
        )],
    }
}

/// An invocation of ncnn computes four channels of four pixels, a workgroup 8x8 such blocks.
const NCNN_SUMS: u64 = 16;
/// Channels of a step along K: eight groups of four.
const NCNN_STEP: u64 = 32;
const NCNN_INVOCATIONS: u32 = 64;

fn ncnn_workgroups(problem: &Problem, pixels: u64) -> u64 {
    pixels.div_ceil(4).div_ceil(8) * problem.outputs.div_ceil(4).div_ceil(8)
}

/// Without Winograd's convolution. That the input is padded by a dispatch of its own is left out, here and there.
fn ncnn(problem: &Problem, folder: &Path) -> Anchor {
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
    let dispatch = Dispatch {
        workgroups: ncnn_workgroups(problem, problem.pixels()),
        products: (NCNN_SUMS * problem.depth()) as f64,
        around: problem.depth().div_ceil(NCNN_STEP) as f64,
        bytes: problem.bytes(),
    };
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step(
            folder.join(file),
            "pack4",
            NCNN_INVOCATIONS,
            (0..).zip(constants).collect(),
            dispatch,
        )],
    }
}

/// F(4x4, 3x3). The transforms have no loop, hence no products that tell how often one runs.
fn ncnn_winograd(problem: &Problem, folder: &Path) -> Anchor {
    let transformed = Transformed::new(problem, 4);
    let [to, gemm, from] = transformed.bytes(problem);
    let quarter = |channels: u64| (channels / 4) as u32;
    let (inputs, outputs) = (quarter(problem.inputs), quarter(problem.outputs));
    let (side, tiles) = (transformed.side as u32, transformed.tiles() as u32);
    let size = problem.size as u32;
    let padded = size + 2;
    let blocks = transformed.side.div_ceil(8).pow(2);
    let step = |name: &str, constants: Vec<u32>, workgroups, depth: u64, bytes| {
        let path = folder.join(format!("convolution_pack4_3x3s1d1_winograd{name}.spv"));
        let constants = (0..).zip(constants).collect();
        let dispatch = Dispatch {
            workgroups,
            products: (NCNN_SUMS * depth) as f64,
            around: depth.div_ceil(NCNN_STEP) as f64,
            bytes,
        };
        step(path, "pack4", NCNN_INVOCATIONS, constants, dispatch)
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
            transformed.taps * ncnn_workgroups(problem, transformed.tiles()),
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

/// Tiles of 64x64, 4x4 sums an invocation. Problems of fewer than 16 such tiles, which it gives smaller ones, are not
/// among ours.
const MEGANEURA_TILE: u64 = 64;
const MEGANEURA_SUMS: u64 = 16;
const MEGANEURA_STEP: u64 = 16;
const MEGANEURA_INVOCATIONS: u32 = 256;

fn meganeura_workgroups(problem: &Problem, pixels: u64) -> u64 {
    pixels.div_ceil(MEGANEURA_TILE) * problem.outputs.div_ceil(MEGANEURA_TILE)
}

fn meganeura(problem: &Problem, folder: &Path) -> Anchor {
    let dispatch = Dispatch {
        workgroups: meganeura_workgroups(problem, problem.pixels()),
        products: (MEGANEURA_SUMS * problem.depth()) as f64,
        around: problem.depth().div_ceil(MEGANEURA_STEP) as f64,
        bytes: problem.bytes(),
    };
    Anchor {
        algorithm: "implicit GEMM",
        steps: vec![step(
            folder.join("conv2d_gemm.wgsl"),
            "64x64",
            MEGANEURA_INVOCATIONS,
            Vec::new(),
            dispatch,
        )],
    }
}

/// F(2x2, 3x3), without the transform of the weights, which it repeats each pass.
fn meganeura_winograd(problem: &Problem, folder: &Path) -> Anchor {
    let transformed = Transformed::new(problem, 2);
    let [to, gemm, from] = transformed.bytes(problem);
    let per_tile =
        |channels: u64| (transformed.tiles() * channels).div_ceil(MEGANEURA_INVOCATIONS.into());
    let parts = [
        ("input_transform", "", per_tile(problem.inputs), 0, to),
        (
            "matmul",
            "64x64",
            transformed.taps * meganeura_workgroups(problem, transformed.tiles()),
            problem.inputs,
            gemm,
        ),
        ("output_transform", "", per_tile(problem.outputs), 0, from),
    ];
    let steps = parts.map(|(name, form, workgroups, depth, bytes)| {
        let dispatch = Dispatch {
            workgroups,
            products: (MEGANEURA_SUMS * depth) as f64,
            around: depth.div_ceil(MEGANEURA_STEP) as f64,
            bytes,
        };
        let path = folder.join(format!("winograd_{name}.wgsl"));
        step(path, form, MEGANEURA_INVOCATIONS, Vec::new(), dispatch)
    });
    Anchor {
        algorithm: "Winograd F(2x2, 3x3)",
        steps: steps.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cards::CARDS;

    const PROBLEM: Problem = Problem {
        inputs: 256,
        outputs: 256,
        size: 56,
        kernel: 3,
    };

    #[test]
    fn a_gemm_has_at_least_the_products_of_the_problem() {
        for card in &CARDS {
            for name in ["ggml-1", "ncnn-1", "meganeura-1"] {
                let engine = Engine {
                    name: name.to_owned(),
                    folder: PathBuf::new(),
                };
                let Step { module, dispatch } = &engine.anchors(&PROBLEM, card)[0].steps[0];
                let invocations = dispatch.workgroups as f64 * f64::from(module.invocations);
                let least = (PROBLEM.pixels() * PROBLEM.outputs * PROBLEM.depth()) as f64;
                let products = invocations * dispatch.products;
                assert!(
                    (1.0..1.1).contains(&(products / least)),
                    "{name}: {products}"
                );
            }
        }
    }

    #[test]
    fn ggml_takes_large_tiles_where_they_fill_the_card() {
        let forms = CARDS.each_ref().map(|card| {
            let anchor = ggml(&PROBLEM, card, Path::new(""));
            anchor.steps[0].module.form.clone()
        });
        assert_eq!(forms, ["64x32", "64x32", "128x128"]);
    }
}
