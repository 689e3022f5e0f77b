//! Winograd's convolution with 3x3 kernels (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks"):
//! tiles of 2x2 or 4x4 outputs are transformed so that each point of a tile is a matrix product of its own, with a
//! quarter to a half of the multiplications.

#![expect(
    clippy::needless_range_loop,
    reason = "rows and columns of matrices in registers"
)]

use std::ops::Range;
use std::sync::Arc;

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp};

use super::implicit_gemm::panel_columns;
use super::kernel::{Kernel, Scratch, Values, part};
use super::map::Map;
use super::memory::Floats;
use super::simd::{Epilogue, first_lanes, lanes, load, store};
use super::tile::{ROWS, RowPointers, Tile, VECTORS, max_rows};
use super::winograd_transform::{input_line, output_line};

/// Tiles that are transformed together where there are many: their values stay in the second cache.
const BLOCK: usize = 32;
/// Blocks per thread from which on each thread transforms its own; fewer are transformed by all threads.
const BLOCKS_PER_THREAD: usize = 3;

#[derive(Debug)]
pub(super) struct Winograd {
    input: Map,
    output: Map,
    residual: Option<Map>,
    /// Outputs along a side of a tile: 2 or 4.
    tile: usize,
    /// Rows above and columns left of the map.
    padding: [isize; 2],
    /// Tiles of an image, vertically and horizontally.
    tiles: [usize; 2],
    /// `[panel][point][input channel][columns]`.
    weights: Arc<Floats>,
    bias: Arc<Floats>,
    epilogue: Epilogue,
    /// How many blocks the tiles are split into; 1 where threads share the channels instead.
    blocks: usize,
    stages: Vec<usize>,
}

impl Winograd {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of the problem"
    )]
    pub fn new(
        input: Map,
        output: Map,
        residual: Option<Map>,
        tile: usize,
        padding: [isize; 2],
        weights: Arc<Floats>,
        bias: Arc<Floats>,
        epilogue: Epilogue,
        threads: usize,
    ) -> Self {
        let tiles = [output.height, output.width].map(|size| size.div_ceil(tile));
        let all = output.batch * tiles[0] * tiles[1];
        let blocks = all.div_ceil(BLOCK);
        let panels = output.channels.div_ceil(panel_columns());
        let vectors = input.channels.div_ceil(lanes());
        let (blocks, stages) = match threads == 1 || blocks >= threads * BLOCKS_PER_THREAD {
            true => (blocks, vec![blocks]),
            false => (1, vec![vectors, panels]),
        };
        Self {
            input,
            output,
            residual,
            tile,
            padding,
            tiles,
            weights,
            bias,
            epilogue,
            blocks,
            stages,
        }
    }

    fn points(&self) -> usize {
        (self.tile + 2) * (self.tile + 2)
    }

    fn all_tiles(&self) -> usize {
        self.output.batch * self.tiles[0] * self.tiles[1]
    }

    /// Tiles of a block at most.
    fn block_len(&self) -> usize {
        self.all_tiles().div_ceil(self.blocks)
    }

    /// Floats from one transformed tile to the next. One cache line more than the channels, so that rows do not fall
    /// into the same set of the cache.
    fn row(&self) -> usize {
        self.input.channels.next_multiple_of(16) + 16
    }

    fn transformed_len(&self) -> usize {
        self.points() * self.block_len() * self.row()
    }

    fn products_len(&self) -> usize {
        self.points() * self.block_len() * panel_columns()
    }
}

impl Kernel for Winograd {
    fn stages(&self) -> &[usize] {
        &self.stages
    }

    fn scratch(&self) -> usize {
        let own = match self.stages.len() {
            1 => self.transformed_len(),
            _ => 0,
        };
        own + self.products_len() + 64
    }

    fn shared_scratch(&self) -> usize {
        match self.stages.len() {
            1 => 0,
            _ => self.transformed_len(),
        }
    }

    unsafe fn run(&self, values: &Values, stage: usize, task: usize, scratch: Scratch) {
        RunTask {
            kernel: self,
            input: values.inputs[0],
            output: values.output,
            residual: values.inputs.last().copied().unwrap_or(values.inputs[0]),
            stage,
            task,
            scratch,
        }
        .dispatch();
    }
}

