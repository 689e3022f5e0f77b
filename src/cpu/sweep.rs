//! Which taps output pixels see, and where: what a convolution, or a stride phase of a transposed one, sweeps over.

use std::sync::Arc;

use super::map::Map;
use super::memory::Floats;

/// The taps that some output pixels see, and where these pixels are.
#[derive(Clone, Debug)]
pub(super) struct Sweep {
    /// Output pixels, vertically and horizontally.
    pub size: [usize; 2],
    /// Distance and origin of these pixels in the output.
    pub step: [usize; 2],
    pub origin: [usize; 2],
    /// Distance of their windows in the input.
    pub stride: [usize; 2],
    /// The row and column that each tap of the window at the origin reads.
    pub taps: Vec<[isize; 2]>,
    pub interior: Interior,
    /// Packed `[group][panel][tap][k][columns]`.
    pub weights: Arc<Floats>,
}

/// Where taps are for pixels whose whole window lies inside the map.
#[derive(Clone, Debug)]
pub(super) struct Interior {
    /// The first and the last row that a window reads, and columns, from its origin.
    rows: [isize; 2],
    columns: [isize; 2],
    /// The distance of each tap from the origin in memory.
    pub offsets: Vec<isize>,
}

impl Interior {
    pub fn new(taps: &[[isize; 2]], input: &Map) -> Self {
        let ends = |axis: usize| {
            let taps = taps.iter().map(|tap| tap[axis]);
            [taps.clone().min().unwrap_or(0), taps.max().unwrap_or(0)]
        };
        let offset =
            |tap: &[isize; 2]| (tap[0] * input.width as isize + tap[1]) * input.stride as isize;
        Self {
            rows: ends(0),
            columns: ends(1),
            offsets: taps.iter().map(offset).collect(),
        }
    }

    /// Whether the window of this origin lies inside.
    #[inline(always)]
    pub fn holds(&self, [top, left]: [usize; 2], input: &Map) -> bool {
        let inside = |at: usize, [first, last]: [isize; 2], size: usize| {
            at as isize + first >= 0 && at as isize + last < size as isize
        };
        inside(top, self.rows, input.height) && inside(left, self.columns, input.width)
    }
}

/// An output pixel of a sweep.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub image: usize,
    pub y: usize,
    pub x: usize,
}

impl Position {
    pub fn new([rows, columns]: [usize; 2], row: usize) -> Self {
        Self {
            image: row / (rows * columns),
            y: row / columns % rows,
            x: row % columns,
        }
    }

    /// Goes to the next: a division for each would take as long as the products of a small layer.
    #[inline(always)]
    pub fn advance(&mut self, [rows, columns]: [usize; 2]) {
        self.x += 1;
        if self.x == columns {
            (self.x, self.y) = (0, self.y + 1);
            if self.y == rows {
                (self.y, self.image) = (0, self.image + 1);
            }
        }
    }

    /// The index of its pixel in the output.
    #[inline(always)]
    pub fn output_pixel(self, sweep: &Sweep, output: &Map) -> usize {
        let y = self.y * sweep.step[0] + sweep.origin[0];
        let x = self.x * sweep.step[1] + sweep.origin[1];
        (self.image * output.height + y) * output.width + x
    }
}
