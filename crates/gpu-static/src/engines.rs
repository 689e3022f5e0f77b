//! What other engines dispatch for a convolution in float32: which shaders, with which constants and workgroups. The
//! rules are those of the versions that `scripts/gpu-static-anchors` names.

use std::path::Path;

use crate::cards::Card;
use crate::module::Module;
use crate::predict::Dispatch;

/// A convolution of one image with stride 1 whose output has the size of its input.
#[derive(Clone, Copy, Debug)]
pub struct Problem {
    /// Channels of the input.
    pub inputs: u64,
    /// Channels of the output.
    pub outputs: u64,
    /// Pixels along each side.
    pub size: u64,
    /// Taps along each side of the kernel.
    pub kernel: u64,
}

impl Problem {
    /// What tables call it.
    pub fn name(&self) -> String {
        let Self {
            inputs,
            outputs,
            size,
            kernel,
        } = self;
        format!("{kernel}x{kernel}, {inputs}->{outputs}, {size}x{size}")
    }

    fn pixels(&self) -> u64 {
        self.size * self.size
    }

    /// The K of its GEMM.
    fn depth(&self) -> u64 {
        self.inputs * self.kernel * self.kernel
    }

    /// Bytes of input, weights and output.
    fn bytes(&self) -> u64 {
        4 * (self.pixels() * (self.inputs + self.outputs) + self.outputs * self.depth())
    }
}

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
    /// The engine.
    pub engine: &'static str,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// Its dispatches.
    pub steps: Vec<Step>,
}

/// What the engines do whose modules are in `folder`.
pub fn anchors(problem: &Problem, card: &Card, folder: &Path) -> Vec<Anchor> {
    let mut anchors = vec![
        ggml(problem, card, folder),
        ncnn(problem, folder),
        meganeura(problem, folder),
    ];
    if problem.kernel == 3 {
        anchors.push(ncnn_winograd(problem, folder));
        anchors.push(meganeura_winograd(problem, folder));
    }
    anchors.retain(|anchor| anchor.steps.iter().all(|it| it.module.path.is_file()));
    anchors
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
        file: "ggml_conv2d_mm.spv",
        invocations: 256,
        tile: [128, 128, 16, 8],
    };
    let small = Shape {
        form: "64x32",
        file: "ggml_conv2d_mm_unroll.spv",
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
        bytes: problem.bytes(),
    };
    Anchor {
        engine: "ggml",
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
            "ncnn_convolution_packed_1x1s1d1.spv",
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
            "ncnn_convolution_packed_gemm.spv",
            [&window[..], &head, &shapes, &tail].concat(),
        )
    };
    let dispatch = Dispatch {
        workgroups: ncnn_workgroups(problem, problem.pixels()),
        products: (NCNN_SUMS * problem.depth()) as f64,
        bytes: problem.bytes(),
    };
    Anchor {
        engine: "ncnn",
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

/// Elements of Winograd's convolution: of the transformed input, weights and output.
struct Transformed {
    /// Tiles along each side, and the multiplications of one.
    side: u64,
    taps: u64,
    input: u64,
    weights: u64,
    output: u64,
}

impl Transformed {
    fn new(problem: &Problem, tile: u64) -> Self {
        let side = problem.size.div_ceil(tile);
        let taps = (tile + 2) * (tile + 2);
        Self {
            side,
            taps,
            input: taps * side * side * problem.inputs,
            weights: taps * problem.inputs * problem.outputs,
            output: taps * side * side * problem.outputs,
        }
    }

    fn tiles(&self) -> u64 {
        self.side * self.side
    }

    /// Bytes of the three dispatches.
    fn bytes(&self, problem: &Problem) -> [u64; 3] {
        [
            problem.pixels() * problem.inputs + self.input,
            self.input + self.weights + self.output,
            self.output + problem.pixels() * problem.outputs,
        ]
        .map(|elements| 4 * elements)
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
    let step = |name: &str, constants: Vec<u32>, workgroups, products, bytes| {
        let path = folder.join(format!("ncnn_convolution_pack4_3x3s1d1_winograd{name}.spv"));
        let constants = (0..).zip(constants).collect();
        let dispatch = Dispatch {
            workgroups,
            products,
            bytes,
        };
        step(path, "pack4", NCNN_INVOCATIONS, constants, dispatch)
    };
    let steps = vec![
        step(
            "43_transform_input",
            vec![inputs, padded, padded, padded * padded, tiles, side, side],
            blocks * u64::from(inputs),
            0.0,
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
            (NCNN_SUMS * problem.inputs) as f64,
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
            0.0,
            from,
        ),
    ];
    Anchor {
        engine: "ncnn",
        algorithm: "Winograd F(4x4, 3x3)",
        steps,
    }
}

/// Tiles of 64x64, 4x4 sums an invocation. Problems of fewer than 16 such tiles, which it gives smaller ones, are not
/// among ours.
const MEGANEURA_TILE: u64 = 64;
const MEGANEURA_SUMS: u64 = 16;
const MEGANEURA_INVOCATIONS: u32 = 256;

fn meganeura_workgroups(problem: &Problem, pixels: u64) -> u64 {
    pixels.div_ceil(MEGANEURA_TILE) * problem.outputs.div_ceil(MEGANEURA_TILE)
}

fn meganeura(problem: &Problem, folder: &Path) -> Anchor {
    let dispatch = Dispatch {
        workgroups: meganeura_workgroups(problem, problem.pixels()),
        products: (MEGANEURA_SUMS * problem.depth()) as f64,
        bytes: problem.bytes(),
    };
    Anchor {
        engine: "meganeura",
        algorithm: "implicit GEMM",
        steps: vec![step(
            folder.join("meganeura_conv2d_gemm.wgsl"),
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
            MEGANEURA_SUMS * problem.inputs,
            gemm,
        ),
        ("output_transform", "", per_tile(problem.outputs), 0, from),
    ];
    let steps = parts.map(|(name, form, workgroups, products, bytes)| {
        let dispatch = Dispatch {
            workgroups,
            products: products as f64,
            bytes,
        };
        let path = folder.join(format!("meganeura_winograd_{name}.wgsl"));
        step(path, form, MEGANEURA_INVOCATIONS, Vec::new(), dispatch)
    });
    Anchor {
        engine: "meganeura",
        algorithm: "Winograd F(2x2, 3x3)",
        steps: steps.into(),
    }
}
