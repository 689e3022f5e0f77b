//! Winograd's convolution for kernels of 3×3 and stride 1: a transform of the input, a GEMM for each
//! point of the transform, and a transform of the products; chunk by chunk where all of it would take too much
//! memory. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016).

use std::ops::Range;

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
use super::tiles::LAUNCH_CYCLES;
use super::window::{Outputs, Window};
use super::winograd_weight::weight;
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{Precision, WINOGRAD_INPUT, WINOGRAD_OUTPUT};

/// The kernels of Winograd's convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WinogradKernels {
    pub(super) tile: Tile,
    /// Tiles of a chunk. The last one may have fewer.
    chunk: u64,
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

    /// Chunks of a convolution.
    pub fn chunks(&self, problem: &ConvProblem) -> usize {
        self.tile.count(problem).div_ceil(self.chunk.max(1)) as usize
    }

    /// Selects the GEMM shader for tiles of this size. Values between the steps are float32, so cooperative matrices are
    /// not considered: with them, the bytes of these values would take longer than the products that they save.
    pub fn select(problem: &ConvProblem, tile: Tile, device: &DeviceContext) -> Self {
        let chunk = tile.chunk(problem, device);
        let product = tile.product(problem, chunk);
        let (gemm, gemm_reason) = GemmShader::select_uncooperative(device, &product);
        Self {
            tile,
            chunk,
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
        first: u32,
        unused: [u32; 2],
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

    /// Bytes of the transformed input and of the products of so many tiles.
    fn bytes(self, problem: &ConvProblem, tiles: u64) -> [u64; 2] {
        // In 64 bits: it is not known yet whether the elements can be counted in 32.
        let points = u64::from(self.points()) * tiles;
        [problem.filter.in_channels, problem.filter.out_channels]
            .map(|channels| points * channels.div_ceil(4) as u64 * Precision::F32.element_bytes())
    }

    /// Tiles of a chunk: as many as the device's caches hold, in chunks of about the same size that fill the tiles of
    /// the GEMM shaders.
    fn chunk(self, problem: &ConvProblem, device: &DeviceContext) -> u64 {
        /// Pixels of the largest tile of a GEMM shader.
        const GEMM_TILE: u64 = 128;
        let all = self.count(problem);
        let bytes: u64 = self.bytes(problem, 1).iter().sum();
        let most = device.class.costs().winograd_workspace / bytes.max(1);
        let chunks = all.div_ceil(most.max(GEMM_TILE));
        all.div_ceil(chunks.max(1))
            .next_multiple_of(GEMM_TILE)
            .min(all)
    }

    /// The GEMMs of so many tiles, one for each point.
    fn product(self, problem: &ConvProblem, tiles: u64) -> GemmProblem {
        GemmProblem {
            m: tiles,
            gemms: u64::from(self.points()),
            taps: 1,
            may_split: false,
            ..problem.gemm()
        }
    }

    /// The transformed values of a chunk's `channels`: an image with one row per point and one column per tile.
    fn view(self, chunk: &Range<u64>, channels: usize, offset: u32) -> TensorView {
        let c4 = channels.div_ceil(4) as u32;
        // The selection has checked that the elements are fewer than 2^32.
        let width = (chunk.end - chunk.start) as u32;
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

/// Bytes of the transformed input and of the products of a chunk.
pub(super) fn workspace(problem: &ConvProblem, tile: Tile, device: &DeviceContext) -> [u64; 2] {
    tile.bytes(problem, tile.chunk(problem, device))
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
    let transform = match tile {
        Tile::Two => costs.winograd_transform[0],
        Tile::Four => costs.winograd_transform[1],
    };
    let elements = tiles * (gemm.k_c4() + problem.filter.out_channels.div_ceil(4) as u64);
    if !costs.workgroup_memory_helps {
        let n_tiles = u64::from(tile.points()) * gemm.n_tiles();
        return n_tile_cost(tiles, costs) * gemm.k_c4() * n_tiles + transform * elements;
    }
    let kernels = WinogradKernels::select(problem, tile, device);
    let product = tile.product(problem, kernels.chunk);
    let Some(product) = kernels.gemm.cycles(&product, device) else {
        return u64::MAX;
    };
    // Each of three dispatches waits for the one before, but the convolution itself would wait once.
    let chunk = product + 2 * LAUNCH_CYCLES;
    kernels.chunks(problem) as u64 * chunk + transform * elements / device.compute_units
}

/// The steps of a convolution with one group, a kernel of 3×3 and stride 1, without dilation or prologue: three for
/// each chunk of tiles. `reason` is the selection's.
pub(super) fn dispatches(
    context: &LoweringContext,
    problem: &ConvProblem,
    filter: &Filter,
    kernels: WinogradKernels,
    reason: SelectionReason,
) -> Result<Vec<Dispatch>> {
    let tile = kernels.tile;
    let k_c4 = kernels.gemm.padded_k_c4(filter.group_inputs, false);
    let lowering = Lowering {
        context,
        problem,
        filter,
        kernels,
        k_c4,
        weight: weight(context, filter, tile as u32, k_c4),
        bias: gemm::bias(context, filter, filter.group_outputs.div_ceil(N_TILE)),
    };
    let all = tile.count(problem);
    let chunks = kernels.chunks(problem);
    let mut steps = Vec::with_capacity(3 * chunks);
    for first in (0..all).step_by(kernels.chunk.max(1) as usize) {
        let chunk = first..all.min(first + kernels.chunk);
        let of_tile = |transform: Dispatch, reason| {
            transform
                .parts(chunks)
                .selected(Some(tile.algorithm()), reason)
        };
        let gemm_reason = SelectionReason::WinogradGemm(kernels.gemm_reason);
        let input = lowering.input_transform(&chunk)?;
        steps.push(of_tile(input, reason).into_target(Target::Workspace(0)));
        let product = lowering.product(&chunk)?;
        steps.push(of_tile(product, gemm_reason).into_target(Target::Workspace(1)));
        steps.push(of_tile(lowering.output_transform(&chunk)?, reason));
    }
    Ok(steps)
}

/// What the dispatches of all chunks share.
struct Lowering<'a> {
    context: &'a LoweringContext<'a>,
    problem: &'a ConvProblem,
    filter: &'a Filter,
    kernels: WinogradKernels,
    k_c4: usize,
    weight: Read,
    bias: Read,
}

impl Lowering<'_> {
    /// The transformed input of a chunk of tiles.
    fn transformed(&self, chunk: &Range<u64>) -> TensorView {
        let channels = self.problem.filter.in_channels;
        (self.kernels.tile).view(chunk, channels, self.context.workspace[0])
    }

    /// The products of a chunk.
    fn products(&self, chunk: &Range<u64>) -> TensorView {
        let channels = self.problem.filter.out_channels;
        (self.kernels.tile).view(chunk, channels, self.context.workspace[1])
    }

    fn tiles(&self, chunk: &Range<u64>, view: &TensorView) -> Tiles {
        Tiles {
            size: (self.kernels.tile.tiles(self.problem.output)).map(|v| v as u32),
            count: view.width,
            c4: view.c4,
            offset: view.offset,
            // The selection has checked that all elements, of which a tile has several, are fewer than 2^32.
            first: chunk.start as u32,
            unused: [0; 2],
        }
    }

    /// Workgroups of a transform.
    fn grid(&self, view: &TensorView) -> Result<[u32; 3]> {
        let elements = u64::from(view.width) * u64::from(view.c4);
        let per_workgroup = WORKGROUP / u64::from(self.kernels.tile.side());
        let context = self.context;
        let workgroups = elements.div_ceil(per_workgroup);
        let [x, y] = context.device.fold(&context.node.name, workgroups)?;
        Ok([x, y, 1])
    }

    fn input_transform(&self, chunk: &Range<u64>) -> Result<Dispatch> {
        let (context, tile) = (self.context, self.kernels.tile);
        let transformed = self.transformed(chunk);
        let params = InputParams {
            input: context.inputs[0],
            tiles: self.tiles(chunk, &transformed),
            padding: self.problem.window().padding,
            unused: [0; 2],
        };
        let (reads, grid) = (vec![Read::Input(0)], self.grid(&transformed)?);
        let device = context.device;
        let dispatch = device.dispatch(&WINOGRAD_INPUT, &params, reads, grid, NO_LOOPS);
        let constants = [("TILE", tile as u32), ("ROUNDS", tile.rounds(device))];
        Ok(dispatch.constants(&constants).operations(0))
    }

    /// The GEMMs, one for each point.
    fn product(&self, chunk: &Range<u64>) -> Result<Dispatch> {
        let (context, filter) = (self.context, self.filter);
        let [transformed, products] = [self.transformed(chunk), self.products(chunk)];
        let points = self.kernels.tile.points();
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
            gemm_rows: 1,
            gemms: points,
            weight_gemm_stride: 1,
            weight_n_tile_stride: points,
            // The other order was 5 % slower on VGG-16.
            n_fastest: 0,
            ..Params::of(context, filter, &self.problem.phase(), self.k_c4)
        };
        let no_bias = context.zeros(params.n_tiles as usize * N_TILE);
        let reads = vec![
            Read::Workspace(0),
            self.weight.clone(),
            no_bias.clone(),
            no_bias.clone(),
            no_bias,
        ];
        // Without constants: no epilogue and no prologue.
        let mut product = gemm::dispatch(context, self.kernels.gemm, false, &params, reads)?;
        product.key.precision = Precision::F32;
        let pairs = (filter.group_inputs * filter.group_outputs) as u64;
        Ok(product.operations(2 * u64::from(products.pixels) * pairs))
    }

    fn output_transform(&self, chunk: &Range<u64>) -> Result<Dispatch> {
        let (context, tile) = (self.context, self.kernels.tile);
        let products = self.products(chunk);
        let epilogue = Epilogue::of(context);
        let params = OutputParams {
            output: context.output,
            epilogue: epilogue.params,
            tiles: self.tiles(chunk, &products),
        };
        let residual = epilogue.read(&self.bias);
        let reads = vec![Read::Workspace(1), self.bias.clone(), residual];
        let grid = self.grid(&products)?;
        let dispatch = (context.device).dispatch(&WINOGRAD_OUTPUT, &params, reads, grid, NO_LOOPS);
        let dispatch = dispatch.constant("TILE", tile as u32).operations(0);
        Ok(epilogue.select(dispatch))
    }
}
