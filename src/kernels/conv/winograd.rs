//! Winograd's convolution for kernels of 3×3 and stride 1: a transform of the input, a GEMM for each
//! point of the transform, and a transform of the products. Lavin and Gray, "Fast Algorithms for
//! Convolutional Neural Networks" (2016).

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::selection_reason::GemmReason;
use super::super::{
    ConvAlgorithm, DeviceContext, Dispatch, LoweringContext, NO_LOOPS, Read, SelectionReason,
    Target, TensorView, WORKGROUP,
};
use super::filter::Filter;
use super::gemm::{self, Params};
use super::gemm_shader::{GemmShader, n_tile_cost};
use super::problem::{ConvProblem, GemmProblem, N_TILE};
use super::window::{Outputs, Window};
use super::winograd_weight::weight;
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{Precision, WINOGRAD_INPUT, WINOGRAD_OUTPUT};

/// The kernels of Winograd's convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WinogradKernels {
    pub(super) tile: Tile,
    /// The shader of the GEMMs between the transforms.
    gemm: GemmShader,
    gemm_reason: GemmReason,
}

impl WinogradKernels {
    /// The most loop iterations of an invocation in the GEMMs, whose sums are not split.
    pub fn loop_iterations(&self, problem: &ConvProblem) -> u64 {
        let k_c4 = problem.filter.in_channels.div_ceil(4);
        self.gemm.loop_iterations([1, 1], k_c4)
    }

    /// Selects the GEMM shader for tiles of this size. Values between the steps are float32, so cooperative matrices are
    /// not considered: with them, the bytes of these values would take longer than the products that they save.
    pub fn select(problem: &ConvProblem, tile: Tile, device: &DeviceContext) -> Self {
        let gemm = GemmProblem {
            m: tile.count(problem),
            gemms: u64::from(tile.points()),
            taps: 1,
            may_split: false,
            ..problem.gemm()
        };
        let (gemm, gemm_reason) = GemmShader::select_uncooperative(device, &gemm);
        Self {
            tile,
            gemm,
            gemm_reason,
        }
    }
}

/// F(TILE×TILE, 3×3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tile {
    /// 2.25 times fewer multiplications.
    Two = 2,
    /// 4 times fewer multiplications, and a rounding error about ten times as large.
    Four = 4,
}

uniforms! {
    /// `Tiles` of `shaders/shared/winograd.wgsl`.
    struct Tiles {
        size: [u32; 2],
        count: u32,
        c4: u32,
        offset: u32,
        unused: [u32; 3],
    }

    struct InputParams for WINOGRAD_INPUT {
        input: TensorView,
        tiles: Tiles,
        padding: [u32; 2],
        unused: [u32; 2],
    }

    struct OutputParams for WINOGRAD_OUTPUT {
        output: TensorView,
        epilogue: EpilogueParams,
        tiles: Tiles,
    }
}

impl Tile {
    /// Its name.
    pub fn algorithm(self) -> ConvAlgorithm {
        ConvAlgorithm::Winograd { tile: self as u32 }
    }

    /// Rows and columns of a transformed tile.
    fn side(self) -> u32 {
        self as u32 + 2
    }

    /// Rounds in which the input's transform exchanges lines. Two take half the workgroup memory, which leaves room
    /// for more workgroups; in software, their barriers cost more.
    fn rounds(self, device: &DeviceContext) -> u32 {
        match self {
            Self::Four if device.class.costs().workgroup_memory_helps => 2,
            Self::Two | Self::Four => 1,
        }
    }

    /// Points of a transformed tile, with a GEMM for each.
    pub fn points(self) -> u32 {
        self.side() * self.side()
    }

    /// Rows and columns of tiles that cover an output of this height and width.
    fn tiles(self, output: [usize; 2]) -> [usize; 2] {
        output.map(|size| size.div_ceil(self as usize))
    }

    /// Tiles over the whole batch.
    pub fn count(self, problem: &ConvProblem) -> u64 {
        let [rows, columns] = self.tiles(problem.output);
        (problem.batch * rows * columns) as u64
    }

    /// The transformed values of `channels`: an image with one row per point and one column per tile.
    fn view(self, problem: &ConvProblem, channels: usize, offset: u32) -> TensorView {
        let c4 = channels.div_ceil(4) as u32;
        // The selection has checked that the elements are fewer than 2^32.
        let width = self.count(problem) as u32;
        TensorView {
            batch: 1,
            height: self.points(),
            width,
            channels: channels as u32,
            pixel_stride: c4,
            offset,
            c4,
            pixels: self.points() * width,
        }
    }
}

/// Bytes of the transformed input and of the products.
pub(super) fn workspace(problem: &ConvProblem, tile: Tile) -> [u64; 2] {
    // In 64 bits: it is not known yet whether the elements can be counted in 32.
    let points = u64::from(tile.points()) * tile.count(problem);
    [problem.filter.in_channels, problem.filter.out_channels]
        .map(|channels| points * channels.div_ceil(4) as u64 * Precision::F32.element_bytes())
}

/// Bytes of the transformed kernels.
pub(super) fn weight_bytes(problem: &ConvProblem, tile: Tile) -> u64 {
    let outputs = problem.filter.out_channels.next_multiple_of(N_TILE) as u64;
    let inputs = problem.filter.in_channels.div_ceil(4) as u64;
    u64::from(tile.points()) * outputs * inputs * Precision::F32.element_bytes()
}

