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

/// Values that the horizontal pass computes together: the channels of a pixel, and some that are dropped.
const LANES: usize = 4;

/// Writes the pixels of a row: sums over the row that `from` begins with, of `width` pixels.
pub(super) fn row_pass<const C: usize>(
    from: &[u8],
    width: usize,
    columns: &FilterWeights,
    to: &mut [u8],
) {
    const { assert!(C <= LANES) };
    let len = width * C + LANES - C;
    match from.get(..len) {
        Some(from) => RowPass::<C> { from, columns, to }.dispatch(),
        // The last row: nothing follows it.
        None => {
            let mut padded = from[..width * C].to_vec();
            padded.resize(len, 0);
            let from = &padded;
            RowPass::<C> { from, columns, to }.dispatch();
        }
    }
}

/// A row of the horizontal pass. The compiler makes vectors of its loops, for the instructions that dispatching finds.
struct RowPass<'a, const C: usize> {
    /// The row, and as many bytes more as `LANES` is larger than `C`.
    from: &'a [u8],
    columns: &'a FilterWeights,
    to: &'a mut [u8],
}

impl<const C: usize> SimdOp for RowPass<'_, C> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        for (pixel, (start, weights)) in self.columns.iter().enumerate() {
            let mut sums = [HALF; LANES];
            let taps = self.from[start * C..].windows(LANES).step_by(C);
            for (tap, &weight) in taps.zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(tap) {
                    *sum += i32::from(value) * weight;
                }
            }
            let mut bytes = [0; LANES];
            for (to, sum) in bytes.iter_mut().zip(sums) {
                *to = to_byte(sum);
            }
            // All lanes, so that the compiler makes a vector of them: the next pixel is written over what is too much.
            let to = &mut self.to[pixel * C..];
            match to.first_chunk_mut::<LANES>() {
                Some(to) => *to = bytes,
                None => to[..C].copy_from_slice(&bytes[..C]),
            }
        }
    }
}

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
        let width = self.to.len();
        // Sums stay in registers.
        let (blocks, rest) = self.to.as_chunks_mut::<64>();
        for (i, to) in blocks.iter_mut().enumerate() {
            sum_columns(&self.from[i * to.len()..], width, self.weights, to);
        }
        let first = width - rest.len();
        for (i, to) in rest.iter_mut().enumerate() {
            let to = std::array::from_mut(to);
            sum_columns(&self.from[first + i..], width, self.weights, to);
        }
    }
}

/// Sums over rows, `width` apart, of `N` columns.
#[inline(always)]
fn sum_columns<const N: usize>(from: &[u8], width: usize, weights: &[i32], to: &mut [u8; N]) {
    let mut sums = [HALF; N];
    for (row, &weight) in from.chunks(width).zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(&row[..N]) {
            *sum += i32::from(value) * weight;
        }
    }
    for (to, sum) in to.iter_mut().zip(sums) {
        *to = to_byte(sum);
    }
}
