//! Winograd's convolution for kernels of 3×3 and stride 1: two transforms and a product for each
//! position of a tile. Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016).

use std::ops::Range;

use rayon::prelude::*;

use super::super::epilogue::{Epilogue, EpilogueParams};
use super::super::{
    ConvAlgorithm, Dispatch, NodeContext, Read, SelectionReason, Target, TensorView, WORKGROUP,
};
use super::dense::{self, BLOCK, Params};
use super::gemm_shader::GemmShader;
use super::geometry::{Filter, Outputs, Window};
use crate::error::Result;
use crate::gpu::uniform::uniforms;
use crate::gpu::{Precision, WINOGRAD_INPUT, WINOGRAD_OUTPUT};
use crate::weights::Weights;

/// F(TILE×TILE, 3×3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tile {
    /// 2.25 times fewer multiplications.
    Two = 2,
    /// 4 times fewer, and a rounding error some ten times larger.
    Four = 4,
}

uniforms! {
    /// `Tiles` of `shaders/shared/winograd.wgsl`.
    struct Tiles {
        size: [u32; 2],
        count: u32,
        groups: u32,
        first: u32,
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
    pub fn kernel(self) -> ConvAlgorithm {
        ConvAlgorithm::Winograd { tile: self as u32 }
    }

    fn side(self) -> u32 {
        self as u32 + 2
    }

    /// Positions of a tile, each a product of its own.
    pub fn positions(self) -> u32 {
        self.side() * self.side()
    }

    /// Rows and columns of tiles that cover `output`.
    fn tiles(self, output: &TensorView) -> [u32; 2] {
        [output.height, output.width].map(|size| size.div_ceil(self as u32))
    }

    /// Tiles over the whole batch.
    pub fn count(self, output: &TensorView) -> u64 {
        let [rows, columns] = self.tiles(output).map(u64::from);
        u64::from(output.batch) * rows * columns
    }

    /// The transformed values of `channels`: an image with a row a position and a column a tile.
    fn map(self, output: &TensorView, channels: u32, offset: u32) -> TensorView {
        let groups = channels.div_ceil(4);
        // The rule has seen that the elements are fewer than 2^32.
        let width = self.count(output) as u32;
        TensorView {
            batch: 1,
            height: self.positions(),
            width,
            channels,
            stride: groups,
            offset,
            groups,
            pixels: self.positions() * width,
        }
    }

    /// G g G^T of a kernel, in float64: made once.
    fn transformed(self, g: &[f32]) -> Vec<f64> {
        let lines: &[[f64; 3]] = match self {
            Self::Two => &[
                [1.0, 0.0, 0.0],
                [0.5, 0.5, 0.5],
                [0.5, -0.5, 0.5],
                [0.0, 0.0, 1.0],
            ],
            Self::Four => &[
                [1.0 / 4.0, 0.0, 0.0],
                [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
                [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
                [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
                [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
                [0.0, 0.0, 1.0],
            ],
        };
        let g = |y: usize, x: usize| f64::from(g[y * 3 + x]);
        let mut answer = Vec::with_capacity(lines.len() * lines.len());
        for row in lines {
            // A row of G g.
            let line: [f64; 3] = [0, 1, 2].map(|x| (0..3).map(|y| row[y] * g(y, x)).sum());
            for column in lines {
                answer.push((0..3).map(|x| line[x] * column[x]).sum());
            }
        }
        answer
    }
}

/// The largest values between the steps, in bytes: the transformed input and the products.
pub(super) fn scratch(context: &NodeContext, tile: Tile) -> [u64; 2] {
    // In 64 bits: whether a map can be made of them is yet to be seen.
    let tiles = u64::from(tile.positions()) * tile.count(&context.output);
    [context.inputs[0].channels, context.output.channels]
        .map(|channels| tiles * u64::from(channels.div_ceil(4)) * Precision::F32.element_bytes())
}

/// Bytes of the transformed kernels.
pub(super) fn weight_bytes(filter: &Filter, tile: Tile) -> u64 {
    let outputs = filter.group_outputs.next_multiple_of(BLOCK) as u64;
    let inputs = filter.group_inputs.div_ceil(4) as u64;
    u64::from(tile.positions()) * outputs * inputs * Precision::F32.element_bytes()
}

/// The three steps of a convolution with one group, a kernel of 3×3 and stride 1, without dilation
/// or prologue.
pub(super) fn dispatches(
    context: &NodeContext,
    filter: &Filter,
    window: &Window,
    tile: Tile,
    why: SelectionReason,
) -> Result<Vec<Dispatch>> {
    let device = context.device;
    let (input, output) = (context.inputs[0], context.output);
    let transformed = tile.map(&output, input.channels, context.scratch[0]);
    let products = tile.map(&output, output.channels, context.scratch[1]);
    let tiles = |map: &TensorView| Tiles {
        size: tile.tiles(&output),
        count: map.width,
        groups: map.groups,
        first: map.offset,
        unused: [0; 3],
    };
    let grid = |groups: u32| -> Result<[u32; 3]> {
        let elements = u64::from(transformed.width) * u64::from(groups);
        let spread = WORKGROUP / u64::from(tile.side());
        let [x, y] = device.fold(&context.node.name, elements.div_ceil(spread))?;
        Ok([x, y, 1])
    };

    let params = InputParams {
        input,
        tiles: tiles(&transformed),
        padding: window.padding,
        unused: [0; 2],
    };
    let mut steps = Vec::with_capacity(3);
    steps.push(
        device
            .dispatch(
                &WINOGRAD_INPUT,
                &params,
                vec![Read::Input(0)],
                grid(transformed.groups)?,
            )
            .constant("TILE", tile as u32)
            .operations(0)
            .selected(Some(tile.kernel()), why)
            .into_target(Target::Scratch(0)),
    );

    let blocks = filter.group_outputs.div_ceil(BLOCK);
    let inner = filter.group_inputs.div_ceil(4);
    let no_bias = context.zeros(blocks * BLOCK);
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
            columns: 1,
        },
        epilogue: EpilogueParams::nothing(products),
        inner: inner as u32,
        group_elements: products.groups,
        group_blocks: blocks as u32,
        first_block: 0,
        blocks: blocks as u32,
        prologue_slope: 0.0,
        plane_rows: 1,
        planes: tile.positions(),
        plane_step: 1,
        block_step: tile.positions(),
        // The other order was 5 % slower on VGG-16.
        blocks_first: 0,
        unused: 0,
    };
    let products_each = u64::from(tile.positions()) * u64::from(products.width);
    let (engine, why_engine) = GemmShader::rule(device, products_each, blocks as u64, 1);
    let reads = vec![
        Read::Scratch(0),
        weight(context, filter, tile),
        no_bias.clone(),
        no_bias.clone(),
        no_bias,
    ];
    // Without constants: no epilogue and no prologue.
    let mut product = dense::step(context, engine, &params, reads)?;
    product.key.precision = Precision::F32;
    let pairs = products_each * filter.group_inputs as u64 * filter.group_outputs as u64;
    steps.push(
        product
            .operations(2 * pairs)
            .selected(Some(tile.kernel()), SelectionReason::Product(why_engine))
            .into_target(Target::Scratch(1)),
    );

    let epilogue = Epilogue::of(context);
    let bias = dense::bias(context, filter, blocks);
    let residual = epilogue.read(&bias);
    let params = OutputParams {
        output,
        epilogue: epilogue.params,
        tiles: tiles(&products),
    };
    let reads = vec![Read::Scratch(1), bias, residual];
    let last = device.dispatch(&WINOGRAD_OUTPUT, &params, reads, grid(products.groups)?);
    let last = last.constant("TILE", tile as u32).operations(0);
    let last = last.selected(Some(tile.kernel()), why);
    steps.push(epilogue.select(last));
    Ok(steps)
}

/// The transformed kernels, `[block][position][in / 4][4 in][16 out]`.
fn weight(context: &NodeContext, filter: &Filter, tile: Tile) -> Read {
    let filter = filter.clone();
    let inner = filter.group_inputs.div_ceil(4);
    let blocks = filter.group_outputs.div_ceil(BLOCK);
    let positions = tile.positions() as usize;
    let plane_len = inner * 4 * BLOCK;
    let layout = format!("winograd {}{}", tile as u32, filter.form());
    let pack = move |weights: &Weights, name: &str, wanted: Range<usize>| {
        let end = (wanted.end * BLOCK).min(filter.group_outputs);
        let kernels = filter.read(weights, name, wanted.start * BLOCK..end)?;
        let mut packed = vec![0.0; wanted.len() * positions * plane_len];
        let chunks = packed.par_chunks_mut(positions * plane_len).zip(wanted);
        chunks.for_each(|(packed, block)| {
            let first = block * BLOCK;
            for output in first..(first + BLOCK).min(filter.group_outputs) {
                for input in 0..filter.group_inputs {
                    let values = tile.transformed(&kernels.in_order(output, input));
                    for (position, value) in values.iter().enumerate() {
                        let at = position * plane_len + input * BLOCK + output - first;
                        packed[at] = *value as f32;
                    }
                }
            }
        });
        Ok(packed)
    };
    let block_len = positions * plane_len;
    // What the steps exchange is float32, and so are these.
    context.weight_in_blocks(Precision::F32, &layout, blocks, block_len, pack)
}