/// The estimated cost, in the unit of the cost table. `gemm` is the convolution's implicit GEMM.
pub(super) fn cost(
    problem: &ConvProblem,
    gemm: &GemmProblem,
    tile: Tile,
    device: &DeviceContext,
) -> u64 {
    let costs = device.class.costs();
    let tiles = tile.count(problem);
    let gemms = n_tile_cost(tiles, costs) * u64::from(tile.points()) * gemm.k_c4() * gemm.n_tiles();
    let transform = match tile {
        Tile::Two => costs.winograd_transform[0],
        Tile::Four => costs.winograd_transform[1],
    };
    let elements = tiles * (gemm.k_c4() + problem.filter.out_channels.div_ceil(4) as u64);
    gemms + transform * elements
}

/// The three steps of a convolution with one group, a kernel of 3×3 and stride 1, without dilation
/// or prologue. `reason` is the selection's.
pub(super) fn dispatches(
    context: &LoweringContext,
    problem: &ConvProblem,
    filter: &Filter,
    kernels: WinogradKernels,
    reason: SelectionReason,
) -> Result<Vec<Dispatch>> {
    let device = context.device;
    let (input, output) = (context.inputs[0], context.output);
    let tile = kernels.tile;
    let transformed = tile.view(problem, problem.filter.in_channels, context.workspace[0]);
    let products = tile.view(problem, problem.filter.out_channels, context.workspace[1]);
    let tiles = |view: &TensorView| Tiles {
        size: tile.tiles(problem.output).map(|v| v as u32),
        count: view.width,
        c4: view.c4,
        offset: view.offset,
        unused: [0; 3],
    };
    let grid = |c4: u32| -> Result<[u32; 3]> {
        let elements = u64::from(transformed.width) * u64::from(c4);
        let per_workgroup = WORKGROUP / u64::from(tile.side());
        let [x, y] = device.fold(&context.node.name, elements.div_ceil(per_workgroup))?;
        Ok([x, y, 1])
    };

    let params = InputParams {
        input,
        tiles: tiles(&transformed),
        padding: problem.window().padding,
        unused: [0; 2],
    };
    let mut steps = Vec::with_capacity(3);
    steps.push(
        device
            .dispatch(
                &WINOGRAD_INPUT,
                &params,
                vec![Read::Input(0)],
                grid(transformed.c4)?,
                NO_LOOPS,
            )
            .constants(&[("TILE", tile as u32), ("ROUNDS", tile.rounds(device))])
            .operations(0)
            .selected(Some(tile.algorithm()), reason)
            .into_target(Target::Workspace(0)),
    );

    let n_tiles = filter.group_outputs.div_ceil(N_TILE);
    let k_c4 = kernels.gemm.padded_k_c4(filter.group_inputs, false);
    let no_bias = context.zeros(n_tiles * N_TILE);
    let params = Params {
        input: transformed,
        output: products,
        window: Window {
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            padding: [0, 0],
        },
        outputs: Outputs {
            size: [1, products.width],
            step: [1, 1],
            origin: [0, 0],
            pixels: products.width,
            phase_columns: 1,
        },
        epilogue: EpilogueParams::nothing(products),
        k_c4: k_c4 as u32,
        group_out_c4: products.c4,
        group_n_tiles: n_tiles as u32,
        first_n_tile: 0,
        n_tiles: n_tiles as u32,
        prologue_slope: 0.0,
        gemm_rows: 1,
        gemms: tile.points(),
        weight_gemm_stride: 1,
        weight_n_tile_stride: tile.points(),
        // The other order was 5 % slower on VGG-16.
        n_fastest: 0,
        input_k_c4: transformed.c4,
        part_steps: 0,
        unused: [0; 2],
    };
    let reads = vec![
        Read::Workspace(0),
        weight(context, filter, tile as u32, k_c4),
        no_bias.clone(),
        no_bias.clone(),
        no_bias,
    ];
    // Without constants: no epilogue and no prologue.
    let mut product = gemm::dispatch(context, kernels.gemm, false, &params, reads)?;
    product.key.precision = Precision::F32;
    let pairs = u64::from(products.pixels)
        * (problem.filter.in_channels * problem.filter.out_channels) as u64;
    let gemm_reason = SelectionReason::WinogradGemm(kernels.gemm_reason);
    steps.push(
        product
            .operations(2 * pairs)
            .selected(Some(tile.algorithm()), gemm_reason)
            .into_target(Target::Workspace(1)),
    );

    let epilogue = Epilogue::of(context);
    let bias = gemm::bias(context, filter, n_tiles);
    let residual = epilogue.read(&bias);
    let params = OutputParams {
        output,
        epilogue: epilogue.params,
        tiles: tiles(&products),
    };
    let reads = vec![Read::Workspace(1), bias, residual];
    let grid = grid(products.c4)?;
    let last = device.dispatch(&WINOGRAD_OUTPUT, &params, reads, grid, NO_LOOPS);
    let last = last.constant("TILE", tile as u32).operations(0);
    let last = last.selected(Some(tile.algorithm()), reason);
    steps.push(epilogue.select(last));
    Ok(steps)
}