struct RunTask<'a> {
    kernel: &'a Winograd,
    input: *const f32,
    output: *mut f32,
    residual: *const f32,
    stage: usize,
    task: usize,
    scratch: Scratch,
}

impl SimdOp for RunTask<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.kernel.tile {
            2 => self.run::<I, 2, 4>(isa),
            _ => self.run::<I, 4, 6>(isa),
        }
    }
}

impl RunTask<'_> {
    #[inline(always)]
    fn run<I: Isa, const M: usize, const A: usize>(&self, isa: I) {
        let kernel = self.kernel;
        let lanes = isa.f32().len();
        let all = kernel.all_tiles();
        let channels = kernel.input.channels;
        let panels = kernel.output.channels.div_ceil(VECTORS * lanes);
        // SAFETY: `Kernel::run`'s; the scratch has the lengths that the kernel requested.
        unsafe {
            let (tiles, transformed, products, inputs, outputs) = match kernel.stages.len() {
                1 => {
                    let tiles = part(all, kernel.blocks, self.task);
                    let products = self.scratch.own.add(kernel.transformed_len());
                    (tiles, self.scratch.own, products, 0..channels, 0..panels)
                }
                _ => {
                    let (inputs, outputs) = match self.stage {
                        0 => {
                            let first = self.task * lanes;
                            (first..channels.min(first + lanes), 0..0)
                        }
                        _ => (0..0, self.task..self.task + 1),
                    };
                    let shared = self.scratch.shared;
                    (0..all, shared, self.scratch.own, inputs, outputs)
                }
            };
            let mut channel = inputs.start;
            while channel < inputs.end {
                let count = (inputs.end - channel).min(lanes);
                for t in 0..tiles.len() {
                    let to = transformed.add(t * kernel.row() + channel);
                    let step = tiles.len() * kernel.row();
                    self.transform_input::<I, A>(isa, tiles.start + t, channel, count, to, step);
                }
                channel += lanes;
            }
            for panel in outputs {
                self.multiply::<I>(isa, tiles.len(), transformed, panel, products);
                self.transform_output::<I, M, A>(isa, tiles.clone(), panel, products);
            }
        }
    }

    /// The image, and the row and column of the first output of a tile.
    #[inline(always)]
    fn position(&self, tile: usize) -> [usize; 3] {
        let [rows, columns] = self.kernel.tiles;
        let m = self.kernel.tile;
        let (image, y, x) = (
            tile / (rows * columns),
            tile / columns % rows,
            tile % columns,
        );
        [image, y * m, x * m]
    }

    /// `B^T d B` of a vector of channels of a tile, its points `step` floats apart.
    #[inline(always)]
    unsafe fn transform_input<I: Isa, const A: usize>(
        &self,
        isa: I,
        tile: usize,
        channel: usize,
        count: usize,
        to: *mut f32,
        step: usize,
    ) {
        let ops = isa.f32();
        let Map {
            height,
            width,
            stride,
            ..
        } = self.kernel.input;
        let [image, y, x] = self.position(tile);
        let (top, left) = (
            y as isize - self.kernel.padding[0],
            x as isize - self.kernel.padding[1],
        );
        let mask = first_lanes(isa, count);
        // SAFETY: positions are checked against the map.
        unsafe {
            let image = self.input.add(image * height * width * stride + channel);
            let mut half = [[ops.zero(); A]; A];
            for i in 0..A {
                // Negative numbers wrap around to large ones.
                let y = (top + i as isize) as usize;
                let mut line = [ops.zero(); A];
                if y < height {
                    let row = image.add(y * width * stride);
                    for (j, value) in line.iter_mut().enumerate() {
                        let x = (left + j as isize) as usize;
                        if x < width {
                            let from = row.add(x * stride);
                            *value = load(isa, from, mask);
                        }
                    }
                }
                half[i] = input_line(isa, line);
            }
            for j in 0..A {
                let mut column = [ops.zero(); A];
                for i in 0..A {
                    column[i] = half[i][j];
                }
                let column = input_line(isa, column);
                for i in 0..A {
                    let to = to.add((i * A + j) * step);
                    // There is room for whole vectors: rows are padded.
                    ops.store_ptr(column[i], to);
                }
            }
        }
    }

    /// The products of all points of `tiles` tiles with a panel.
    #[inline(always)]
    unsafe fn multiply<I: Isa>(
        &self,
        isa: I,
        tiles: usize,
        transformed: *const f32,
        panel: usize,
        products: *mut f32,
    ) {
        let kernel = self.kernel;
        let lanes = isa.f32().len();
        let columns = VECTORS * lanes;
        let (points, k, row) = (kernel.points(), kernel.input.channels, kernel.row());
        let groups = tiles.div_ceil(max_rows(lanes));
        let left = kernel.output.channels - panel * columns;
        // A vector that no channel needs is not computed.
        let computed = if left > lanes { columns } else { lanes };
        let zeros = [0.0_f32; 64];
        // SAFETY: the caller's.
        unsafe {
            for point in 0..points {
                let from = transformed.add(point * tiles * row);
                let to = products.add(point * tiles * columns);
                let weights = (kernel.weights.as_ptr()).add((panel * points + point) * k * columns);
                for group in 0..groups {
                    let rows = part(tiles, groups, group);
                    let mut pointers: RowPointers = [from; ROWS];
                    let mut output = [to; ROWS];
                    for (r, row_index) in rows.clone().enumerate() {
                        pointers[r] = from.add(row_index * row);
                        output[r] = to.add(row_index * columns);
                    }
                    Tile {
                        taps: &[pointers],
                        k,
                        panel: weights,
                        bias: zeros.as_ptr(),
                        output: &output,
                        residual: &[from; ROWS],
                        first: 0,
                        columns: computed,
                        epilogue: Epilogue::default(),
                    }
                    .compute(isa, rows.len());
                }
            }
        }
    }

    /// `A^T m A` of all tiles of a panel, with the bias and the epilogue.
    #[inline(always)]
    unsafe fn transform_output<I: Isa, const M: usize, const A: usize>(
        &self,
        isa: I,
        tiles: Range<usize>,
        panel: usize,
        products: *const f32,
    ) {
        let ops = isa.f32();
        let lanes = ops.len();
        let kernel = self.kernel;
        let columns = VECTORS * lanes;
        let step = tiles.len() * columns;
        let output = kernel.output;
        // SAFETY: the caller's; positions are checked against the map.
        unsafe {
            for (t, tile) in tiles.enumerate() {
                let [image, top, left] = self.position(tile);
                for v in 0..VECTORS {
                    let first = panel * columns + v * lanes;
                    if first >= output.channels {
                        break;
                    }
                    let mask = first_lanes(isa, output.channels - first);
                    let from = products.add(t * columns + v * lanes);
                    let mut half = [[ops.zero(); A]; M];
                    for j in 0..A {
                        let mut line = [ops.zero(); A];
                        for (i, value) in line.iter_mut().enumerate() {
                            *value = ops.load_ptr(from.add((i * A + j) * step));
                        }
                        let line = output_line::<I, M, A>(isa, line);
                        for i in 0..M {
                            half[i][j] = line[i];
                        }
                    }
                    let bias = ops.load_ptr(kernel.bias.as_ptr().add(first));
                    for (i, line) in half.into_iter().enumerate() {
                        if top + i >= output.height {
                            break;
                        }
                        let line = output_line::<I, M, A>(isa, line);
                        for (j, sum) in line.into_iter().enumerate() {
                            if left + j >= output.width {
                                break;
                            }
                            let row = image * output.height + top + i;
                            let pixel = row * output.width + left + j;
                            let mut residual = ops.zero();
                            if let Some(map) = kernel.residual {
                                let from = self.residual.add(pixel * map.stride + first);
                                residual = load(isa, from, mask);
                            }
                            let y = kernel.epilogue.apply(isa, ops.add(sum, bias), residual);
                            let to = self.output.add(pixel * output.stride + first);
                            store(isa, y, to, mask);
                        }
                    }
                }
            }
        }
    }
}
