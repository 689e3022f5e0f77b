//! The two passes of a resize over bytes, in fixed point. Their loops are plain: the compiler makes vectors of them, for
//! the instructions that are found when the program runs.

use rten_simd::{Isa, SimdOp};

use super::resize::FilterWeights;

/// Pillow's fixed point: of 32 bits, 8 are for the value and 2 for the filter's overshoot.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;
/// One half, added so that truncating the fraction rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// Values that the horizontal pass computes together in each row: the channels of a pixel, and some that are dropped.
const LANES: usize = 4;
/// Rows that the horizontal pass computes together: the weights of a column are the same for all.
pub(super) const ROWS: usize = 4;

/// Writes up to [`ROWS`] rows, of a pixel for each column: sums over the rows that `from` begins with, of `width` pixels.
pub(super) fn row_pass<const C: usize>(
    from: &[u8],
    width: usize,
    columns: &FilterWeights,
    to: &mut [u8],
) {
    const { assert!(C <= LANES) };
    // Of the last row, the last tap's dropped values may be beyond the image.
    let (row, to_row) = (width * C, columns.len() * C);
    let rows = to.len() / to_row;
    let padded;
    let from = match from.get(..rows * row + LANES - C) {
        Some(from) => from,
        None => {
            let mut copy = from[..rows * row].to_vec();
            copy.resize(rows * row + LANES - C, 0);
            padded = copy;
            &padded
        }
    };
    if rows == ROWS {
        return RowPass::<C, ROWS>::run(from, row, columns, to);
    }
    for (i, to) in to.chunks_exact_mut(to_row).enumerate() {
        RowPass::<C, 1>::run(&from[i * row..], row, columns, to);
    }
}

/// `R` rows of the horizontal pass. The compiler makes vectors of its loops, for the instructions that dispatching
/// finds.
struct RowPass<'a, const C: usize, const R: usize> {
    /// The rows, and as many bytes more as `LANES` is larger than `C`.
    from: &'a [u8],
    /// The bytes of a row.
    row: usize,
    columns: &'a FilterWeights,
    to: &'a mut [u8],
}

impl<'a, const C: usize, const R: usize> RowPass<'a, C, R> {
    fn run(from: &'a [u8], row: usize, columns: &'a FilterWeights, to: &'a mut [u8]) {
        let pass = Self {
            from,
            row,
            columns,
            to,
        };
        pass.dispatch();
    }
}

impl<const C: usize, const R: usize> SimdOp for RowPass<'_, C, R> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let from: [&[u8]; R] =
            std::array::from_fn(|r| &self.from[r * self.row..][..self.row + LANES - C]);
        let mut rows = self.to.chunks_exact_mut(self.columns.len() * C);
        let mut to: [&mut [u8]; R] = std::array::from_fn(|_| rows.next().unwrap_or_default());
        for (pixel, (start, weights)) in self.columns.iter().enumerate() {
            let mut sums = [[HALF; LANES]; R];
            for (tap, &weight) in weights.iter().enumerate() {
                let first = (start + tap) * C;
                // Opaque words, or the compiler gathers them in one instruction, which takes longer.
                let mut words = [0; R];
                for (word, from) in words.iter_mut().zip(from) {
                    let mut bytes = [0; LANES];
                    bytes.copy_from_slice(&from[first..][..LANES]);
                    *word = std::hint::black_box(u32::from_ne_bytes(bytes));
                }
                let values = words.map(u32::to_ne_bytes);
                let pairs = sums
                    .as_flattened_mut()
                    .iter_mut()
                    .zip(values.as_flattened());
                for (sum, &value) in pairs {
                    *sum += i32::from(value) * weight;
                }
            }
            let mut bytes = [[0; LANES]; R];
            for (to, &sum) in bytes.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *to = to_byte(sum);
            }
            for (to, bytes) in to.iter_mut().zip(bytes) {
                // All lanes, so that a word is stored: the next pixel is written over what is too much.
                let to = &mut to[pixel * C..];
                match to.first_chunk_mut::<LANES>() {
                    Some(to) => *to = bytes,
                    None => to[..C].copy_from_slice(&bytes[..C]),
                }
            }
        }
    }
}

/// Columns that the vertical pass computes together.
const COLUMNS: usize = 64;

/// Sums of the vertical pass: aligned, so that a vector does not cross a line of the cache.
#[repr(align(64))]
struct Sums<const N: usize>([i32; N]);

/// Writes a row of the vertical pass: sums over rows, as long as `to` each, that `from` begins with.
pub(super) fn column_pass(from: &[u8], weights: &[i32], to: &mut [u8]) {
    ColumnPass { from, weights, to }.dispatch();
}

struct ColumnPass<'a> {
    from: &'a [u8],
    weights: &'a [i32],
    to: &'a mut [u8],
}

impl SimdOp for ColumnPass<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self { from, weights, to } = self;
        let width = to.len();
        let (blocks, rest) = to.as_chunks_mut::<COLUMNS>();
        for (i, to) in blocks.iter_mut().enumerate() {
            sum_columns(&from[i * COLUMNS..], width, weights, to);
        }
        if rest.is_empty() {
            return;
        }
        // The last columns, some of them once more.
        if let Some(to) = to.last_chunk_mut::<COLUMNS>() {
            return sum_columns(&from[width - COLUMNS..], width, weights, to);
        }
        for (i, to) in to.iter_mut().enumerate() {
            sum_columns(&from[i..], width, weights, std::array::from_mut(to));
        }
    }
}

/// Sums over rows, `width` apart, of `N` columns.
#[inline(always)]
fn sum_columns<const N: usize>(from: &[u8], width: usize, weights: &[i32], to: &mut [u8; N]) {
    let mut sums = Sums([HALF; N]);
    for (row, &weight) in from.chunks(width).zip(weights) {
        for (sum, &value) in sums.0.iter_mut().zip(&row[..N]) {
            *sum += i32::from(value) * weight;
        }
    }
    for (to, sum) in to.iter_mut().zip(sums.0) {
        *to = to_byte(sum);
    }
}
