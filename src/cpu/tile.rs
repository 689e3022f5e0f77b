//! The inner loop of all matrix products: a tile of up to [`ROWS`] rows and two vectors of columns in registers.
//!
//! Rows are read where they are, through pointers, so that nothing is packed for a product or a convolution: a tap of
//! a convolution is another set of pointers. Columns are packed in panels, `[k][two vectors]`.
//!
//! Why not a crate for the products: `rten-gemm` 0.27, `gemm` 0.19 and this loop reach the same speed where rows are
//! contiguous (111, 113 and 115 of 118 GFLOP/s on one Zen 4 core for M 3136, K 576, N 64), but the crates know no rows
//! through pointers, so that a convolution has to be copied to a matrix first; none writes the output with a residual,
//! an activation and gaps between rows; `rten-gemm` allocates, and `gemm` packs the weights in every run. What remains
//! is this file. The vectors are `rten-simd`'s.

#![expect(
    clippy::needless_range_loop,
    reason = "rows and columns of matrices in registers"
)]

use rten_simd::Isa;
use rten_simd::ops::{BitOps, NumOps};

use super::simd::{Epilogue, first_lanes};

/// Rows of a tile at most. With two columns each, 16 sums hide the latency of a multiply-add, and 8 pointers fit the
/// registers.
pub(super) const ROWS: usize = 8;
/// Rows of a tile with vectors of this many floats: AVX2 has half as many registers as the others.
#[inline(always)]
pub(super) fn max_rows(lanes: usize) -> usize {
    if lanes == 8 { 6 } else { ROWS }
}

/// Vectors of a panel.
pub(super) const VECTORS: usize = 2;

/// Products of a sum, before it is added to others.
const SUM: usize = 512;

/// The rows of a tile at one tap.
pub(super) type RowPointers = [*const f32; ROWS];

/// The product that comes next.
struct Next {
    panel: *const f32,
    tap: usize,
    k: usize,
}

/// A tile to compute.
pub(super) struct Tile<'a> {
    /// The rows at each tap.
    pub taps: &'a [RowPointers],
    /// Products for each tap.
    pub k: usize,
    /// The panel, `[tap][k][columns]`.
    pub panel: *const f32,
    /// What sums begin with, one per column.
    pub bias: *const f32,
    /// Where each row is written.
    pub output: &'a [*mut f32; ROWS],
    /// The residual of each row.
    pub residual: &'a RowPointers,
    /// The first column there.
    pub first: usize,
    /// Columns to write.
    pub columns: usize,
    pub epilogue: Epilogue,
}

impl Tile<'_> {
    /// Computes `rows` rows, 1 to [`ROWS`].
    ///
    /// # Safety
    /// All pointers of the rows must be valid for `k` reads, or `columns` writes; the panel and the bias for whole
    /// vectors.
    #[inline(always)]
    pub unsafe fn compute<I: Isa>(&self, isa: I, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            match (rows, self.columns > isa.f32().len()) {
                (1, false) => self.rows::<I, 1, 1>(isa),
                (2, false) => self.rows::<I, 2, 1>(isa),
                (3, false) => self.rows::<I, 3, 1>(isa),
                (4, false) => self.rows::<I, 4, 1>(isa),
                (5, false) => self.rows::<I, 5, 1>(isa),
                (6, false) => self.rows::<I, 6, 1>(isa),
                (7, false) => self.rows::<I, 7, 1>(isa),
                (_, false) => self.rows::<I, 8, 1>(isa),
                (1, true) => self.rows::<I, 1, 2>(isa),
                (2, true) => self.rows::<I, 2, 2>(isa),
                (3, true) => self.rows::<I, 3, 2>(isa),
                (4, true) => self.rows::<I, 4, 2>(isa),
                (5, true) => self.rows::<I, 5, 2>(isa),
                (6, true) => self.rows::<I, 6, 2>(isa),
                (7, true) => self.rows::<I, 7, 2>(isa),
                (_, true) => self.rows::<I, 8, 2>(isa),
            }
        }
    }

    /// `R` rows and `V` vectors of columns.
    #[inline(always)]
    unsafe fn rows<I: Isa, const R: usize, const V: usize>(&self, isa: I) {
        let ops = isa.f32();
        let lanes = ops.len();
        // SAFETY: the caller's.
        unsafe {
            let mut bias = [ops.zero(); V];
            for v in 0..V {
                bias[v] = ops.load_ptr(self.bias.add(v * lanes));
            }
            // The lines of the output arrive while the products are computed.
            for output in self.output.iter().take(R) {
                for v in 0..V {
                    ops.prefetch_write(output.wrapping_add(self.first + v * lanes));
                }
            }
            let mut next = Next {
                panel: self.panel,
                tap: 0,
                k: 0,
            };
            // Long sums are made of shorter ones, whose rounding errors are smaller.
            let mut sums = self.accumulate(isa, [bias; R], &mut next);
            while next.tap < self.taps.len() {
                let more = self.accumulate(isa, [[ops.zero(); V]; R], &mut next);
                for r in 0..R {
                    for v in 0..V {
                        sums[r][v] = ops.add(sums[r][v], more[r][v]);
                    }
                }
            }
            self.store(isa, sums);
        }
    }

    /// Adds [`SUM`] products, or all where they are fewer, to `sums`. By value: of a reference, the compiler stores each
    /// sum in every iteration.
    #[inline(always)]
    unsafe fn accumulate<I: Isa, const R: usize, const V: usize>(
        &self,
        isa: I,
        mut sums: [[I::F32; V]; R],
        next: &mut Next,
    ) -> [[I::F32; V]; R] {
        let ops = isa.f32();
        let lanes = ops.len();
        let Next {
            mut panel,
            mut tap,
            k: mut first,
        } = *next;
        let mut count = 0;
        // SAFETY: the caller's.
        unsafe {
            while tap < self.taps.len() && count < SUM {
                let rows = &self.taps[tap];
                let end = self.k.min(first + SUM);
                for k in first..end {
                    let mut columns = [ops.zero(); V];
                    for (v, column) in columns.iter_mut().enumerate() {
                        *column = ops.load_ptr(panel.add(v * lanes));
                    }
                    for r in 0..R {
                        let x = ops.splat(*rows[r].add(k));
                        for v in 0..V {
                            sums[r][v] = ops.mul_add(x, columns[v], sums[r][v]);
                        }
                    }
                    panel = panel.add(VECTORS * lanes);
                }
                count += end - first;
                (tap, first) = match end == self.k {
                    true => (tap + 1, 0),
                    false => (tap, end),
                };
            }
        }
        *next = Next {
            panel,
            tap,
            k: first,
        };
        sums
    }

    #[inline(always)]
    unsafe fn store<I: Isa, const R: usize, const V: usize>(&self, isa: I, sums: [[I::F32; V]; R]) {
        let ops = isa.f32();
        let lanes = ops.len();
        for v in 0..V {
            let column = v * lanes;
            if self.columns <= column {
                return;
            }
            let mask = first_lanes(isa, self.columns - column);
            let mut in_column = [ops.zero(); R];
            for r in 0..R {
                in_column[r] = sums[r][v];
            }
            let first = self.first + column;
            // SAFETY: the caller's.
            unsafe {
                (self.epilogue).store(isa, in_column, self.residual, self.output, first, mask);
            }
        }
    }
}
