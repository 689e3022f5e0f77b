//! The kernels of Winograd's convolution, transformed when the weights are packed.

use std::ops::Range;

use rayon::prelude::*;

use super::super::{LoweringContext, Read};
use super::filter::Filter;
use super::problem::N_TILE;
use crate::gpu::Precision;
use crate::weights::Weights;

/// The transformed kernels, `[N tile][point][in / 4][4 in][16 out]`, for tiles of 2 or 4 outputs along a
/// side. `k_c4` are the elements of input channels, with zeros beyond the filter's.
pub(super) fn weight(context: &LoweringContext, filter: &Filter, tile: u32, k_c4: usize) -> Read {
    let filter = filter.clone();
    let n_tiles = filter.group_outputs.div_ceil(N_TILE);
    // Points of the transform.
    let points = ((tile + 2) * (tile + 2)) as usize;
    let point_len = k_c4 * 4 * N_TILE;
    let tile_len = points * point_len;
    let layout = format!("winograd {tile} {k_c4}{}", filter.order_suffix());
    let pack = move |weights: &Weights, name: &str, indices: Range<usize>| {
        let end = (indices.end * N_TILE).min(filter.group_outputs);
        let kernels = filter.read(weights, name, indices.start * N_TILE..end)?;
        let mut packed = vec![0.0; indices.len() * tile_len];
        let chunks = packed.par_chunks_mut(tile_len).zip(indices);
        chunks.for_each(|(packed, n_tile)| {
            let first = n_tile * N_TILE;
            for output in first..(first + N_TILE).min(filter.group_outputs) {
                for input in 0..filter.group_inputs {
                    let values = transformed(tile, &kernels.in_window_order(output, input));
                    for (point, value) in values.iter().enumerate() {
                        let at = point * point_len + input * N_TILE + output - first;
                        packed[at] = *value as f32;
                    }
                }
            }
        });
        Ok(packed)
    };
    // The steps exchange float32 values, and the weights have the same precision.
    context.weight_in_blocks(Precision::F32, &layout, n_tiles, tile_len, pack)
}

/// G g G^T of a kernel, in float64, since it is computed once.
fn transformed(tile: u32, g: &[f32]) -> Vec<f64> {
    let lines: &[[f64; 3]] = match tile {
        2 => &[
            [1.0, 0.0, 0.0],
            [0.5, 0.5, 0.5],
            [0.5, -0.5, 0.5],
            [0.0, 0.0, 1.0],
        ],
        _ => &[
            [1.0 / 4.0, 0.0, 0.0],
            [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
            [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
            [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
            [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
            [0.0, 0.0, 1.0],
        ],
    };
    let g = |y: usize, x: usize| f64::from(g[y * 3 + x]);
    let mut transformed = Vec::with_capacity(lines.len() * lines.len());
    for row in lines {
        // A row of G g.
        let line: [f64; 3] = [0, 1, 2].map(|x| (0..3).map(|y| row[y] * g(y, x)).sum());
        for column in lines {
            transformed.push((0..3).map(|x| line[x] * column[x]).sum());
        }
    }
    transformed
}
