//! Masks put together from the logits of tiles: rows of pixels that are complete once a row of tiles is.

use rayon::prelude::*;

use super::tile_axis::Span;
use crate::tensor::Tensor;
use crate::vision::{Tap, argmax, interpolate};

/// The part of an axis that a tile computes.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileAxis<'a> {
    pub span: Span,
    /// How many of its last pixels the next tile computes, too.
    pub shared_with_next: usize,
    /// What each pixel of the image is made of.
    pub taps: &'a [Tap],
    /// The first pixel of the whole map that the tile's map has.
    pub map_origin: usize,
}

impl TileAxis<'_> {
    fn len(&self) -> usize {
        self.span.pixels[1] - self.span.pixels[0]
    }

    /// The pixel of the span with the index `i`, in the tile's map.
    fn tap(&self, i: usize) -> Tap {
        let (first, second, part) = self.taps[self.span.pixels[0] + i];
        (first - self.map_origin, second - self.map_origin, part)
    }

    /// The tile's part in the pixel with the index `i` of its span, where another tile has the rest.
    fn weight(&self, i: usize) -> f32 {
        let ramp = |at: usize, len: usize| (at as f32 + 0.5) / len as f32;
        let left = self.len() - i;
        if i < self.span.shared {
            ramp(i, self.span.shared)
        } else if left <= self.shared_with_next {
            ramp(left - 1, self.shared_with_next)
        } else {
            1.0
        }
    }
}

/// Complete rows of a mask, and what tiles have added to those that are not.
#[derive(Debug)]
pub(super) struct MaskStrip {
    width: usize,
    channels: usize,
    /// The image's row that is the first here.
    pub top: usize,
    pub classes: Vec<u8>,
    pub probabilities: Vec<f32>,
    pub foreground: Vec<f32>,
    /// Weighted logits of the tile before, in the columns that it shares: `[row][column][channel]`.
    left: Vec<f32>,
    /// Weighted logits of the row of tiles before, in the rows that it shares, and of this one, for the next.
    above: Vec<f32>,
    below: Vec<f32>,
}

/// What a tile computes in a row.
struct Row {
    /// The class of the pixels that are complete, its probability, and the foreground's; empty where the next row of
    /// tiles has a part.
    pixels: Vec<(u8, f32, f32)>,
    /// The weighted logits of pixels in a row that is shared.
    shared: Vec<f32>,
    /// The weighted logits of the pixels that are shared with the next tile.
    right: Vec<f32>,
}

impl MaskStrip {
    pub fn new(width: usize, channels: usize) -> Self {
        Self {
            width,
            channels,
            top: 0,
            classes: Vec::new(),
            probabilities: Vec::new(),
            foreground: Vec::new(),
            left: Vec::new(),
            above: Vec::new(),
            below: Vec::new(),
        }
    }

    /// Begins a row of tiles.
    pub fn begin(&mut self, rows: &TileAxis) {
        let complete = (rows.len() - rows.shared_with_next) * self.width;
        self.top = rows.span.pixels[0];
        self.classes.clear();
        self.classes.resize(complete, 0);
        for values in [&mut self.probabilities, &mut self.foreground] {
            values.clear();
            values.resize(complete, 0.0);
        }
        self.above = std::mem::take(&mut self.below);
        self.below
            .resize(rows.shared_with_next * self.width * self.channels, 0.0);
        self.left.clear();
    }

    /// Adds the logits `[1, C, h, w]` of the next tile of a row.
    pub fn add(&mut self, logits: &Tensor, rows: &TileAxis, columns: &TileAxis) {
        let computed: Vec<Row> = (0..rows.len())
            .into_par_iter()
            .map(|y| self.row(logits, rows, columns, y))
            .collect();
        let complete = rows.len() - rows.shared_with_next;
        let begin = columns.span.pixels[0];
        self.left.clear();
        for (y, row) in computed.into_iter().enumerate() {
            self.left.extend(row.right);
            if y < complete {
                let at = y * self.width + begin;
                for (i, pixel) in row.pixels.into_iter().enumerate() {
                    let at = at + i;
                    (
                        self.classes[at],
                        self.probabilities[at],
                        self.foreground[at],
                    ) = pixel;
                }
            } else {
                let at = ((y - complete) * self.width + begin) * self.channels;
                self.below[at..at + row.shared.len()].copy_from_slice(&row.shared);
            }
        }
    }

    fn row(&self, logits: &Tensor, rows: &TileAxis, columns: &TileAxis, y: usize) -> Row {
        let [_, channels, ..] = logits.shape().nchw();
        let row_tap = rows.tap(y);
        let row_weight = rows.weight(y);
        let is_shared = rows.len() - y <= rows.shared_with_next;
        let len = columns.len();
        let whole = len - columns.shared_with_next;
        let mut row = Row {
            pixels: Vec::with_capacity(if is_shared { 0 } else { whole }),
            shared: Vec::with_capacity(if is_shared { whole * channels } else { 0 }),
            right: Vec::with_capacity(columns.shared_with_next * channels),
        };
        let mut values = vec![0.0_f32; channels];
        for x in 0..len {
            interpolate(logits, row_tap, columns.tap(x), &mut values);
            let weight = columns.weight(x);
            if x < columns.span.shared {
                let before = &self.left[(y * columns.span.shared + x) * channels..];
                add(&mut values, weight, before);
            } else if x >= whole {
                row.right.extend(values.iter().map(|value| value * weight));
                continue;
            }
            if y < rows.span.shared {
                let at = y * self.width + columns.span.pixels[0] + x;
                add(&mut values, row_weight, &self.above[at * channels..]);
            } else if is_shared {
                (row.shared).extend(values.iter().map(|value| value * row_weight));
                continue;
            }
            row.pixels.push(argmax(&values));
        }
        row
    }
}

/// Adds to the weighted values what another tile has.
fn add(values: &mut [f32], weight: f32, others: &[f32]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = *value * weight + other;
    }
}
