//! The rows of an image that tiles need.

use std::ops::Range;

use crate::error::Result;
use crate::vision::RowSource;

/// Some rows of an image, which are read in order.
#[derive(Debug)]
pub(super) struct RowBuffer<R> {
    source: R,
    /// Bytes of a row.
    stride: usize,
    /// The first row in `bytes`.
    first: usize,
    bytes: Vec<u8>,
}

impl<R: RowSource> RowBuffer<R> {
    pub fn new(source: R) -> Self {
        Self {
            stride: 3 * source.dimensions().0 as usize,
            source,
            first: 0,
            bytes: Vec::new(),
        }
    }

    /// Reads up to the end of `rows`, and drops the rows before them, which are not needed again.
    pub fn keep(&mut self, rows: Range<usize>) -> Result<()> {
        let dropped = rows.start.saturating_sub(self.first) * self.stride;
        self.bytes.drain(..dropped.min(self.bytes.len()));
        self.first = self.first.max(rows.start);
        let held = self.bytes.len() / self.stride;
        let missing = rows.end.saturating_sub(self.first + held);
        let begin = self.bytes.len();
        self.bytes.resize(begin + missing * self.stride, 0);
        for row in self.bytes[begin..].chunks_exact_mut(self.stride) {
            self.source.read_row(row)?;
        }
        Ok(())
    }

    /// A row that is kept.
    pub fn row(&self, row: usize) -> &[u8] {
        self.rows(row..row + 1)
    }

    /// Rows that are kept, one after another.
    pub fn rows(&self, rows: Range<usize>) -> &[u8] {
        let [begin, end] = [rows.start, rows.end].map(|row| (row - self.first) * self.stride);
        &self.bytes[begin..end]
    }
}
